//! `/autoscale` and `/autoscale_status`: the seed's two endpoints.

use axum::{
    Json,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{Method, StatusCode},
};
use common::text::one_line;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{app::App, guard, problem::Problem, standing::StandingBody};
use crate::{
    api::{lines::decision_word, targets},
    domain::{ActionTaken, Basis, Outcome, TargetResult},
    tick::ticker::NoTick,
};

/// Which target.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Params {
    /// Name of a target, or the id of its instance. Without it: every target; the first one's result stands at the top.
    target: Option<String>,
}

/// A target's result: the seed's fields, then ours. All null before the first tick.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ResultBody {
    /// When, RFC 3339.
    timestamp: Option<String>,
    /// Forecast CPU, percent of the current type.
    predicted_cpu: Option<f64>,
    /// 0 to 1.
    confidence: Option<f64>,
    /// "noop", "scale_up" or "scale_down".
    decision: Option<&'static str>,
    /// One sentence.
    reason: Option<String>,
    /// Such as "t2.small".
    current_instance_type: Option<String>,
    /// "none", "dry_run", "started", "refused", or how the resize ended.
    action_taken: Option<&'static str>,
    /// True when nothing is changed at AWS.
    dry_run: Option<bool>,
    /// What was asked of AWS; absent when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    aws_result: Option<AwsResult>,
    /// Name of the target.
    target: Option<String>,
    /// EC2 instance id.
    instance_id: Option<String>,
    /// The type decided for.
    target_instance_type: Option<String>,
    /// Such as "forecast_in_range".
    reason_code: Option<String>,
    /// For `autoscaler explain`.
    decision_id: Option<String>,
    /// The last sample, percent.
    cpu: Option<f64>,
    /// The last sample, percent.
    memory: Option<f64>,
    /// The last sample, bytes per second.
    disk: Option<f64>,
    /// How far ahead `predicted_cpu` looks.
    horizon_seconds: Option<u32>,
    /// "model", "mixed" or "naive".
    forecast_basis: Option<&'static str>,
    /// What went wrong, with cause and remedy.
    error: Option<String>,
}

/// What was asked of AWS.
#[derive(Debug, Serialize, ToSchema)]
pub struct AwsResult {
    /// Id of the resize: the decision's.
    resize_id: String,
    /// "started", or how it ended.
    status: &'static str,
    /// From this type.
    from_instance_type: String,
    /// To this type.
    to_instance_type: String,
    /// True when nothing is changed at AWS.
    dry_run: bool,
}

/// The answer of a tick.
#[derive(Debug, Serialize, ToSchema)]
pub struct AutoscaleBody {
    /// The named target's result, or the first one's.
    #[serde(flatten)]
    first: ResultBody,
    /// The tick.
    tick_id: Option<String>,
    /// One for each target.
    results: Vec<ResultBody>,
    /// Why no tick was run for this request; absent when one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    /// What holds resizes back now; in answers of /autoscale_status.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<StandingBody>,
}

/// To whom may not act by GET.
const NOT_BY_GET: &str = "the last tick's results: GET runs a tick only for scripts on this machine, or with \
                          scheduler.http_allow_get; POST runs one";

impl AutoscaleBody {
    fn new(tick_id: Option<String>, results: &[TargetResult]) -> Self {
        Self {
            first: results.first().map(ResultBody::from).unwrap_or_default(),
            tick_id,
            results: results.iter().map(ResultBody::from).collect(),
            note: None,
            standing: None,
        }
    }
}

impl From<&TargetResult> for ResultBody {
    fn from(result: &TargetResult) -> Self {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let asked = !matches!(
            result.action_taken,
            ActionTaken::None | ActionTaken::Ended(Outcome::NotStarted)
        );
        Self {
            timestamp: Some(result.at.to_string()),
            predicted_cpu: result.predicted_cpu_percent,
            confidence: Some(result.confidence),
            decision: Some(decision_word(result)),
            reason: text(&result.reason),
            current_instance_type: text(&result.instance_type),
            action_taken: Some(result.action_taken.name()),
            dry_run: Some(result.dry_run),
            aws_result: asked.then(|| AwsResult {
                resize_id: result.decision_id.clone(),
                status: result.action_taken.name(),
                from_instance_type: result.from_type.clone(),
                to_instance_type: result.target_instance_type.clone(),
                dry_run: result.dry_run,
            }),
            target: text(&result.target_id),
            instance_id: text(&result.instance_id),
            target_instance_type: text(&result.target_instance_type),
            reason_code: text(result.reason_name()),
            decision_id: text(&result.decision_id),
            cpu: result.cpu_percent,
            memory: result.memory_percent,
            disk: result.disk_bytes_per_second,
            horizon_seconds: (result.horizon_seconds > 0).then_some(result.horizon_seconds),
            forecast_basis: result.forecast_basis.map(Basis::name),
            error: text(&result.error),
        }
    }
}

/// Run a tick now for a script on this machine, else answer the last results
///
/// A GET must change nothing where a page that a browser shows can cause it.
#[utoipa::path(
    get,
    path = "/autoscale",
    params(Params),
    responses(
        (status = 200, description = "Decided, or the newest results with a note", body = AutoscaleBody),
        (status = 400, description = "Unknown parameter", body = Problem),
        (status = 403, description = "Sent by another site's page", body = Problem),
        (status = 404, description = "No such target, or none configured", body = Problem),
        (status = 500, description = "The tick was cut off", body = Problem),
        (status = 503, description = "No decision could be made or stored", body = Problem),
    )
)]
pub async fn autoscale_by_get(
    State(app): State<App>,
    params: Result<Query<Params>, QueryRejection>,
    request: Request,
) -> Result<Json<AutoscaleBody>, Problem> {
    let headers = request.headers();
    let may_act = match app.allow_get {
        true => !guard::is_browser(headers),
        false => guard::is_local_script(headers, request.extensions()),
    };
    // A HEAD is routed here, too, and asks for less than a GET.
    if may_act && request.method() == Method::GET {
        return run_tick(app, params).await;
    }
    let mut newest = newest(&app, params)?;
    newest.note = Some(NOT_BY_GET);
    Ok(Json(newest))
}

/// Run a tick now, or join the running one
#[utoipa::path(
    post,
    path = "/autoscale",
    params(Params),
    responses(
        (status = 200, description = "Decided", body = AutoscaleBody),
        (status = 400, description = "Unknown parameter", body = Problem),
        (status = 403, description = "Sent by another site's page", body = Problem),
        (status = 404, description = "No such target, or none configured", body = Problem),
        (status = 500, description = "The tick was cut off", body = Problem),
        (status = 503, description = "No decision could be made or stored", body = Problem),
    )
)]
pub async fn autoscale(
    State(app): State<App>,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Json<AutoscaleBody>, Problem> {
    run_tick(app, params).await
}

async fn run_tick(
    app: App,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Json<AutoscaleBody>, Problem> {
    let wanted = wanted(&app, params)?;
    if app.context.targets.is_empty() {
        let why = "no targets configured; add one to scheduler.targets";
        return Err(Problem::new(StatusCode::NOT_FOUND, why));
    }
    let outcome = app.ticker.run(wanted.as_slice()).await.map_err(|error| {
        let status = match error {
            NoTick::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            NoTick::CutOff => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, error.to_string())
    })?;
    let mut report = outcome.current();
    report
        .results
        .retain(|result| wanted.is_empty() || wanted.contains(&result.target_id));
    // A decision to hold is an answer; no decision at all is none.
    if report
        .results
        .iter()
        .all(|result| result.decision_id.is_empty())
    {
        let why = report
            .results
            .iter()
            .map(|result| result.reason.as_str())
            .next();
        let why = why.unwrap_or("the tick had no result");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why));
    }
    Ok(Json(AutoscaleBody::new(Some(report.id), &report.results)))
}

/// The newest results, without a new tick
#[utoipa::path(
    get,
    path = "/autoscale_status",
    params(Params),
    responses(
        (status = 200, description = "The newest results; nulls before the first tick", body = AutoscaleBody),
        (status = 403, description = "Sent by another site's page", body = Problem),
        (status = 404, description = "No such target", body = Problem),
    )
)]
pub async fn autoscale_status(
    State(app): State<App>,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Json<AutoscaleBody>, Problem> {
    let mut newest = newest(&app, params)?;
    newest.standing = Some(app.standing.ask().await.into());
    Ok(Json(newest))
}

fn newest(
    app: &App,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<AutoscaleBody, Problem> {
    let wanted = wanted(app, params)?;
    let results: Vec<TargetResult> = app
        .context
        .targets
        .iter()
        .filter(|target| wanted.is_empty() || wanted.contains(&target.id))
        .filter_map(|target| app.context.state.result(&target.id))
        .collect();
    let tick_id = app.context.state.summary().last_tick.map(|tick| tick.id);
    Ok(AutoscaleBody::new(tick_id, &results))
}

/// The target asked for, as a list of none or one.
fn wanted(
    app: &App,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Vec<String>, Problem> {
    let Query(params) = params
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, one_line(&error.body_text())))?;
    let Some(target) = params.target else {
        return Ok(Vec::new());
    };
    match targets::find(&app.context.targets, &target) {
        Ok(found) => Ok(vec![found.id.clone()]),
        Err(hint) => {
            let why = format!("no target {:?}{hint}", one_line(&target));
            Err(Problem::new(StatusCode::NOT_FOUND, why))
        }
    }
}
