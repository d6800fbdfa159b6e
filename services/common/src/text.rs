//! Text of others, made fit for one line of ours. Pure.

/// Longest text of others that is repeated in a message, in characters.
const MOST_REPEATED: usize = 400;

/// Without control characters and of bounded length.
pub fn one_line(text: &str) -> String {
    let printable: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect();
    shortened(printable.trim())
}

/// Of bounded length.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_the_line() {
        assert_eq!(one_line(" a\nb\u{1b}[31m\r\n"), "a b [31m");
        assert_eq!(
            one_line(&"ü".repeat(10_000)).chars().count(),
            MOST_REPEATED + 1
        );
    }
}
