//! Parses a Dockerfile into instructions with their source lines, so that text can be inserted
//! without touching the rest. Lines are joined like in BuildKit:
//! <https://docs.docker.com/reference/dockerfile/#format>.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use crate::{mission::dockerfile::shell, run::finding::Finding};

/// Rule of the findings of this module.
pub(crate) const RULE: &str = "dockerfile";

/// A Dockerfile, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dockerfile {
    /// Path relative to the root of the checkout.
    pub(crate) path: PathBuf,
    /// Lines without line ends and byte order mark.
    pub(crate) lines: Vec<String>,
    /// Number of lines at the top that are directives, such as `# escape=`.
    pub(crate) directives: usize,
    /// Character that continues a line.
    pub(crate) escape: char,
    pub(crate) instructions: Vec<Instruction>,
}

/// An instruction, or the trigger of an `ONBUILD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Word in upper case.
    pub(crate) word: String,
    pub(crate) onbuild: bool,
    /// Flags `--name=value`, between the word and its arguments.
    pub(crate) flags: Vec<String>,
    /// Arguments: lines joined, without comments and empty lines inside.
    pub(crate) args: String,
    /// Indexes into [`Dockerfile::lines`].
    pub(crate) lines: RangeInclusive<usize>,
    /// Line and byte column just after `word`.
    pub(crate) after_word: (usize, usize),
}

impl Dockerfile {
    /// Returns the line of `instruction` that contains `text`, counted from 1; else its first line.
    pub(crate) fn line_of(&self, instruction: &Instruction, text: &str) -> usize {
        let first = *instruction.lines.start();
        let mut lines = instruction.lines.clone();
        lines.find(|it| self.lines[*it].contains(text)).unwrap_or(first) + 1
    }

    /// Returns a finding about `instruction`, on its line with `text`.
    pub(crate) fn finding(
        &self,
        rule: &'static str,
        (instruction, text): (&Instruction, &str),
        what: String,
        fix: impl Into<String>,
    ) -> Finding {
        let line = Some(self.line_of(instruction, text));
        Finding { file: self.path.clone(), line, rule, what, fix: fix.into() }
    }
}

const WORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// # Errors
/// All parts that no builder, or not every builder, would accept: see [`problem`].
pub(crate) fn parse(path: &Path, text: &str) -> Result<Dockerfile, Vec<Finding>> {
    let (file, findings) = read(path, text);
    if findings.is_empty() { Ok(file) } else { Err(findings) }
}

/// Returns the instructions that can be read, and findings about the parts that no builder, or not
/// every builder, would accept.
pub(crate) fn read(path: &Path, text: &str) -> (Dockerfile, Vec<Finding>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let directives = lines.iter().take_while(|it| directive(it).is_some()).count();
    let escape =
        lines[..directives].iter().filter_map(|it| directive(it)).find_map(|it| match it {
            ("escape", "`") => Some('`'),
            _ => None,
        });
    let mut file = Dockerfile {
        path: path.to_owned(),
        lines,
        directives,
        escape: escape.unwrap_or('\\'),
        instructions: Vec::new(),
    };
    let findings = read_instructions(&mut file);
    (file, findings)
}

fn read_instructions(file: &mut Dockerfile) -> Vec<Finding> {
    let mut findings: Vec<Finding> = syntax_line(file).into_iter().collect();
    let bodies = Bodies::new(&file.lines);
    let mut at = file.directives;
    while at < file.lines.len() {
        if is_skipped(&file.lines[at]) {
            at += 1;
            continue;
        }
        let (joined, last) = Joined::read(&file.lines, at, file.escape);
        let instruction = instruction(&joined, at..=last);
        at = last + 1;
        if let Some((what, fix)) = problem(file, &instruction) {
            findings.push(file.finding(RULE, (&instruction, ""), what, fix));
            at = bodies.after(&instruction, at);
        }
        file.instructions.push(instruction);
    }
    findings
}

fn syntax_line(file: &Dockerfile) -> Option<Finding> {
    let lines = &file.lines[..file.directives];
    let line =
        lines.iter().position(|it| directive(it).is_some_and(|(name, _)| name == "syntax"))?;
    Some(Finding {
        file: file.path.clone(),
        line: Some(line + 1),
        rule: RULE,
        what: "`# syntax=` makes every build pull a frontend from a registry".to_owned(),
        fix: "remove the line; the builders' own frontends serve".to_owned(),
    })
}

/// Returns the reason why a builder refuses `instruction`, and the fix.
fn problem(file: &Dockerfile, instruction: &Instruction) -> Option<(String, &'static str)> {
    let word = &instruction.word;
    if !WORDS.contains(&word.as_str()) {
        let what = format!("unknown instruction `{word}`");
        return Some((
            what,
            "a line that goes on needs a `\\` at its end; a comment, a `#` before it",
        ));
    }
    if let Some(delimiter) = heredoc(instruction) {
        return Some((
            format!("the builder of docker 20.10 does not know here-documents (`<<{delimiter}`)"),
            "put the text into a file and COPY it, or join the commands with `&& \\`",
        ));
    }
    let last = &file.lines[*instruction.lines.end()];
    if continued(last, file.escape).is_some() {
        let what = "the last line ends in a continuation, and nothing follows".to_owned();
        return Some((what, "remove what continues the line at its end"));
    }
    let flag = |name: &str| instruction.flags.iter().any(|it| it.split('=').next() == Some(name));
    match word.as_str() {
        "RUN" if flag("--network") || flag("--security") => Some((
            "the builder of docker 20.10 does not know RUN --network and --security".to_owned(),
            "remove the flag; BUILD_NETWORK in setup-env chooses the network of build steps",
        )),
        "COPY" | "ADD" if flag("--link") => Some((
            format!("the builder of docker 20.10 does not know {word} --link"),
            "remove the flag",
        )),
        _ => None,
    }
}

fn heredoc(instruction: &Instruction) -> Option<String> {
    let takes_one = ["RUN", "COPY", "ADD"].contains(&instruction.word.as_str());
    shell::heredoc(&instruction.args)
        .filter(|_| takes_one && exec_form(&instruction.args).is_none())
}

/// Lines that may end the body of a here-document, by delimiter.
struct Bodies(BTreeMap<String, Vec<usize>>);

impl Bodies {
    fn new(lines: &[String]) -> Bodies {
        let mut res: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, line) in lines.iter().enumerate() {
            res.entry(line.trim_start_matches('\t').to_owned()).or_default().push(at);
        }
        Bodies(res)
    }

    /// Returns the line after the body of a here-document that begins at `at`, so that its lines do
    /// not count as instructions.
    fn after(&self, instruction: &Instruction, at: usize) -> usize {
        let ends = heredoc(instruction).and_then(|it| self.0.get(&it));
        let end = ends.and_then(|it| it.get(it.partition_point(|end| *end < at)));
        end.map_or(at, |it| it + 1)
    }
}

/// Returns the words of `["program", "argument"]`.
pub(crate) fn exec_form(args: &str) -> Option<Vec<String>> {
    serde_json::from_str(args.trim()).ok()
}

fn is_skipped(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// Returns name and value of a line such as `# escape=\``, if the name is known.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let name = ["escape", "syntax", "check"]
        .into_iter()
        .find(|it| name.trim().eq_ignore_ascii_case(it))?;
    Some((name, value.trim()))
}

/// Returns `line` without its continuation character, if it has one. A doubled one is text.
pub(crate) fn continued(line: &str, escape: char) -> Option<&str> {
    let rest = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    Some(rest).filter(|it| !it.ends_with(escape))
}

/// Lines of an instruction, joined, with their positions in the file.
struct Joined {
    text: String,
    /// Offset in `text`, and the line that begins there.
    pieces: Vec<(usize, usize)>,
}

impl Joined {
    /// Joins the lines from `first` on, and returns the index of the last one.
    fn read(lines: &[String], first: usize, escape: char) -> (Joined, usize) {
        let mut joined = Joined { text: String::new(), pieces: Vec::new() };
        let mut last = first;
        for (at, line) in lines.iter().enumerate().skip(first) {
            if at > first && is_skipped(line) {
                continue;
            }
            last = at;
            joined.pieces.push((joined.text.len(), at));
            match continued(line, escape) {
                Some(part) => joined.text.push_str(part),
                None => {
                    joined.text.push_str(line);
                    break;
                }
            }
        }
        (joined, last)
    }

    /// Returns line and column just after the character that ends at `end`.
    fn place(&self, end: usize) -> (usize, usize) {
        let piece = self.pieces.iter().rev().find(|(offset, _)| *offset < end);
        piece.map_or((0, 0), |(offset, line)| (*line, end - offset))
    }

    /// Returns the range of the first word at or after `from`.
    fn word(&self, from: usize) -> (usize, usize) {
        let rest = &self.text[from..];
        let start = from + (rest.len() - rest.trim_start().len());
        let length = self.text[start..].find(char::is_whitespace);
        (start, length.map_or(self.text.len(), |n| start + n))
    }
}

fn instruction(joined: &Joined, lines: RangeInclusive<usize>) -> Instruction {
    let (mut start, mut end) = joined.word(0);
    let onbuild = joined.text[start..end].eq_ignore_ascii_case("ONBUILD");
    if onbuild {
        (start, end) = joined.word(end);
    }
    let (flags, args) = flags(&joined.text[end..]);
    Instruction {
        word: joined.text[start..end].to_ascii_uppercase(),
        onbuild,
        flags,
        args,
        lines,
        after_word: joined.place(end),
    }
}

fn flags(text: &str) -> (Vec<String>, String) {
    let mut flags = Vec::new();
    let mut rest = text.trim();
    while rest.starts_with("--") {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (flag, tail) = rest.split_at(end);
        rest = tail.trim_start();
        if flag == "--" {
            break;
        }
        flags.push(flag.to_owned());
    }
    (flags, rest.to_owned())
}
