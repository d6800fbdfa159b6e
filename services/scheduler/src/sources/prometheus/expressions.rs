//! The default PromQL expressions, and the placeholder for the targets' labels.

/// CPU in use, percent of the machine.
pub const CPU_PERCENT: &str =
    r#"100 - (avg by(instance)(rate(node_cpu_seconds_total{mode="idle"}[1m])) * 100)"#;
/// Memory in use, percent of the total.
pub const MEMORY_PERCENT: &str = "(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes) / node_memory_MemTotal_bytes * 100";
/// Bytes read from and written to disks, per second.
pub const DISK_BYTES_PER_SECOND: &str = "sum by (instance)(rate(node_disk_read_bytes_total[1m]) + rate(node_disk_written_bytes_total[1m]))";
/// Virtual CPUs that the machine has.
pub const VCPUS: &str = r#"count by (instance) (node_cpu_seconds_total{mode="idle"})"#;
/// Memory that the machine has, bytes.
pub const MEMORY_TOTAL_BYTES: &str = "node_memory_MemTotal_bytes";

/// Stands for the targets' labels in an expression: `up{instance=~"$instances"}`.
const PLACEHOLDER: &str = "$instances";

/// The expression with the placeholder replaced by a regular expression that matches exactly `labels`.
///
/// The text goes between double quotes of PromQL, so it is escaped twice: once for RE2, once for the string.
pub fn with_instances<'a>(expression: &str, labels: impl Iterator<Item = &'a str>) -> String {
    if !expression.contains(PLACEHOLDER) {
        return expression.to_owned();
    }
    let alternatives: Vec<String> = labels.map(escape_regex).collect();
    expression.replace(PLACEHOLDER, &escape_string(&alternatives.join("|")))
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
            let query = with_instances(r#"up{i=~"$instances"}"#, [label].into_iter());
            assert_eq!(query, expected);
        }
        let query = with_instances("x{i=~\"$instances\"}", ["a", "b|c"].into_iter());
        assert_eq!(query, r#"x{i=~"a|b\\|c"}"#);
    }

    #[test]
    fn an_expression_without_the_placeholder_is_sent_as_it_is() {
        assert_eq!(with_instances(CPU_PERCENT, ["x"].into_iter()), CPU_PERCENT);
    }
}
