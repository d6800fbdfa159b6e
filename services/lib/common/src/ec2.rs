//! The shape of names that EC2 gives. Pure.

/// Longest name of an instance type that is believed, in characters.
const MAX_TYPE_CHARS: usize = 64;

/// True for `i-` and 8 or 17 hexadecimal digits, lower case.
pub fn is_instance_id(text: &str) -> bool {
    text.strip_prefix("i-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17)
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// Why `name` can't be an instance type such as `t3a.2xlarge`, `u-6tb1.metal` or `m5d.metal-48xl`.
pub fn instance_type_problem(name: &str) -> Option<String> {
    let shaped = name.len() <= MAX_TYPE_CHARS
        && name.split_once('.').is_some_and(|(family, size)| {
            !family.is_empty() && !size.is_empty() && !size.contains('.')
        })
        && name
            .chars()
            .all(|character| matches!(character, 'a'..='z' | '0'..='9' | '.' | '-'));
    (!shaped).then(|| format!("{name:?} is not an instance type; one looks like \"t2.small\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_ids_have_8_or_17_hexadecimal_digits() {
        for (id, expected) in [
            ("i-0123abcd", true),
            ("i-0123456789abcdef0", true),
            ("i-0123456789ABCDEF0", false),
            ("i-012345678", false),
            ("0123abcd", false),
            ("", false),
        ] {
            assert_eq!(is_instance_id(id), expected, "{id}");
        }
    }
}
