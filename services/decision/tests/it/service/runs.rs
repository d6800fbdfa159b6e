//! Holds in a row that have one reason.

use std::time::Duration;

use common::metadata::outgoing;
use proto::decision::v1::{
    Action, Decision, ExplainDecisionRequest, GetDecisionRequest, ListDecisionsRequest, Outcome,
    ReasonCode,
};
use tonic::{Code, Status};

use super::harness::{START, Server, World, wire};

async fn get(server: &Server, decision_id: &str) -> Result<Decision, Status> {
    let request = GetDecisionRequest {
        decision_id: decision_id.to_owned(),
    };
    let mut client = server.client.clone();
    let answer = client
        .get_decision(outgoing(request, Duration::from_secs(5)))
        .await?;
    Ok(answer.into_inner().decision.unwrap())
}

async fn text_at(server: &Server, at: Option<i64>) -> Result<(String, String), Status> {
    let request = ExplainDecisionRequest {
        target_id: "web-1".into(),
        at: at.map(wire),
        ..ExplainDecisionRequest::default()
    };
    let answer = server.explain_as(request).await?;
    Ok((answer.decision.unwrap().decision_id, answer.text))
}

#[tokio::test]
async fn what_was_merged_is_answered_for_and_decided_once() {
    let world = World::new();
    let mut server = world.start().await;
    let mut held = Vec::new();
    for number in 0..6_u8 {
        let request = world.request(&format!("tick-{number}"), 50.0 + f64::from(number));
        let decision = server.decide(request).await.unwrap();
        assert_eq!(decision.reason_code(), ReasonCode::ForecastInRange);
        held.push(decision);
        world.pass(300);
        if number == 3 {
            server.kill().await;
            server = world.start().await;
        }
    }
    let up = server.decide(world.request("tick-6", 90.0)).await.unwrap();
    assert_eq!(up.action(), Action::ScaleUp);

    let all = server.list(ListDecisionsRequest::default()).await.unwrap();
    let listed: Vec<_> = all.decisions.iter().map(|one| &one.tick_id).collect();
    assert_eq!(listed, ["tick-6", "tick-5", "tick-0"]);
    assert_eq!(all.decisions[0].run, None);
    let run = all.decisions[1].run.clone().unwrap();
    assert_eq!(all.decisions[2].run.as_ref(), Some(&run));
    assert_eq!(run.holds, 6);
    assert_eq!(
        (run.since, run.until),
        (Some(wire(START)), Some(wire(START + 1_500)))
    );
    let peak = run.forecast_peak_percent.unwrap();
    assert_eq!((peak.min, peak.max), (50.0, 55.0));
    assert_eq!(run.cpu_percent.unwrap().max, 20.0);
    assert_eq!(
        (&run.first_decision_id, &run.newest_decision_id),
        (&held[0].decision_id, &held[5].decision_id)
    );

    for (number, decision) in held.iter().enumerate() {
        let whole = [0, 5].contains(&number);
        let found = get(&server, &decision.decision_id).await.unwrap();
        assert_eq!(found.run.as_ref(), Some(&run));
        assert_eq!(
            (&found.target_id, found.reason_code(), found.decided_at),
            (
                &decision.target_id,
                decision.reason_code(),
                decision.decided_at
            )
        );
        let explained = server.explain(&decision.decision_id).await.unwrap();
        assert_eq!(explained.input.is_some(), whole);
        for words in [
            "6 holds in a row for this reason",
            "gives the same decision again",
        ] {
            assert!(explained.text.contains(words), "{}", explained.text);
        }
        let at = START + 300 * number as i64 + 120;
        let (id, text) = text_at(&server, Some(at)).await.unwrap();
        assert_eq!((&id, text), (&decision.decision_id, explained.text));
        // The same question has the same answer.
        let tick = format!("tick-{number}");
        let again = server.decide(world.request(&tick, 90.0)).await.unwrap();
        assert_eq!(
            (&again.decision_id, &again.tick_id),
            (&decision.decision_id, &tick)
        );
        assert_eq!(again.action(), Action::Hold);
        if whole {
            assert_eq!(again, *decision);
        }
        let status = server.report(decision, Outcome::Succeeded, None).await;
        assert_eq!(status.unwrap_err().code(), Code::FailedPrecondition);
    }
    assert_eq!(text_at(&server, None).await.unwrap().0, up.decision_id);
    let status = text_at(&server, Some(START - 1)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    // A moment of the run at which nothing was decided.
    let mut made_up = uuid::Uuid::parse_str(&held[1].decision_id)
        .unwrap()
        .into_bytes();
    made_up[5] ^= 1;
    let made_up = uuid::Uuid::from_bytes(made_up).to_string();
    for status in [
        get(&server, &made_up).await.unwrap_err(),
        server.explain(&made_up).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::NotFound);
    }
    for (decision_id, target_id, at) in [
        (made_up.as_str(), "web-1", None),
        (&made_up, "", Some(wire(START))),
    ] {
        let request = ExplainDecisionRequest {
            decision_id: decision_id.into(),
            target_id: target_id.into(),
            at,
        };
        let status = server.explain_as(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    server.stop().await;
}
