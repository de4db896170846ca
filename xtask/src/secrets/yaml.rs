//! A look at YAML before a library reads it, whose work grows with the square of how deep lists and
//! mappings in brackets are nested.

use anyhow::bail;

/// No file of a deployment comes close.
const DEEPEST: usize = 100;

/// # Errors
/// More than [`DEEPEST`] brackets are open at once. One that can begin nothing is not counted: the
/// character before it is a part of a text.
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
