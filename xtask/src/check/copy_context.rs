//! What a step copies from the mission's folder is in its build context, which `.dockerignore` opens
//! by name.

use std::path::{Component, Path, PathBuf};

use glob::Pattern;

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule},
    mission::dockerfile::parse::{Dockerfile, Instruction, exec_form},
    run::{finding::Finding, printable::Shown as _},
};

pub(crate) const RULE: Rule = Rule {
    name: "copy-context",
    about: "COPY and ADD name files that exist and that .dockerignore lets in",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.missions.iter().flat_map(|it| check_mission(facts, it)).collect()
}

fn check_mission(facts: &Facts, mission: &MissionFacts) -> Vec<Finding> {
    let dir = &mission.sources.mission;
    // Without a readable .dockerignore, which rule `dockerignore-literal` reports, nothing is known.
    if !facts.files.iter().any(|it| it.is_sent && it.path.starts_with(dir)) {
        return Vec::new();
    }
    let file = mission.author_dockerfile();
    let missing = |it: &Instruction| -> Vec<Finding> {
        let missing = sources(it).into_iter().filter(|(_, path)| !is_sent(facts, dir, path));
        missing.map(|(word, path)| finding(facts, dir, (&file, it), &word, &path)).collect()
    };
    file.instructions.iter().flat_map(missing).collect()
}

/// Returns what the Dockerfile of the mission in `dir` copies from its context: names up to the
/// first pattern in them.
pub(super) fn copied(facts: &Facts, dir: &Path) -> Vec<String> {
    let mission = facts.missions.iter().find(|it| it.sources.mission == dir);
    let Some(file) = mission.map(MissionFacts::author_dockerfile) else { return Vec::new() };
    let all = file.instructions.iter().flat_map(sources);
    let literal = all.map(|(_, path)| path.iter().take_while(|it| !is_pattern(it)).collect());
    let literal = literal.map(|it: PathBuf| it.to_string_lossy().into_owned());
    literal.filter(|it| !it.is_empty()).collect()
}

fn is_pattern(part: &std::ffi::OsStr) -> bool {
    part.to_string_lossy().contains(['*', '?', '[', '\\'])
}

/// Returns what an instruction takes from the context: as written, and relative to the context.
pub(super) fn sources(instruction: &Instruction) -> Vec<(String, PathBuf)> {
    let is_of_stage = instruction.flags.iter().any(|it| it.starts_with("--from"));
    let words = match instruction.word.as_str() {
        "COPY" | "ADD" if !is_of_stage && !instruction.onbuild => {
            let mut words = exec_form(&instruction.args).unwrap_or_else(|| {
                instruction.args.split_whitespace().map(str::to_owned).collect()
            });
            words.pop();
            words
        }
        "RUN" => instruction.flags.iter().filter_map(|it| bound(it)).collect(),
        _ => Vec::new(),
    };
    let words = words
        .into_iter()
        .filter(|it| !it.contains(['$', '<']) && !it.contains("://") && !it.starts_with("git@"));
    words.map(|it| (it.clone(), in_context(&it))).collect()
}

/// Returns the path in the context: one that leads out of it begins at its top.
fn in_context(word: &str) -> PathBuf {
    let mut res = PathBuf::new();
    for part in Path::new(word).components() {
        match part {
            Component::Normal(name) => res.push(name),
            Component::ParentDir => _ = res.pop(),
            _ => (),
        }
    }
    res
}

/// Returns the source of a bind mount of the context.
fn bound(flag: &str) -> Option<String> {
    let options: Vec<&str> = flag.strip_prefix("--mount=")?.split(',').collect();
    let value = |name: &str| options.iter().find_map(|it| it.strip_prefix(name));
    let is_bind = value("type=").is_none_or(|it| it == "bind") && value("from=").is_none();
    let source = value("source=").or_else(|| value("src="));
    source.filter(|_| is_bind).map(str::to_owned)
}

fn is_sent(facts: &Facts, dir: &Path, path: &Path) -> bool {
    let mut sent = facts.files.iter().filter(|it| it.is_sent);
    match pattern(dir, path) {
        None => sent.any(|it| it.path.starts_with(dir.join(path))),
        Some(pattern) => {
            let is_known = || facts.files.iter().any(|it| matches(&pattern, &it.path));
            // Newer builders let a pattern match nothing.
            sent.any(|it| matches(&pattern, &it.path)) || !is_known()
        }
    }
}

fn pattern(dir: &Path, path: &Path) -> Option<Pattern> {
    let text = dir.join(path).to_string_lossy().into_owned();
    path.iter().any(is_pattern).then(|| Pattern::new(&text).ok()).flatten()
}

/// Returns whether the pattern matches a file or a folder that contains it.
fn matches(pattern: &Pattern, file: &Path) -> bool {
    let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
    file.ancestors().any(|it| pattern.matches_path_with(it, options))
}

fn finding(
    facts: &Facts,
    dir: &Path,
    (file, instruction): (&Dockerfile, &Instruction),
    word: &str,
    path: &Path,
) -> Finding {
    let ignore = dir.join(".dockerignore");
    let text = facts.file(&ignore).map_or("", |it| it.text.as_str());
    let excludes = text.lines().filter_map(|it| it.trim().strip_prefix("**/"));
    let excluded = excludes.clone().find(|it| path.iter().any(|part| part == *it));
    let top: PathBuf = path.iter().take_while(|it| !is_pattern(it)).collect();
    let fix = match excluded {
        Some(name) => format!("take the line `**/{name}` out of {}", ignore.shown()),
        None if facts.has(&dir.join(&top)) => {
            format!("add the line `!{}` to {}", top.shown(), ignore.shown())
        }
        None => format!(
            "write the file, and let it in by the line `!{}` in {}, or correct its name here",
            top.shown(),
            ignore.shown()
        ),
    };
    let what = format!("{} names `{word}`, which is not in the build context", instruction.word);
    file.finding(RULE.name, (instruction, word), what, fix)
}
