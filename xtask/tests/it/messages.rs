//! The texts that `cargo xtask` prints, collected from its sources into a file for each room below
//! `messages/`, where people can read them, and the form that they all have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use regex_lite::Regex;

use crate::words;

/// Macros whose texts are no messages: commands, documents, and what only a defect shows.
const NOT_PRINTED: [&str; 9] =
    ["cmd", "query", "html", "concat", "include_str", "assert", "unreachable", "expect", "regex"];

/// Sources of documents: pages, generated files, help.
const DOCUMENTS: [&str; 14] = [
    "cli.rs",
    "cli/common.rs",
    "mission/dockerfile/stages.rs",
    "mission/dockerfile/generate.rs",
    "mission/dockerfile/trial.rs",
    "secrets/rules.rs",
    "secrets/skeleton.rs",
    "task/images/report.rs",
    "task/packages/diff.rs",
    "task/packages/freeze.rs",
    "task/machine/quickstart.rs",
    "task/repository/mission_new.rs",
    "testing/page.rs",
    "testing/page/notebook.rs",
];

/// Texts of other programs, by which their failures are known, titles of their keys, and the subject
/// of a commit.
const OTHERS: [&str; 15] = [
    "Authentication failed",
    "Back-off pulling image",
    "Error response from daemon: ",
    "Begin with {}",
    "Cannot connect to the Docker daemon",
    "Failed to connect",
    "Failed to parse version: ",
    "Failed to pull image",
    "Get \"https://quay.io/v2/\": net/http: TLS handshake timeout",
    "OpenSSH private key",
    "Permission denied (",
    "Press a key to return to the editor",
    "PuTTY private key",
    "Rollback to ",
    "Unable to locate package ",
];

/// Names that begin with a capital letter wherever they stand.
const NAMES: [&str; 8] =
    ["BuildKit", "Debian", "Docker", "Dockerfiles", "GnuPG", "Jupyter", "Next", "Python"];

#[test]
fn messages_have_their_form() {
    let texts: BTreeSet<String> = collected().into_values().flatten().collect();
    let found: Vec<String> = texts.iter().filter_map(|it| problem(it)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn messages_are_listed_by_room() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/messages");
    for (room, texts) in collected() {
        let mut lines = String::new();
        for it in texts {
            lines += &it.replace('\n', "\\n");
            lines.push('\n');
        }
        expect_test::expect_file![dir.join(format!("{room}.txt"))].assert_eq(&lines);
    }
}

/// Returns what is wrong with the form of a message, with the message.
fn problem(text: &str) -> Option<String> {
    let problem = text.lines().find_map(|line| problem_of_line(line.trim()))?;
    Some(format!("{problem}: {text:?}"))
}

fn problem_of_line(line: &str) -> Option<&'static str> {
    let first = line.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default();
    let is_sentence = |it: &str| {
        let mut letters = it.chars();
        letters.next().is_some_and(char::is_uppercase)
            && letters.next().is_some_and(char::is_lowercase)
    };
    if is_sentence(first) && !NAMES.contains(&first) {
        Some("begins with a capital letter")
    } else if line.ends_with('!') || line.ends_with('.') && !line.ends_with("..") {
        Some("ends with a stop")
    } else if words::is_banned(line) {
        Some("has a banned word")
    } else if Regex::new(r"(^|: |; )(it|this one|that one|what|who|somebody|nobody) ")
        .unwrap()
        .is_match(line)
    {
        Some("has a pronoun in place of its subject")
    } else {
        None
    }
}

/// Returns the messages of each room, sorted.
fn collected() -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut res: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources(&src) {
        let path = file.strip_prefix(&src).unwrap();
        if DOCUMENTS.iter().any(|it| path == Path::new(it)) {
            continue;
        }
        let room = Path::new(path.components().next().unwrap().as_os_str()).with_extension("");
        let texts = res.entry(room.to_str().unwrap().to_owned()).or_default();
        texts.extend(texts_of(&fs::read_to_string(&file).unwrap()));
    }
    res.retain(|_, texts| !texts.is_empty());
    res
}

/// Returns the sources without their tests.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let tests = ["tests", "hostile", "rooms", "without_permit", "main"];
    let mut res = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if tests.iter().any(|it| path.file_stem().unwrap() == *it) {
            continue;
        }
        if path.is_dir() {
            res.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            res.push(path);
        }
    }
    res
}

/// Returns the texts of `code` that people may read.
fn texts_of(code: &str) -> Vec<String> {
    // Comments, raw texts, texts, characters, words, and everything else.
    let token = r##"(?s)//[^\n]*|/\*.*?\*/|b?r#".*?"#|b?r"[^"]*"|b?"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\[^']+)'|\w+|\S"##;
    let tokens: Vec<&str> =
        Regex::new(token).unwrap().find_iter(code).map(|it| it.as_str()).collect();
    let tokens: Vec<&str> =
        tokens.into_iter().filter(|it| !it.starts_with("//") && !it.starts_with("/*")).collect();
    let before = |at: usize, n: usize| at.checked_sub(n).map_or("", |it| tokens[it]);
    let (mut res, mut skipped, mut is_test) = (Vec::new(), vec![false], false);
    for (at, token) in tokens.iter().enumerate() {
        let outer = *skipped.last().unwrap();
        match *token {
            "(" | "[" | "{" => {
                let is_macro = before(at, 1) == "!";
                let is_attribute = before(at, 1) == "#" || is_macro && before(at, 2) == "#";
                is_test |= is_attribute && tokens[at + 1..].starts_with(&["cfg", "(", "test", ")"]);
                let is_test_module = *token == "{" && std::mem::take(&mut is_test);
                let is_other = is_macro && NOT_PRINTED.contains(&before(at, 2));
                let is_defect = before(at, 1) == "expect";
                skipped.push(outer || is_attribute || is_test_module || is_other || is_defect);
            }
            ")" | "]" | "}" => _ = skipped.pop(),
            ";" => is_test = false,
            _ if !outer => res
                .extend(text(token).filter(|it| is_message(it) && !OTHERS.contains(&it.as_str()))),
            _ => (),
        }
    }
    res
}

/// Returns the value of a text's literal.
fn text(token: &str) -> Option<String> {
    if let Some(raw) = token.strip_prefix('r').filter(|it| it.ends_with(['"', '#'])) {
        return Some(raw.trim_matches('#').trim_matches('"').to_owned());
    }
    let inner = token.strip_prefix('"')?.strip_suffix('"')?;
    let joined = Regex::new(r"\\\n\s*").unwrap().replace_all(inner, "").into_owned();
    Some(joined.replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\"))
}

/// Returns whether `text` has two words in a row outside of values and backquotes.
fn is_message(text: &str) -> bool {
    let plain = Regex::new(r"\{[^{}]*\}|`[^`]*`").unwrap().replace_all(text, "_").into_owned();
    Regex::new(r"[A-Za-z]{2,} [a-z]{2,}").unwrap().is_match(&plain)
}
