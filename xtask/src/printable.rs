//! Text of others, fit for a terminal, a log, a page and XML: colour codes are removed, and each other
//! control character is replaced by U+FFFD.

use std::path::Path;

/// Returns `text`, whose lines may end and hold tabs, without terminal control sequences (ECMA-48, 5.4)
/// and with a mark in the place of every other control character.
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

/// Returns `text` as [`text()`] does, on one line: a name with a line's end in it forges no line.
pub(crate) fn line(line: &str) -> String {
    text(line).replace('\n', "\u{fffd}")
}

/// Returns the JSON document `document` with `\u…` in the place of the control characters that JSON
/// allows in strings.
pub(crate) fn json(document: &str) -> String {
    let escaped = |it: char| match it {
        '\n' => "\n".to_owned(),
        it if is_control(it) => format!("\\u{:04x}", u32::from(it)),
        it => it.to_string(),
    };
    document.chars().map(escaped).collect()
}

/// Whether a terminal, a reader or XML would take `it` for something else than a character of a text:
/// control characters (ECMA-48, 5), ends of lines, what turns the direction of a text
/// (Unicode UAX #9, 2), and noncharacters.
fn is_control(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(it, '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Names of files in messages.
pub(crate) trait Shown {
    /// Returns the path as [`line`] does.
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

    #[test]
    fn control_characters() {
        assert_eq!(text("a\x1b[31mred\x1b[0m\r\nb\tc"), "ared\nb\tc");
        let marks = "\x00\x08\x1b\u{7f}\u{9f}\u{fffe}\r\u{202e}\u{2066}\u{200f}\u{2028}";
        assert_eq!(text(marks), "\u{fffd}".repeat(11));
        assert_eq!(text("\x1b[38;5;1mµ\x1b["), "µ");
        // An unfinished sequence hides nothing of what follows.
        assert_eq!(text("\x1b[8\nfailed"), "\nfailed");
        assert_eq!(text("\x1b]52;c;cm0gLXJm\x07"), "\u{fffd}]52;c;cm0gLXJm\u{fffd}");
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
