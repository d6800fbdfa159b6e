//! The default PromQL expressions, and the placeholders for the targets and for the range of rates.

/// CPU in use, percent of the machine. Time that waits for disks (iowait), and time that the host kept for others (steal),
/// is no work: a larger machine would not do more in it.
pub const CPU_PERCENT: &str = r#"100 - (avg by(instance)(sum without (mode)(rate(node_cpu_seconds_total{mode=~"idle|iowait|steal",$targets}[$range]))) * 100)"#;
/// CPU that the host kept from the machine, percent of the machine.
pub const STEAL_PERCENT: &str =
    r#"avg by(instance)(rate(node_cpu_seconds_total{mode="steal",$targets}[$range])) * 100"#;
/// Memory in use, percent of the total.
pub const MEMORY_PERCENT: &str = "(node_memory_MemTotal_bytes{$targets} - node_memory_MemAvailable_bytes{$targets}) / node_memory_MemTotal_bytes{$targets} * 100";
/// Bytes read from and written to disks, per second.
pub const DISK_BYTES_PER_SECOND: &str = "sum by (instance)(rate(node_disk_read_bytes_total{$targets}[$range]) + rate(node_disk_written_bytes_total{$targets}[$range]))";
/// Virtual CPUs that the machine has.
pub const VCPUS: &str = r#"count by (instance) (node_cpu_seconds_total{mode="idle",$targets})"#;
/// Memory that the machine has, bytes.
pub const MEMORY_TOTAL_BYTES: &str = "node_memory_MemTotal_bytes{$targets}";

/// Stands for the targets' labels in an expression: `up{instance=~"$instances"}`.
const PLACEHOLDER: &str = "$instances";
/// Stands for a matcher of the targets' labels, where a query is for some of the fleet: `up{$targets}`.
const MATCHER: &str = "$targets";
/// Stands for the range of a rate: `rate(x[$range])`.
const RANGE: &str = "$range";

/// The expression with a range of `seconds`.
pub fn with_range(expression: &str, seconds: u32) -> String {
    expression.replace(RANGE, &format!("{seconds}s"))
}

/// The range over which rates are taken, seconds: all the time from one step to the next and one scrape beside it, so that
/// no increase falls between two steps; and four scrapes at least, so that one that fails leaves two to compare.
pub fn range_seconds(step_seconds: u32, scrape_interval_seconds: u32) -> u32 {
    step_seconds
        .saturating_add(scrape_interval_seconds)
        .max(scrape_interval_seconds.saturating_mul(4))
}

/// Whether a query can ask for some targets only.
pub fn can_be_narrowed(expression: &str, instance_label: &str) -> bool {
    let mut signs = instance_label.chars();
    let is_name = signs
        .next()
        .is_some_and(|sign| sign.is_ascii_alphabetic() || sign == '_')
        && signs.all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
    expression.contains(PLACEHOLDER) || (is_name && expression.contains(MATCHER))
}

/// The expression for the targets with these labels, or for all.
pub fn with_targets(expression: &str, instance_label: &str, labels: Option<&[&str]>) -> String {
    let Some(labels) = labels else {
        return [
            "{$targets}",
            ",$targets",
            ", $targets",
            "$targets,",
            MATCHER,
        ]
        .into_iter()
        .fold(expression.to_owned(), |query, written| {
            query.replace(written, "")
        });
    };
    let matcher = format!("{instance_label}=~\"{}\"", alternatives(labels));
    expression.replace(MATCHER, &matcher)
}

/// The expression with the placeholder replaced by a regular expression that matches exactly `labels`.
///
/// The text goes between double quotes of PromQL, so it is escaped twice: once for RE2, once for the string.
pub fn with_instances(expression: &str, labels: &[&str]) -> String {
    if !expression.contains(PLACEHOLDER) {
        return expression.to_owned();
    }
    expression.replace(PLACEHOLDER, &alternatives(labels))
}

fn alternatives(labels: &[&str]) -> String {
    let alternatives: Vec<String> = labels.iter().map(|label| escape_regex(label)).collect();
    escape_string(&alternatives.join("|"))
}

fn escape_regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn escape_string(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str(r"\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str(r"\n"),
            '\r' => escaped.push_str(r"\r"),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_inside_their_string() {
        for (label, expected) in [
            ("10.0.0.7:9100", r#"up{i=~"10\\.0\\.0\\.7:9100"}"#),
            (
                r#""} or vector(1) #"#,
                r#"up{i=~"\"\\} or vector\\(1\\) #"}"#,
            ),
            ("a\nb\\", r#"up{i=~"a\nb\\\\"}"#),
            (".*", r#"up{i=~"\\.\\*"}"#),
        ] {
            let query = with_instances(r#"up{i=~"$instances"}"#, &[label]);
            assert_eq!(query, expected);
        }
        let query = with_instances("x{i=~\"$instances\"}", &["a", "b|c"]);
        assert_eq!(query, r#"x{i=~"a|b\\|c"}"#);
    }

    #[test]
    fn a_range_holds_the_step_and_scrapes_enough() {
        for (step, scrape, expected) in [
            (300, 15, 315),
            (300, 30, 330),
            (300, 60, 360),
            (300, 120, 480),
            (60, 15, 75),
            (60, 60, 240),
            (15, 15, 60),
            (15, 60, 240),
            (u32::MAX, 60, u32::MAX),
        ] {
            assert_eq!(range_seconds(step, scrape), expected, "{step} {scrape}");
        }
        for expression in [CPU_PERCENT, DISK_BYTES_PER_SECOND] {
            let query = with_targets(&with_range(expression, 360), "instance", None);
            assert!(query.contains("[360s]"), "{query}");
            assert!(!query.contains('$') && !query.contains("[1m]"), "{query}");
        }
        assert_eq!(with_range("rate(x[5m])", 360), "rate(x[5m])");
    }

    #[test]
    fn an_expression_without_the_placeholder_is_sent_as_it_is() {
        assert_eq!(with_instances(CPU_PERCENT, &["x"]), CPU_PERCENT);
    }

    #[test]
    fn every_default_is_for_all_or_for_some() {
        for expression in [
            CPU_PERCENT,
            STEAL_PERCENT,
            MEMORY_PERCENT,
            DISK_BYTES_PER_SECOND,
            VCPUS,
            MEMORY_TOTAL_BYTES,
        ] {
            assert!(can_be_narrowed(expression, "instance"));
            assert!(
                !can_be_narrowed(expression, "host.name"),
                "no name of a label"
            );
            let all = with_targets(expression, "instance", None);
            assert!(!all.contains("$targets") && !all.contains("{}"), "{all}");
            assert!(!all.contains(",}") && !all.contains("{,"), "{all}");
            let some = with_targets(expression, "instance", Some(&["a.b", "c"]));
            let matcher = r#"instance=~"a\\.b|c""#;
            let selectors = expression.matches("node_").count();
            assert_eq!(some.matches(matcher).count(), selectors, "{some}");
        }
        assert_eq!(
            with_targets("x{$targets, a=\"b\"}", "i", None),
            "x{ a=\"b\"}"
        );
        assert!(!can_be_narrowed("instance:cpu:rate5m", "instance"));
    }
}
