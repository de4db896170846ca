//! What a step copies from the mission's folder is in its build context, which `.dockerignore` opens
//! by name.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use glob::Pattern;

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule, list_kind},
    image::build_context,
    mission::dockerfile::parse::{self, Dockerfile, Instruction, exec_form},
    run::{finding::Finding, printable::Shown as _},
};

pub(crate) const RULE: Rule = Rule {
    name: "copy-context",
    about: "COPY and ADD name files that exist and that .dockerignore lets in",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    // Teams change the common image, too.
    let build_context::Shared { dockerfile, dir, ignore } = build_context::COMMON;
    let common = facts.file(Path::new(dockerfile)).map(|it| {
        let dockerfile = parse::read(&it.path, &it.text).0;
        Context { dockerfile, dir: dir.into(), ignore: ignore.into() }
    });
    let missions = facts.missions.iter().map(|it| {
        let dir = it.sources.mission.clone();
        Context { dockerfile: it.author_dockerfile(), ignore: dir.join(".dockerignore"), dir }
    });
    common.into_iter().chain(missions).flat_map(|it| check_context(facts, &it)).collect()
}

/// A Dockerfile, the folder that is its context, and the context's `.dockerignore`.
struct Context {
    dockerfile: Dockerfile,
    dir: PathBuf,
    ignore: PathBuf,
}

fn check_context(facts: &Facts, context: &Context) -> Vec<Finding> {
    // Without a readable .dockerignore, which rule `dockerignore-literal` reports, only what is not
    // there at all is known.
    let is_open = facts.below(&context.dir).any(|it| it.is_sent);
    let is_known = |path: &Path| match is_open {
        true => is_sent(facts, &context.dir, path),
        false => is_pattern_in(path) || facts.has(&context.dir.join(path)),
    };
    let missing = |it: &Instruction| -> Vec<Finding> {
        let missing = sources(it).into_iter().filter(|(_, path)| !is_known(path));
        missing.map(|(word, path)| finding(facts, context, it, &word, &path)).collect()
    };
    context.dockerfile.instructions.iter().flat_map(missing).collect()
}

/// Returns what the Dockerfile of the mission in `dir` copies from its context, by names that are
/// there; without folders that rule `list-kind` has removed.
pub(super) fn copied(facts: &Facts, dir: &Path) -> Vec<String> {
    let mission = facts.missions.iter().find(|it| it.sources.mission == dir);
    let Some(file) = mission.map(MissionFacts::author_dockerfile) else { return Vec::new() };
    let all = file.instructions.iter().flat_map(sources).filter(|(_, path)| !is_foreign(path));
    let names = all.flat_map(|(_, path)| literal(facts, dir, &path));
    names.map(|it| it.to_string_lossy().into_owned()).collect()
}

/// Returns names that stand for `path` in a `.dockerignore`, which takes no patterns: the folder
/// before the pattern, or the files and folders that match it. Empty if nothing is there.
fn literal(facts: &Facts, dir: &Path, path: &Path) -> BTreeSet<PathBuf> {
    let top: PathBuf = path.iter().take_while(|it| !is_pattern(it)).collect();
    if top.parent().is_some() {
        return facts.has(&dir.join(&top)).then_some(top).into_iter().collect();
    }
    let Some(pattern) = path.iter().next().and_then(|it| Pattern::new(&it.to_string_lossy()).ok())
    else {
        return BTreeSet::new();
    };
    let files = facts.below(dir).filter_map(|it| it.path.strip_prefix(dir).ok());
    let tops = files.filter_map(|it| it.iter().next());
    tops.filter(|it| pattern.matches(&it.to_string_lossy())).map(PathBuf::from).collect()
}

/// Returns whether `path` is in a folder of lists of another framework.
fn is_foreign(path: &Path) -> bool {
    path.iter().any(|it| list_kind::FOLDERS.iter().any(|name| it == *name))
}

fn is_pattern_in(path: &Path) -> bool {
    path.iter().any(is_pattern)
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
    let Some(pattern) = pattern(dir, path) else {
        return facts.below(&dir.join(path)).any(|it| it.is_sent);
    };
    let mut known = facts.below(dir).filter(|it| matches(&pattern, &it.path)).peekable();
    // Newer builders let a pattern match nothing.
    known.peek().is_none() || known.any(|it| it.is_sent)
}

fn pattern(dir: &Path, path: &Path) -> Option<Pattern> {
    let text = dir.join(path).to_string_lossy().into_owned();
    is_pattern_in(path).then(|| Pattern::new(&text).ok()).flatten()
}

/// Returns whether the pattern matches a file or a folder that contains it.
fn matches(pattern: &Pattern, file: &Path) -> bool {
    let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
    file.ancestors().any(|it| pattern.matches_path_with(it, options))
}

fn finding(
    facts: &Facts,
    context: &Context,
    instruction: &Instruction,
    word: &str,
    path: &Path,
) -> Finding {
    let what = format!("{} names `{word}`, which is not in the build context", instruction.word);
    let fix = fix(facts, context, path);
    context.dockerfile.finding(RULE.name, (instruction, word), what, fix)
}

fn fix(facts: &Facts, Context { dir, ignore, .. }: &Context, path: &Path) -> String {
    let text = facts.file(ignore).map_or("", |it| it.text.as_str());
    let lines = || text.lines().map(str::trim);
    let mut excludes = lines().filter_map(|it| it.strip_prefix("**/"));
    let excluded = excludes.find(|it| path.iter().any(|part| part == *it));
    let top: PathBuf = path.iter().take_while(|it| !is_pattern(it)).collect();
    let (shown, ignore) = (top.shown(), ignore.shown());
    let names: Vec<String> =
        literal(facts, dir, path).iter().map(|it| format!("`!{}`", it.shown())).collect();
    if is_foreign(path) {
        return "remove it: each step sees the frozen spec environments/<env>/<env>-frozen.yml"
            .to_owned();
    }
    if let Some(name) = excluded {
        return format!("take the line `**/{name}` out of {ignore}");
    }
    match &names[..] {
        [] => (),
        [name] => return format!("add the line {name} to {ignore}"),
        names => return format!("add the lines {} to {ignore}", names.join(", ")),
    }
    if let Some(name) = same_but_for_case(facts, &dir.join(&top)) {
        return format!("write `{}`", name.strip_prefix(dir).unwrap_or(&name).shown());
    }
    let mut admitted = lines().filter_map(|it| it.strip_prefix('!'));
    match text.is_empty() || admitted.any(|it| top.starts_with(it.trim_matches('/'))) {
        true => "write the file, or correct its name here".to_owned(),
        false => format!(
            "write the file, and let it in by the line `!{shown}` in {ignore}, or correct its name here"
        ),
    }
}

/// Returns the path of a file or folder that differs from `path` in case alone.
fn same_but_for_case(facts: &Facts, path: &Path) -> Option<PathBuf> {
    let wanted = path.to_string_lossy().to_lowercase();
    let mut paths = facts.files.iter().flat_map(|it| it.path.ancestors());
    paths.find(|it| it.to_string_lossy().to_lowercase() == wanted).map(Path::to_owned)
}
