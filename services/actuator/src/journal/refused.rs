//! Types that EC2 refused for good: not for want of room, but because something about the instance and something about
//! the type don't fit. The same start would fail again, so it is not tried again.
//!
//! Invariant: it is remembered until the instance, or the type, is another than it was, or [`KEPT`] has passed.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cloud::{Instance, InstanceType};

/// AWS changes what it supports; after so long it is worth another try.
pub const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Instances that the same was said of, before it is taken to hold for all that are alike.
const ALIKE_AFTER: usize = 2;

/// One type, refused for one instance.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refused {
    pub instance_id: String,
    pub target: String,
    /// EC2's.
    pub words: String,
    pub at: Timestamp,
    /// Of all that could have been the cause in the instance.
    pub instance_print: String,
    /// Of the same without what is its own, such as its image and how much is attached: equal for machines that are
    /// alike.
    pub kind_print: String,
    /// Of the type as EC2 described it.
    pub type_print: String,
}

/// Why a type is not to be tried on an instance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Memory<'a> {
    /// It was refused for this very instance.
    Own(&'a Refused),
    /// It was refused for others that are alike: the last of them, and how many.
    Alike(&'a Refused, usize),
}

impl Refused {
    /// EC2 said `words` when this instance was to start as this type.
    pub fn new(instance: &Instance, target: &InstanceType, words: String, at: Timestamp) -> Self {
        Self {
            instance_id: instance.instance_id.clone(),
            target: target.name.clone(),
            words,
            at,
            instance_print: instance_print(instance),
            kind_print: kind_print(instance),
            type_print: type_print(target),
        }
    }

    fn holds(&self, target: &InstanceType, now: Timestamp) -> bool {
        self.target == target.name
            && self.type_print == type_print(target)
            && now.duration_since(self.at) < KEPT
    }
}

/// What is remembered against this type on this instance.
pub fn recall<'a>(
    all: &'a [Refused],
    instance: &Instance,
    target: &InstanceType,
    now: Timestamp,
) -> Option<Memory<'a>> {
    let holding = || all.iter().filter(|refused| refused.holds(target, now));
    let own_print = instance_print(instance);
    let own = holding().find(|refused| {
        refused.instance_id == instance.instance_id && refused.instance_print == own_print
    });
    if let Some(own) = own {
        return Some(Memory::Own(own));
    }
    let kind = kind_print(instance);
    holding()
        .filter(|refused| refused.kind_print == kind)
        .map(|refused| (refused, alike(all, refused, now)))
        .filter(|(_, instances)| *instances >= ALIKE_AFTER)
        .max_by_key(|(refused, _)| refused.at)
        .map(|(refused, instances)| Memory::Alike(refused, instances))
}

/// Instances of one kind that EC2 said the same of.
fn alike(all: &[Refused], one: &Refused, now: Timestamp) -> usize {
    let instances: BTreeSet<&str> = all
        .iter()
        .filter(|other| {
            other.target == one.target
                && other.kind_print == one.kind_print
                && other.type_print == one.type_print
                && said(&other.words) == said(&one.words)
                && now.duration_since(other.at) < KEPT
        })
        .map(|other| other.instance_id.as_str())
        .collect();
    instances.len()
}

/// True when `new`, on top of `before`, makes its type one that no machine of this kind is to try: a person should look.
pub fn spreads(before: &[Refused], new: &Refused) -> bool {
    let known = before
        .iter()
        .filter(|one| one.instance_id != new.instance_id);
    let mut all: Vec<Refused> = known.cloned().collect();
    let had = alike(&all, new, new.at);
    all.push(new.clone());
    had < ALIKE_AFTER && alike(&all, new, new.at) >= ALIKE_AFTER
}

/// What EC2 said, without what is of one instance only, such as ids.
fn said(words: &str) -> String {
    let is_id = |word: &str| word.contains('-') && word.bytes().any(|byte| byte.is_ascii_digit());
    words
        .split_whitespace()
        .filter(|word| !is_id(word))
        .collect::<Vec<_>>()
        .join(" ")
}

fn print(parts: impl std::fmt::Debug) -> String {
    hex::encode(Sha256::digest(format!("{parts:?}")))
}

/// Not its id, state, addresses and tags, which bind it to nothing.
fn instance_print(instance: &Instance) -> String {
    print((
        kind_print(instance),
        &instance.image_id,
        instance.volumes,
        instance.network_interfaces,
        instance.addresses_per_interface,
        instance.bindings.threads_per_core,
        (
            instance.bindings.ipv6_per_interface,
            instance.bindings.network_cards,
            instance.bindings.secondary_interfaces,
        ),
    ))
}

fn kind_print(instance: &Instance) -> String {
    let mut bindings = instance.bindings.clone();
    // How much of it there is differs from machine to machine; the CPU options follow the type, as long as nobody chose.
    bindings.cores = None;
    bindings.threads_per_core = None;
    bindings.network_cards = 0;
    bindings.secondary_interfaces = 0;
    bindings.ipv6_per_interface = 0;
    print((
        &instance.architecture,
        &instance.virtualization,
        instance.ena,
        &instance.root_device_type,
        &instance.tenancy,
        &instance.boot_mode,
        bindings,
    ))
}

fn type_print(found: &InstanceType) -> String {
    print(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    const WORDS: &str = "Unsupported: The requested configuration is currently not supported.";

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3_600).unwrap()
    }

    fn machine(id: &str) -> Instance {
        fake::catalogue::instance(id, "t3.small")
    }

    fn target() -> InstanceType {
        fake::catalogue::find("t3.large").unwrap()
    }

    #[test]
    fn it_holds_until_the_instance_or_the_type_changes_or_a_month_has_passed() {
        let one = machine("i-1");
        let refused = [Refused::new(&one, &target(), WORDS.to_owned(), at(0))];
        let knows = |instance: &Instance, target: &InstanceType, hour| {
            recall(&refused, instance, target, at(hour)).is_some()
        };
        assert!(knows(&one, &target(), 1));
        assert!(knows(&one, &target(), 30 * 24 - 1));
        assert!(!knows(&one, &target(), 30 * 24));
        assert!(!knows(
            &one,
            &fake::catalogue::find("t3.medium").unwrap(),
            1
        ));
        // What is nobody's cause changes nothing; what could be one does.
        let mut same = one.clone();
        same.tags.insert("Name".to_owned(), "web".to_owned());
        same.public_ip = Some("203.0.113.1".to_owned());
        assert!(knows(&same, &target(), 1));
        let changes: [fn(&mut Instance); 5] = [
            |instance| instance.bindings.ebs_optimized = true,
            |instance| instance.image_id = "ami-2".to_owned(),
            |instance| instance.volumes += 1,
            |instance| instance.ena = Some(false),
            |instance| instance.bindings.reservation = Some("cr-1".to_owned()),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = one.clone();
            change(&mut other);
            assert!(!knows(&other, &target(), 1), "{number}");
        }
        let mut type_changed = target();
        type_changed.abilities.enclaves = Some(true);
        assert!(!knows(&one, &type_changed, 1));
    }

    #[test]
    fn a_second_instance_makes_it_hold_for_all_that_are_alike() {
        let refused = |id: &str, words: &str| {
            let mut instance = machine(id);
            instance.image_id = format!("ami-{id}");
            Refused::new(&instance, &target(), words.to_owned(), at(0))
        };
        let one = [refused("i-1", WORDS)];
        let third = machine("i-3");
        assert_eq!(recall(&one, &third, &target(), at(1)), None);
        let two = [refused("i-1", WORDS), refused("i-2", WORDS)];
        assert!(matches!(
            recall(&two, &third, &target(), at(1)),
            Some(Memory::Alike(_, 2))
        ));
        let mut other_kind = third.clone();
        other_kind.bindings.enclave = true;
        assert_eq!(recall(&two, &other_kind, &target(), at(1)), None);
        // The same instance twice is one; other words are another cause; an id among the words is not.
        let twice = [refused("i-1", WORDS), refused("i-1", WORDS)];
        assert_eq!(recall(&twice, &third, &target(), at(1)), None);
        let differ = [refused("i-1", WORDS), refused("i-2", "Unsupported: no TPM")];
        assert_eq!(recall(&differ, &third, &target(), at(1)), None);
        let ids = [
            refused("i-1", "no eni-1 here"),
            refused("i-2", "no eni-2 here"),
        ];
        assert!(recall(&ids, &third, &target(), at(1)).is_some());
    }

    #[test]
    fn a_person_is_called_once_however_many_follow() {
        let refused = |id: &str| Refused::new(&machine(id), &target(), WORDS.to_owned(), at(0));
        let mut before = Vec::new();
        let mut pages = 0;
        for number in 0..300 {
            let new = refused(&format!("i-{number}"));
            pages += usize::from(spreads(&before, &new));
            before.push(new);
        }
        assert_eq!(pages, 1);
    }
}
