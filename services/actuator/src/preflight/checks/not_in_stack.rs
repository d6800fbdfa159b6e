//! No stack sets its type back: the next update sets the type that its template says, or finds a drift.

use crate::{
    cloud::InstanceType,
    config::StackMembers,
    preflight::{
        case::Case,
        finding::{Finding, Verdict},
    },
};

/// Set by AWS itself on what a stack made.
const STACK_TAG: &str = "aws:cloudformation:stack-name";

pub(super) fn check(case: &Case<'_>, _: &InstanceType) -> Finding {
    let Some(stack) = case.instance.tags.get(STACK_TAG) else {
        return Finding::pass("in no CloudFormation stack");
    };
    let detail = format!(
        "it belongs to CloudFormation stack {stack}, whose next update may set the type back, with an outage \
         (actuator.cloudformation)"
    );
    match case.config.cloudformation {
        StackMembers::Block => Finding::block(detail),
        StackMembers::Warn => Finding::Advice(Verdict::Unknown, detail),
    }
}
