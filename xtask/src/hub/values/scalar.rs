//! Plain scalars of YAML: the type that every reader gives them, or why readers differ. Helm reads
//! YAML 1.1 with changes of its own, sops 1.2, PyYAML 1.1.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Number;

use crate::hub::values::Value;

/// A pattern, what some reader takes a matching text for, and how to write it instead.
type Ambiguous = (Regex, &'static str, &'static str);

static AMBIGUOUS: LazyLock<Vec<Ambiguous>> = LazyLock::new(|| {
    const QUOTE: &str = "quote it, or write the number in decimal digits";
    let patterns = [
        ("(?i)^(y|n|yes|no|on|off)$", "a boolean", "write `true` or `false`, or quote it"),
        (r"^[-+]?0[0-9_]+$|^[-+]?0[oO][0-7_]+$", "an octal number", QUOTE),
        (r"^[-+]?0[xX][0-9a-fA-F_]+$|^[-+]?0[bB][01_]+$", "a hexadecimal or binary number", QUOTE),
        (r"^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$", "a number in base 60", QUOTE),
        (r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?$", "a date", "quote it"),
        (r"^[-+]?(\.(inf|Inf|INF)|\.(nan|NaN|NAN))$", "infinity or not a number", "quote it"),
        (r"^[-+]?(\.?[0-9][0-9_]*|[0-9][0-9_]*\.[0-9_]*)([eE][-+]?[0-9]+)?$", "a number", QUOTE),
        ("^=$|^<<$", "an instruction", "quote it"),
    ];
    let compiled = patterns.into_iter().filter_map(|(pattern, what, fix)| {
        let pattern = Regex::new(pattern);
        debug_assert!(pattern.is_ok(), "{what}");
        Some((pattern.ok()?, what, fix))
    });
    compiled.collect()
});

/// Returns the value of a plain scalar.
///
/// # Errors
/// What some readers take it for, while others read text, and the fix.
pub(super) fn plain(text: &str) -> Result<Value, (&'static str, &'static str)> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => (),
    }
    if let Some(number) = number(text) {
        return Ok(Value::Number(number));
    }
    match AMBIGUOUS.iter().find(|it| it.0.is_match(text)) {
        Some((_, what, fix)) => Err((what, fix)),
        None => Ok(Value::Text(text.to_owned())),
    }
}

/// Returns the number if `text` is one in the same notation as JSON's, without an exponent, and
/// no digits are lost.
fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let is_canonical = is_digits(whole) && is_digits(fraction);
    if !is_canonical || (whole.len() > 1 && whole.starts_with('0')) || digits.len() > 15 {
        return None;
    }
    text.parse().map(|it: i64| it.into()).ok().or_else(|| Number::from_f64(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_agree_or_the_text_is_ambiguous() {
        let of = |text: &str| match plain(text) {
            Ok(Value::Text(_)) => "text".to_owned(),
            Ok(value) => format!("{value:?}"),
            Err((what, _)) => what.to_owned(),
        };
        for text in
            ["1G", "512M", "10.0.0.1", "1.2.3", "yesterday", "v1", "0.5Gi", "a:b", "8888:8888"]
        {
            assert_eq!(of(text), "text", "{text}");
        }
        for (text, expected) in [
            ("1", "Number(Number(1))"),
            ("0.5", "Number(Number(0.5))"),
            ("~", "Null"),
            ("True", "Bool(true)"),
            ("yes", "a boolean"),
            ("N", "a boolean"),
            ("0644", "an octal number"),
            ("0o17", "an octal number"),
            ("08", "an octal number"),
            ("0x1F", "a hexadecimal or binary number"),
            ("12:30", "a number in base 60"),
            ("1_000", "a number"),
            ("1e3", "a number"),
            (".5", "a number"),
            ("5.", "a number"),
            ("+1", "a number"),
            (".inf", "infinity or not a number"),
            ("2026-01-31", "a date"),
            ("12345678901234567890", "a number"),
            ("<<", "an instruction"),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
