//! No Auto Scaling group replaces it when it stops, as it does unless the member is in standby.

use crate::preflight::{case::Case, finding::Finding};

/// Set by AWS itself on the members of a group.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

pub(super) fn check(case: &Case<'_>) -> Finding {
    let tagged = case.instance.tags.contains_key(GROUP_TAG);
    match &case.group {
        Ok(Some(member)) if member.lifecycle == "Standby" => Finding::pass(format!(
            "it is in standby in Auto Scaling group {}",
            member.group
        )),
        Ok(Some(member)) => Finding::block(format!(
            "it is {} in Auto Scaling group {}, which replaces stopped members; put it in standby first",
            member.lifecycle, member.group
        )),
        Err(error) if !tagged => Finding::unasked(error),
        Ok(None) if !tagged => Finding::pass("in no Auto Scaling group"),
        _ => Finding::block(
            "it has the tag of an Auto Scaling group, which replaces stopped members",
        ),
    }
}
