//! The set-up of monitoring: by our SSM document, as it is published, and by nothing else that wasn't asked for.

use actuator::{
    Config, Install, MonitoringConfig,
    cloud::{Commands as _, ErrorKind, Operation, Script},
};
use proto::actuator::v1::{self as wire, ResizePhase};
use simulator::cloud::Effect;

use super::support::{Stage, config};

fn sent(stage: &Stage) -> Vec<String> {
    let calls = stage.fake.calls();
    let calls = calls
        .iter()
        .filter(|call| call.operation == Operation::SendScript);
    calls.map(|call| call.detail.clone()).collect()
}

fn installs(install: Install, document: Option<&str>) -> Config {
    Config {
        monitoring: MonitoringConfig {
            install,
            document: document.map(str::to_owned),
            ..MonitoringConfig::default()
        },
        ..config()
    }
}

#[tokio::test]
async fn monitoring_goes_by_the_document_of_what_is_installed_and_is_tried_again() {
    for (install, name) in [
        (Install::All, "CloudAutoscaler-SetupMonitoring"),
        (
            Install::Exporter,
            "CloudAutoscaler-SetupMonitoring-Exporter",
        ),
    ] {
        let config = installs(install, Some("CloudAutoscaler-SetupMonitoring"));
        let mut stage = Stage::with(config).await;
        let done = stage.resize().await;
        assert_eq!(done.monitoring(), wire::MonitoringState::Ok);
        assert_eq!(sent(&stage), [name]);
    }

    let mut stage = Stage::new().await;
    stage.fake.set_scripts_succeed(false);
    let failed = stage.resize().await;
    assert_eq!(failed.monitoring(), wire::MonitoringState::Degraded);
    assert_eq!(failed.phase(), ResizePhase::Succeeded);
    assert_eq!(sent(&stage).len(), 2);
}

#[tokio::test]
async fn a_document_that_is_not_ours_is_never_replaced_by_the_shell() {
    for install in Install::ALL {
        for (there, says) in [
            (false, "is not there"),
            (true, "runs another script than this release's"),
        ] {
            let config = installs(install, Some("CloudAutoscaler-SetupMonitoring"));
            let name = install.document("CloudAutoscaler-SetupMonitoring");
            let mut stage = Stage::with(config).await;
            stage.fake.set_permitted(Operation::PublishScript, false);
            if there {
                stage.fake.somebody_publishes(&name, "00");
            }
            let done = stage.resize().await;
            assert_eq!(done.phase(), ResizePhase::Succeeded, "{done:?}");
            assert_eq!(done.monitoring(), wire::MonitoringState::Degraded);
            let step = done.steps.iter().find(|step| step.name == "monitoring");
            let detail = &step.unwrap().detail;
            for part in [
                name.as_str(),
                says,
                "run `autoscaler publish-document`",
                "deploy/iam/setup-policy.json",
            ] {
                assert!(detail.contains(part), "{detail}");
            }
            assert_eq!(sent(&stage), [""; 0], "nothing was sent");
        }
    }
}

#[tokio::test]
async fn a_document_that_a_person_published_needs_no_right_to_publish() {
    let mut stage = Stage::new().await;
    let script = Script {
        name: "CloudAutoscaler-SetupMonitoring",
        text: actuator::MONITORING_SCRIPT,
    };
    stage.fake.publish_script(script).await.unwrap();
    stage.fake.set_permitted(Operation::PublishScript, false);
    let done = stage.resize().await;
    assert_eq!(done.monitoring(), wire::MonitoringState::Ok, "{done:?}");
    assert_eq!(sent(&stage), [script.name]);
    assert_eq!(stage.fake.count(Operation::PublishScript), 1);
}

#[tokio::test]
async fn a_document_that_ssm_refuses_is_never_replaced_by_the_shell() {
    for kind in [
        ErrorKind::Invalid,
        ErrorKind::NotFound,
        ErrorKind::Unauthorized,
    ] {
        let mut stage = Stage::new().await;
        stage
            .fake
            .inject_calls(Operation::SendScript, 1..=1_000, Effect::Fail(kind));
        let done = stage.resize().await;
        assert_eq!(done.monitoring(), wire::MonitoringState::Degraded);
        let sent = sent(&stage);
        assert!(!sent.is_empty());
        assert!(
            sent.iter()
                .all(|name| name == "CloudAutoscaler-SetupMonitoring"),
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn a_document_that_is_a_moment_old_is_waited_for_and_a_lost_answer_is_asked_for_again() {
    // SSM doesn't know it yet.
    let mut stage = Stage::new().await;
    let fail = Effect::Fail(ErrorKind::NotFound);
    stage.fake.inject_calls(Operation::SendScript, 1..=2, fail);
    let done = stage.resize().await;
    assert_eq!(done.monitoring(), wire::MonitoringState::Ok, "{done:?}");
    assert_eq!(sent(&stage).len(), 3);

    for operation in [Operation::LookAtScript, Operation::PublishScript] {
        let mut stage = Stage::new().await;
        let lost = Effect::Fail(ErrorKind::Throttled);
        stage.fake.inject_calls(operation, 1..=1, lost);
        let done = stage.resize().await;
        assert_eq!(done.monitoring(), wire::MonitoringState::Ok, "{done:?}");
    }
}

#[tokio::test]
async fn the_shell_is_sent_only_where_the_configuration_asks_for_it() {
    for install in Install::ALL {
        let mut stage = Stage::with(installs(install, None)).await;
        let done = stage.resize().await;
        assert_eq!(done.monitoring(), wire::MonitoringState::Ok, "{done:?}");
        assert_eq!(sent(&stage), [install.script()]);
        assert_eq!(stage.fake.count(Operation::LookAtScript), 0);
    }
}
