//! `publish-document`: the SSM documents that the actuator sends and may not write.

use std::process::ExitCode;

use actuator::{
    Config, Install,
    cloud::{CloudError, ErrorKind},
    monitoring::documents::{self, Change, Publication},
};
use common::config::Settings;
use serde_json::{Value, json};

use super::Failure;
use crate::output::line;

/// Publishes both documents, so that changing `actuator.monitoring.install` takes no rights.
pub async fn run(settings: &Settings, dry_run: bool, json: bool) -> Result<ExitCode, Failure> {
    let config = Config::read(settings)?;
    let Some(name) = &config.monitoring.document else {
        return Err(Failure::usage(
            "actuator.monitoring.document is null, so the script goes with AWS-RunShellScript and there is no document to \
             publish; give it a name first"
                .to_owned(),
        ));
    };
    let dry_run = dry_run || config.dry_run;
    let cloud = actuator::connect(&config)
        .await
        .map_err(anyhow::Error::from)?;
    cloud.ready().await.map_err(failure)?;
    let region = cloud.region().unwrap_or("an unknown region");
    let mut documents: Vec<Value> = Vec::new();
    for install in Install::ALL {
        let publication = documents::publish(cloud.as_ref(), name, install, dry_run)
            .await
            .map_err(failure)?;
        if json {
            documents.push(as_json(&publication));
        } else {
            // At once: should the next one fail, this one was made all the same.
            line(sentence(&publication, region, dry_run));
        }
    }
    if json {
        let answer = json!({"dryRun": dry_run, "region": region, "documents": documents});
        line(format!("{answer:#}"));
    } else if config.dry_run {
        line(
            "nothing was changed: actuator.dry_run is on; `DRY_RUN=false autoscaler publish-document` publishes",
        );
    } else if dry_run {
        line("nothing was changed (--dry-run)");
    }
    Ok(ExitCode::SUCCESS)
}

fn sentence(publication: &Publication, region: &str, dry_run: bool) -> String {
    let name = &publication.name;
    let found = publication.document.as_ref().map(|document| {
        let (version, sha256) = (&document.version, &document.sha256);
        format!("version {version}, SHA-256 {sha256}")
    });
    let found = found.unwrap_or_default();
    match (publication.change, dry_run) {
        (Change::Unchanged, _) => format!("{name} in {region} is this release's already: {found}"),
        (Change::Updated, false) => format!("{name} in {region} was updated: {found}"),
        (Change::Made, false) => format!("{name} in {region} was made: {found}"),
        (Change::Updated, true) => {
            format!("{name} in {region} would be updated; it runs another script now: {found}")
        }
        (Change::Made, true) => format!("{name} in {region} would be made; there is none now"),
    }
}

fn as_json(publication: &Publication) -> Value {
    let document = publication.document.as_ref();
    json!({
        "name": publication.name,
        "change": publication.change,
        "version": document.map(|document| &document.version),
        "sha256": document.map(|document| &document.sha256),
    })
}

fn failure(error: CloudError) -> Failure {
    let remedy = match error.kind {
        ErrorKind::Unauthorized => {
            "use credentials with the rights in deploy/iam/setup-policy.json, which the actuator's role has not"
        }
        _ => error.remedy(),
    };
    anyhow::anyhow!("{error}; {remedy}").into()
}
