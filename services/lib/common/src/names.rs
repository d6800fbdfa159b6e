//! Names: their shape, and what somebody who wrote an unknown one most likely meant. Pure.

use crate::text::shortened;

/// Less alike than this is another name.
const ALIKE: f64 = 0.7;
/// The same for the share of letters that stay: two that changed places leave two of three.
const SAME_LETTERS: f64 = 0.6;
/// Letters are only compared in names up to this length, in characters.
const LONGEST_COMPARED: usize = 64;
/// Names that are suggested.
const MOST_SUGGESTED: usize = 3;
/// Names that are listed where none is alike.
const MOST_LISTED: usize = 10;

/// The names most like `name`, the likeliest first. Upper and lower case are alike.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = shortened(name).to_lowercase();
    let mut alike: Vec<(f64, &str)> = known
        .into_iter()
        .filter_map(|candidate| {
            likeness(&name, &candidate.to_lowercase()).map(|likeness| (likeness, candidate))
        })
        .collect();
    // Stable: names that are as alike stay in their order.
    alike.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    alike.truncate(MOST_SUGGESTED);
    alike.into_iter().map(|(_, candidate)| candidate).collect()
}

/// How alike two names are, up to 1; `None` when one can't have been meant for the other.
fn likeness(name: &str, candidate: &str) -> Option<f64> {
    let alike = strsim::jaro_winkler(name, candidate);
    let short = |text: &str| text.len() <= LONGEST_COMPARED;
    let same = match short(name) && short(candidate) {
        true => strsim::normalized_damerau_levenshtein(name, candidate),
        false => 0.0,
    };
    (alike > ALIKE || same > SAME_LETTERS).then(|| alike.max(same))
}

/// The end of a sentence about an unknown name: what was meant, or what there is.
pub fn hint(name: &str, known: &[&str]) -> String {
    let alike = nearest(name, known.iter().copied());
    match (alike.is_empty(), known.len()) {
        (false, _) => format!("; did you mean {}?", alike.join(" or ")),
        (true, 0) => "; there is none, see scheduler.targets".to_owned(),
        (true, count) if count <= MOST_LISTED => format!("; there are {}", known.join(", ")),
        (true, count) => format!(
            "; there are {count}, such as {}",
            known.get(..MOST_SUGGESTED).unwrap_or(known).join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_comes_first_whatever_its_case() {
        let known = ["web", "worker", "db-1", "db-2"];
        for (name, expected) in [
            ("Web", &["web"][..]),
            ("wbe", &["web"]),
            ("WEB-", &["web"]),
            ("db", &["db-1", "db-2"]),
            ("db-3", &["db-1", "db-2"]),
            ("xyz", &[]),
            ("", &[]),
        ] {
            let found = nearest(name, known);
            assert!(found.starts_with(expected), "{name}: {found:?}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{name}: {found:?}");
        }
        // Of any length, within bounds.
        assert!(nearest(&"x".repeat(1_000_000), known).is_empty());
    }

    #[test]
    fn a_hint_says_what_was_meant_or_what_there_is() {
        assert_eq!(hint("wbe", &["api", "web"]), "; did you mean web?");
        assert_eq!(hint("xyz", &["api", "web"]), "; there are api, web");
        assert_eq!(hint("web", &[]), "; there is none, see scheduler.targets");
        let many: Vec<String> = (0..5_000).map(|number| format!("n{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(hint("web", &many), "; there are 5000, such as n0, n1, n2");
    }
}
