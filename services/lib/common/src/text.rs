//! Text of others, made fit for one line of ours. Pure.

use std::error::Error;

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

/// Words with one blank between them, whatever stood there.
pub fn words(text: &str) -> String {
    let blank = |character: char| character.is_whitespace() || character.is_control();
    let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Of bounded length.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What in a text nobody sees, in words: a carriage return or another control character, a blank of another alphabet, a
/// character without width. Line feeds and tabs stand where they are seen.
pub fn invisible(text: &str) -> Option<String> {
    let unseen = |sign: &char| match sign {
        '\n' | '\t' => false,
        '\u{ad}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        sign => sign.is_control() || (sign.is_whitespace() && !sign.is_ascii()),
    };
    text.chars().find(unseen).map(|sign| match sign {
        '\r' => "a carriage return (a line end of Windows)".to_owned(),
        sign => format!("the invisible character U+{:04X}", u32::from(sign)),
    })
}

/// An error with its causes on one line, each said once: many say their cause themselves.
pub fn chain(error: &dyn Error) -> String {
    chain_from(error.to_string(), error.source())
}

/// The same from a first link in other words.
pub fn chain_from(first: String, cause: Option<&(dyn Error + 'static)>) -> String {
    let mut line = first;
    let mut next = cause;
    while let Some(cause) = next {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        next = cause.source();
    }
    words(&line)
}

/// The innermost cause of an error; `None` when it names none.
pub fn root_cause(error: &dyn Error) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Some(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Link>>);

    impl std::fmt::Display for Link {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn each_cause_is_said_once_and_on_one_line() {
        let link = |text, cause: Option<Link>| Link(text, cause.map(Box::new));
        let deep = link(
            "open x",
            Some(link("read\n it", Some(link("no space", None)))),
        );
        assert_eq!(chain(&deep), "open x: read it: no space");
        let said = link("open x: no space", Some(link("no space", None)));
        assert_eq!(chain(&said), "open x: no space");
        assert_eq!(chain(&link("alone", None)), "alone");
        assert_eq!(root_cause(&deep).unwrap(), "no space");
        assert_eq!(root_cause(&link("alone", None)), None);
    }

    #[test]
    fn what_nobody_sees_is_told() {
        for (text, what) in [
            ("prod\r", "carriage return"),
            ("a\u{a0}", "U+00A0"),
            ("\u{feff}a", "U+FEFF"),
            ("a\u{200b}b", "U+200B"),
            ("a\0", "U+0000"),
            ("\u{1b}[31m", "U+001B"),
            ("a\u{2028}b", "U+2028"),
        ] {
            assert!(invisible(text).unwrap().contains(what), "{text:?}");
        }
        for text in ["", "größe 東京", "a\n\tb", "rate(x[5m]) "] {
            assert_eq!(invisible(text), None, "{text:?}");
        }
    }

    #[test]
    fn nothing_breaks_the_line() {
        assert_eq!(one_line(" a\nb\u{1b}[31m\r\n"), "a b [31m");
        assert_eq!(
            one_line(&"ü".repeat(10_000)).chars().count(),
            MOST_REPEATED + 1
        );
    }
}
