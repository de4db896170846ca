//! Untrusted text, made safe for a terminal, a log, a page and XML: colour codes are removed, and
//! each other control character is replaced by U+FFFD.

use std::path::Path;

/// Returns `text`, which may have line ends and tabs, without terminal control sequences (ECMA-48,
/// 5.4) and with U+FFFD for each other control character.
pub(crate) fn text(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(it) = chars.next() {
        match it {
            '\x1b' if chars.next_if_eq(&'[').is_some() => {
                while chars.next_if(|it| (' '..='?').contains(it)).is_some() {}
                chars.next_if(|it| ('@'..='~').contains(it));
            }
            '\n' | '\t' => res.push(it),
            '\r' if chars.peek() == Some(&'\n') => (),
            it if is_control(it) => res.push('\u{fffd}'),
            it => res.push(it),
        }
    }
    res
}

/// Returns whether `c` looks like nothing or like a blank, and is not one: a no-break space, a zero
/// width space, a mark of direction.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{1680}' | '\u{180e}' | '\u{3000}' | '\u{feff}')
        || matches!(c, '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}')
}

/// Returns `text` like [`text()`], on one line: a name with a line end cannot forge a line.
pub(crate) fn line(line: &str) -> String {
    text(line).replace('\n', "\u{fffd}")
}

/// Returns the start of a text of others as one line of a message.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    let start: String = text.chars().take(LONGEST).collect();
    let rest = if start.len() < text.len() { "…" } else { "" };
    line(&start) + rest
}

/// Returns the HTML or XML `document` with U+FFFD for each control character. Sequences are not
/// removed: their ends could be a part of its markup.
pub(crate) fn document(document: &str) -> String {
    let is_marked = |it: char| is_control(it) && !"\n\t".contains(it);
    document.replace(is_marked, "\u{fffd}")
}

/// Returns the JSON document `document` with `\u…` for the control characters that JSON allows in
/// strings.
pub(crate) fn json(document: &str) -> String {
    let escaped = |it: char| match it {
        '\n' => "\n".to_owned(),
        it if is_control(it) => format!("\\u{:04x}", u32::from(it)),
        it => it.to_string(),
    };
    document.chars().map(escaped).collect()
}

/// Returns whether a terminal, a reader or XML would not treat `it` as a character of a text:
/// control characters (ECMA-48, 5), line ends, characters that change the direction of a text
/// (Unicode UAX #9, 2), and noncharacters.
fn is_control(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(it, '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// File names in messages.
pub(crate) trait Shown {
    /// Returns the path like [`line`].
    fn shown(&self) -> String;
}

impl Shown for Path {
    fn shown(&self) -> String {
        line(&self.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scripts in images read the same cases.
    #[test]
    fn control_characters() {
        let cases = include_str!("../../../common/image/tests/printable_cases.json");
        let cases: Vec<[String; 2]> = serde_json::from_str(cases).unwrap();
        for [given, expected] in cases {
            assert_eq!(text(&given), expected, "{given:?}");
            assert_eq!(line(&given), expected.replace('\n', "\u{fffd}"), "{given:?}");
        }
    }

    #[test]
    fn names_forge_no_line() {
        assert_eq!(line("a\nok: b\r\nc\rd\te"), "a\u{fffd}ok: b\u{fffd}c\u{fffd}d\te");
        assert_eq!(Path::new("a\n\x1b]0;b").shown(), "a\u{fffd}\u{fffd}]0;b");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "a\u{9b}\n": "\x1b]52\x07\x7f\u{202e}µ🌍\u{2028}" });
        let shown = json(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(shown.replace('\n', ""), text(&shown).replace('\n', ""));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
