//! `xargs` starts its program once even when nothing comes through the pipe: `… | xargs rm` then
//! fails, and other programs act on the folder that they are in.

use crate::{
    check::{Facts, File, Refuses, Rule},
    mission::dockerfile::{
        parse::Dockerfile,
        programs,
        shell::{self, Command, Operator},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "xargs-empty",
    about: "xargs behind a pipe has -r, so that empty input starts no program",
    refuses: Refuses::Never,
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let scripts = facts.files.iter().filter(|it| it.path.starts_with("missions"));
    let mut res: Vec<Finding> = scripts.flat_map(check_script).collect();
    res.extend(facts.of_dockerfiles(check_file));
    res
}

const WHAT: &str = "`xargs` starts its program even when its input is empty";
const FIX: &str = "write `xargs -r`, or `xargs --no-run-if-empty`";

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let runs = file.instructions.iter().filter(|it| it.word == "RUN");
    let wrong = runs.filter(|it| is_wrong(&programs::commands(it)));
    wrong.map(|it| file.finding(RULE.name, (it, "xargs"), WHAT.to_owned(), FIX)).collect()
}

/// Checks a hook or a test that is a shell script.
fn check_script(file: &File) -> Vec<Finding> {
    let first = file.text.lines().next().unwrap_or_default();
    let is_shell = first.starts_with("#!") && first.ends_with("sh");
    if !is_shell && file.path.extension().is_none_or(|it| it != "sh") {
        return Vec::new();
    }
    let lines = file.text.lines().enumerate();
    let wrong = lines.filter(|(_, it)| is_wrong(&shell::commands(it).unwrap_or_default()));
    wrong.map(|(at, _)| file.finding(RULE.name, Some(at + 1), WHAT.to_owned(), FIX)).collect()
}

fn is_wrong(commands: &[Command]) -> bool {
    let is_piped = |it: &[Command]| it[0].then == Operator::Pipe && starts_anyway(&it[0], &it[1]);
    let nothing = Command { words: Vec::new(), then: Operator::Pipe };
    commands.windows(2).any(is_piped)
        || commands.iter().any(|it| reads_file(&it.words) && starts_anyway(&nothing, it))
}

/// Returns whether an xargs reads a file, which may be empty, by `<` or an option.
fn reads_file(words: &[String]) -> bool {
    let redirects = |it: &String| it.starts_with('<') && !it.starts_with("<<");
    words.iter().any(|it| redirects(it) || it == "-a" || it.starts_with("--arg-file"))
}

/// Returns whether `command` is an xargs that starts its program without any input from `before`.
fn starts_anyway(before: &Command, command: &Command) -> bool {
    let Some(at) = command.words.iter().position(|it| programs::name(it) == "xargs") else {
        return false;
    };
    // `grep xargs` starts none; without a program of its own, xargs prints an empty line.
    let is_program = programs::program(&command.words[..at]).is_none();
    let started = programs::program(&command.words[at + 1..]).map_or("", |it| it.0);
    if !is_program || ["", "echo", "printf"].contains(&started) {
        return false;
    }
    if ALWAYS_PRINT.contains(&before.words.first().map_or("", String::as_str)) {
        return false;
    }
    let is_text = ["echo", "printf"].contains(&before.words.first().map_or("", String::as_str));
    let has_word = before.words.iter().skip(1).any(|it| it.contains(char::is_alphanumeric));
    let is_literal = !before.words.iter().any(|it| it.contains(['$', '`']));
    let is_never_empty = is_text && has_word && is_literal;
    !is_never_empty && !has_safe_option(&command.words[at + 1..])
}

/// Programs that never print nothing.
const ALWAYS_PRINT: [&str; 10] =
    ["arch", "date", "getconf", "hostname", "id", "nproc", "pwd", "seq", "uname", "whoami"];

/// Short options of xargs that have a value.
const VALUED: &str = "EILPadns";

/// Long options of xargs whose value may be the next word.
const VALUED_LONG: [&str; 6] =
    ["arg-file", "delimiter", "max-args", "max-chars", "max-procs", "process-slot-var"];

/// Returns whether `words` begin with options, one of which starts nothing without input: -r, or
/// -I, by which each line is one start.
fn has_safe_option(words: &[String]) -> bool {
    let mut words = words.iter();
    while let Some(word) = words.next().filter(|it| it.starts_with('-')) {
        if let Some(long) = word.strip_prefix("--") {
            if long == "no-run-if-empty" || long.starts_with("replace") {
                return true;
            }
            if VALUED_LONG.contains(&long) {
                words.next();
            }
            continue;
        }
        for (at, letter) in word.char_indices().skip(1) {
            if "rIi".contains(letter) {
                return true;
            }
            if VALUED.contains(letter) {
                // The value is the rest of the word, or the next one.
                if at + 1 == word.len() {
                    words.next();
                }
                break;
            }
        }
    }
    false
}

#[test]
fn programs_that_nothing_reaches() {
    let command = |text: &str| {
        let words = text.split(' ').map(str::to_owned).collect();
        Command { words, then: Operator::Pipe }
    };
    let starts = |before: &str, after: &str| starts_anyway(&command(before), &command(after));
    assert!(starts("ls a", "xargs rm") && starts("ls a", "sudo xargs -n 1 rm"));
    assert!(starts("echo $A", "xargs -n 1 pip install"));
    for (before, after) in [
        ("cat a", "grep xargs"),
        ("echo $A", "xargs"),
        ("echo $A", "xargs echo"),
        ("nproc", "xargs make -j"),
        ("seq 1 9", "xargs -n 1 mkdir"),
    ] {
        assert!(!starts(before, after), "{before} | {after}");
    }
}

#[test]
fn options_before_the_safe_one() {
    let is_safe =
        |text: &str| has_safe_option(&text.split(' ').map(str::to_owned).collect::<Vec<String>>());
    for it in ["-0r rm", "-n 1 -r rm", "--max-args 1 -r rm", "--delimiter , --replace={} rm"] {
        assert!(is_safe(it), "{it}");
    }
    for it in ["rm -r", "-n 1 rm -r", "--max-args=1 rm -r", "--max-args 1 rm -r"] {
        assert!(!is_safe(it), "{it}");
    }
}
