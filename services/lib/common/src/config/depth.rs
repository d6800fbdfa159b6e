//! How deep a text nests, before a parser is shown it: that of YAML takes the square of the depth in time, that of
//! variables recurses. Pure.

/// The deepest key lies four deep.
const DEEPEST: usize = 64;
/// What begins and may never end: text between quotes or in a block may be taken for something else here, but then this
/// many bound it.
const MOST_OPENED: usize = 40_000;
const MOST_OPENED_IN_VARIABLE: usize = 500;

/// True when YAML nests deeper than any configuration does.
pub fn is_too_deep(yaml: &str) -> bool {
    opened(yaml) > MOST_OPENED
        || flow_depth(yaml) > DEEPEST
        || yaml.lines().any(|line| block_depth(line) > DEEPEST)
}

/// The same for the value of a variable.
pub fn is_too_deep_in_variable(text: &str) -> bool {
    opened(text) > MOST_OPENED_IN_VARIABLE || flow_depth(text) > DEEPEST
}

fn opened(text: &str) -> usize {
    text.bytes().filter(|byte| b"[{".contains(byte)).count()
}

/// Of `[` and `{` outside quotes and comments.
fn flow_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut quote = None;
    // What is before a sign says whether it begins something.
    let mut before = '\n';
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match (quote, sign) {
            (Some('"'), '\\') => {
                signs.next();
            }
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if before.is_whitespace() || "[{,:(".contains(before) => {
                quote = Some(sign);
            }
            (None, '#') if before.is_whitespace() => {
                let _ = signs.by_ref().find(|sign| *sign == '\n');
                before = '\n';
                continue;
            }
            (None, '[' | '{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        before = sign;
    }
    deepest
}

/// Of `- - -` and `? ? ?` at the beginning of a line.
fn block_depth(line: &str) -> usize {
    line.split_whitespace()
        .take_while(|word| matches!(*word, "-" | "?" | ":"))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_told_from_length() {
        for (unit, deep) in [
            ("[", true),
            ("{a: ", true),
            ("[\n", true),
            ("[\"]\", ", true),
            ("[']', ", true),
            ("[ # ]\n", true),
            ("- ", true),
            ("? ", true),
            ("- [", true),
            ("&a [*a, ", true),
            ("!!seq [", true),
            ("- {id: web, ladder: [t2.small]}\n", false),
            ("it's [5m] ", false),
            ("'a[' \"b{\\\"[\" ", false),
            ("# [\n", false),
            ("- a\n", false),
        ] {
            let text = unit.repeat(1_000);
            assert_eq!(is_too_deep(&text), deep, "{unit:?}");
            assert!(!is_too_deep(&unit.repeat(10)), "{unit:?}");
        }
        assert!(is_too_deep_in_variable(&"{a=".repeat(65)));
        assert!(is_too_deep_in_variable(&"[x'] ".repeat(501)));
        assert!(!is_too_deep_in_variable("[t2.small, {a = [1]}]"));
    }
}
