//! Targets by the names that people call them.

use common::names;

use crate::domain::Target;

/// The target of that name, else the one with that instance.
///
/// # Errors
/// There is none; the end of a sentence with the nearest names.
pub fn find<'a>(targets: &'a [Target], name: &str) -> Result<&'a Target, String> {
    let mut by_name = targets.iter().filter(|target| target.id == name);
    let mut by_instance = targets.iter().filter(|target| target.instance_id == name);
    by_name
        .next()
        .or_else(|| by_instance.next())
        .ok_or_else(|| {
            let known: Vec<&str> = targets.iter().map(|target| target.id.as_str()).collect();
            names::hint(name, &known)
        })
}
