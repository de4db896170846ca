//! A check of YAML before a library parses it, because the library's work grows with the square of
//! the nesting depth of lists and mappings in brackets.

use anyhow::bail;

/// Deepest nesting; no file of a deployment comes close.
const DEEPEST: usize = 100;

/// # Errors
/// More than [`DEEPEST`] brackets are open at once. A bracket that cannot begin a list or mapping
/// does not count: the character before it is a part of a text.
pub(crate) fn check_depth(text: &str) -> anyhow::Result<()> {
    let mut depth: usize = 0;
    let mut before = '\n';
    for c in text.chars() {
        let begins = before.is_whitespace() || "[{,:\"'".contains(before);
        match c {
            '[' | '{' if begins => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => (),
        }
        if depth > DEEPEST {
            bail!("more than {DEEPEST} brackets are open at once");
        }
        before = c;
    }
    Ok(())
}

#[test]
fn texts_with_brackets_are_not_deep() {
    let values = "a: \"\\e[0m\"\nb: {c: [d, {e: f}]}\n".repeat(200);
    assert!(check_depth(&values).is_ok() && check_depth(&"x[".repeat(200)).is_ok());
    for piece in ["[", "[ ", "{a: ", "{\"a\":", "- [\n"] {
        assert!(check_depth(&piece.repeat(101)).is_err(), "{piece}");
    }
}
