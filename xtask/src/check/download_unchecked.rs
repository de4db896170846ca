//! Downloads of a build step are compared with a checksum before they are used: the address may
//! serve other content tomorrow.

use crate::{
    check::{Refuses, Rule, unpinned::git::is_commit},
    mission::dockerfile::{
        parse::{Dockerfile, Instruction},
        programs,
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "download-unchecked",
    about: "downloads of build steps are compared with a checksum",
    refuses: Refuses::Frozen,
    check: |facts| facts.of_dockerfiles(check_file),
};

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let mut res = Vec::new();
    for instruction in &file.instructions {
        let found = match instruction.word.as_str() {
            "ADD" => added(file, instruction).map(|it| (unread(&it), it, ADD)),
            "RUN" => unchecked(instruction)
                .map(|it| (unread(&it), it, RUN))
                .or_else(|| used_early(instruction).map(|(what, word)| (what, word, RUN))),
            _ => None,
        };
        res.extend(
            found.map(|(what, word, fix)| file.finding(RULE.name, (instruction, &word), what, fix)),
        );
    }
    res
}

fn unread(word: &str) -> String {
    format!("nothing checks what `{word}` fetches")
}

const ADD: &str = "fetch it in a RUN instead, and compare it before it is used: `RUN curl -fsSLo F URL && echo '<sha256>  F' | sha256sum --check && …`";
const RUN: &str = "save it to a file, and compare that before it is used: `curl -fsSLo F URL && echo '<sha256>  F' | sha256sum --check && …`";

/// Returns an address that ADD fetches; its `--checksum` is unknown to older builders. The address
/// of a repository may end with a commit.
fn added(file: &Dockerfile, instruction: &Instruction) -> Option<String> {
    let has_checksum = instruction.flags.iter().any(|it| it.starts_with("--checksum="));
    let words = instruction.args.split(|c: char| c.is_whitespace() || "[],\"".contains(c));
    let mut remote = words.filter(|it| is_remote(it) || is_remote(&value(file, it)));
    remote.find(|it| !is_commit(it)).filter(|_| !has_checksum).map(|_| "ADD".to_owned())
}

fn is_remote(word: &str) -> bool {
    let word = word.to_lowercase();
    ["http://", "https://", "git://", "ssh://", "git@"].iter().any(|it| word.starts_with(it))
}

/// Returns the value that an earlier ARG or ENV gives the variable at the start of `word`.
fn value(file: &Dockerfile, word: &str) -> String {
    let Some(name) = word.strip_prefix('$') else { return String::new() };
    let name = name.trim_start_matches('{');
    let name = name.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).next();
    let settings = file.instructions.iter().filter(|it| ["ARG", "ENV"].contains(&&*it.word));
    let words = settings.flat_map(|it| it.args.split_whitespace());
    let mut values = words.filter_map(|it| it.split_once('=')).filter(|it| Some(it.0) == name);
    values.next().map_or(String::new(), |it| it.1.trim_matches(['"', '\'']).to_owned())
}

/// Returns the first program of a RUN that downloads something without a later check.
fn unchecked(instruction: &Instruction) -> Option<String> {
    let commands = programs::commands(instruction);
    let last_check = commands.iter().rposition(|it| checks(&it.words)).unwrap_or(0);
    commands[last_check..].iter().find_map(|it| downloads(&it.words).map(str::to_owned))
}

/// Programs that do nothing with a file's content, or read it alone.
const LOOKERS: [&str; 12] =
    ["echo", "printf", "cd", "ls", "test", "[", "mkdir", "chmod", "cat", "file", "du", "stat"];

/// Returns the problem of a RUN that compares a download after it used it, and the program that did.
fn used_early(instruction: &Instruction) -> Option<(String, String)> {
    let commands = programs::commands(instruction);
    commands.iter().enumerate().find_map(|(at, it)| {
        let file = written(&it.words).filter(|_| downloads(&it.words).is_some())?;
        let rest = commands[at + 1..].iter().map(|it| it.words.as_slice());
        let mut before = rest.take_while(|it| !checks(it));
        before.find_map(|words| {
            let (name, args) = programs::program(words)?;
            let uses = !LOOKERS.contains(&name)
                && !FETCHERS.iter().any(|it| it.0 == name)
                && args.contains(&file);
            uses.then(|| {
                (format!("`{name}` uses `{file}` before its checksum is compared"), name.to_owned())
            })
        })
    })
}

/// Returns the file that curl or wget writes, by its path as the command names it.
fn written(words: &[String]) -> Option<String> {
    let (name, args) = programs::program(words)?;
    let into = args.iter().position(|it| it == ">" || it == "1>");
    if let Some(file) = into.and_then(|at| args.get(at + 1)) {
        return Some(file.clone());
    }
    let short = match name {
        "curl" => 'o',
        "wget" => 'O',
        _ => return None,
    };
    let long = if name == "curl" { "--output" } else { "--output-document" };
    let is_named = |it: &str| {
        it == long || it.starts_with('-') && !it.starts_with("--") && it.ends_with(short)
    };
    let named = args.windows(2).find(|it| is_named(&it[0])).map(|it| it[1].clone());
    named.or_else(|| {
        let url = args.iter().find(|it| it.contains("://"))?;
        let writes = name == "wget"
            || args.iter().any(|it| {
                it == "--remote-name"
                    || it.starts_with('-') && !it.starts_with("--") && it.contains('O')
            });
        url.rsplit('/').next().filter(|it| writes && !it.is_empty()).map(str::to_owned)
    })
}

/// Programs that download, and the word that makes them do so.
const FETCHERS: [(&str, &str); 20] = [
    ("curl", ""),
    ("wget", ""),
    ("wget2", ""),
    ("aria2c", ""),
    ("axel", ""),
    ("lftp", ""),
    ("lwp-download", ""),
    ("scp", ""),
    ("sftp", ""),
    ("gdown", ""),
    ("zenodo_get", ""),
    ("aws", "s3"),
    ("azcopy", "copy"),
    ("http", "--download"),
    ("gcloud", "cp"),
    ("gsutil", "cp"),
    ("rclone", "copy"),
    ("gh", "download"),
    ("hf", "download"),
    ("huggingface-cli", "download"),
];

/// Calls in a line of code that download, as in `python -c "…"`.
const CALLS: [&str; 5] =
    ["urlretrieve(", "urlopen(", "requests.get(", "download.file(", "getstore("];

/// Returns the program that a command downloads with.
pub(super) fn downloads(words: &[String]) -> Option<&str> {
    if !programs::may_start(words) {
        return None;
    }
    if words.iter().any(|it| CALLS.iter().any(|call| it.contains(call))) {
        return programs::program(words).map(|it| it.0);
    }
    // A server of the step itself, in a loop that waits for it.
    let waits = ["until", "while", "if", "!"].iter().any(|it| words[0] == *it);
    let is_local =
        |it: &String| waits && (it.contains("://localhost") || it.contains("://127.0.0.1"));
    words.iter().enumerate().find_map(|(at, word)| {
        let args = &words[at + 1..];
        let (name, how) = FETCHERS.iter().find(|it| it.0 == programs::name(word))?;
        let fetches = args.iter().any(|it| !it.starts_with('-'))
            && (how.is_empty() || args.iter().any(|it| it == how))
            && !args.iter().any(|it| is_local(it) || is_commit(it));
        fetches.then_some(*name)
    })
}

/// Programs that calculate checksums.
const SUMS: [&str; 5] = ["sha256sum", "sha512sum", "sha384sum", "b2sum", "shasum"];

fn checks(words: &[String]) -> bool {
    let Some((name, args)) = programs::program(words) else { return false };
    let has = |options: [&str; 2]| args.iter().any(|it| options.contains(&it.as_str()));
    let is_sum = SUMS.contains(&name);
    // `[ "$(sha256sum F | cut -d' ' -f1)" = … ]`
    let compares = ["[", "[[", "test"].contains(&name)
        && args.iter().any(|it| it.contains("$(") && SUMS.iter().any(|sum| it.contains(sum)));
    compares
        || is_sum && (has(["-c", "--check"]) || args.iter().any(|it| is_short_check(it)))
        || name == "gpgv"
        || name == "gpg" && has(["--verify", "--decrypt"])
}

/// Returns whether `arg` has `-c` among other short options, as in `-sc`.
fn is_short_check(arg: &str) -> bool {
    arg.starts_with('-') && !arg.starts_with("--") && arg.contains('c')
}
