//! Stages with spec files, one per mode, so that each step sees only its own files: BuildKit
//! identifies a bind mount by the content of the bound path alone.
//!
//! `/steps/<n>/<env>/` is mounted at `/opt/environments/<env>/` in the n-th step, or `/steps/<n>/`
//! at `/opt/environments/` when a file of the step is shared by environments;
//! `/environments/<env>/` is the content that the finished image keeps there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    mission::{
        dockerfile::{
            Sources,
            calls::{Call, ENVIRONMENTS},
            parse::{Dockerfile, Instruction, RULE},
            stages::Run,
        },
        file_content,
    },
    run::{finding::Finding, printable::Shown as _},
    settings::config::Mode,
    specs,
};

/// Spec files that one RUN step sees, by mode and environment folder; a folder without files
/// exists, and is empty. Shared files have the environment [`specs::SHARED`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StepFiles {
    pub(crate) floating: BTreeMap<String, BTreeSet<PathBuf>>,
    pub(crate) frozen: BTreeMap<String, BTreeSet<PathBuf>>,
}

impl StepFiles {
    /// Collects the files of a step; missing files and environments are added to `findings`.
    pub(crate) fn new(
        sources: &Sources,
        files: &[Dockerfile],
        run: &Run,
        findings: &mut Vec<Finding>,
    ) -> StepFiles {
        let file = &files[run.place.file];
        let instruction = &file.instructions[run.place.instruction];
        let mut res = StepFiles::default();
        for call in &run.calls {
            if !sources.environments.contains(&call.env) && call.env != specs::BASE {
                let what = format!("unknown environment `{}`", call.env);
                let dir = sources.path_of(Path::new(&call.env));
                let fix = format!("make the folder {}, with its tests", dir.shown());
                findings.push(file.finding(RULE, (instruction, &call.env), what, fix));
            }
            res.add_folder(&call.env);
            let needs = specs::needs(&call.env);
            if sources.files.contains_key(&needs) {
                res.add(&needs, &[Mode::Floating]);
            }
            let lists = lists(sources, (file, instruction), call, findings);
            let adds = || lists.iter().any(|it| modes(sources, call, it) == [Mode::Floating]);
            if call.creates() || call.env == specs::BASE && adds() {
                res.add(&specs::frozen(&call.env), &[Mode::Frozen]);
            }
            for list in lists {
                res.add_with_includes(sources, call, &list, findings);
            }
        }
        res
    }

    pub(crate) fn in_mode(&self, mode: Mode) -> &BTreeMap<String, BTreeSet<PathBuf>> {
        match mode {
            Mode::Floating => &self.floating,
            Mode::Frozen => &self.frozen,
        }
    }

    fn add_with_includes(
        &mut self,
        sources: &Sources,
        call: &Call,
        list: &Path,
        findings: &mut Vec<Finding>,
    ) {
        let (lists, missing) = specs::closure([list], &sources.files);
        let modes = modes(sources, call, list);
        for list in lists {
            if modes.iter().any(|it| !specs::modes(&list, &sources.files).contains(it)) {
                findings.push(not_kept(sources, call, &list));
            }
            self.add(&list, modes);
        }
        for specs::Missing { list, line, what } in missing {
            let (file, fix) =
                (sources.path_of(&list), "write its path relative to this file".into());
            let finding = Finding { file, line: Some(line), rule: RULE, what, fix };
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }

    fn add(&mut self, file: &Path, modes: &[Mode]) {
        let env = specs::environment(file);
        if env != specs::SHARED {
            self.add_folder(env);
        }
        for mode in modes {
            let folders = match mode {
                Mode::Floating => &mut self.floating,
                Mode::Frozen => &mut self.frozen,
            };
            folders.entry(env.to_owned()).or_default().insert(file.to_owned());
        }
    }

    fn add_folder(&mut self, env: &str) {
        self.floating.entry(env.to_owned()).or_default();
        self.frozen.entry(env.to_owned()).or_default();
    }
}

/// Returns the modes in which `call` installs `list`.
fn modes(sources: &Sources, call: &Call, list: &Path) -> &'static [Mode] {
    match (call.env.as_str(), specs::environment(list)) {
        (specs::BASE, specs::BASE) => specs::modes(list, &sources.files),
        // The lists in its folder tell whether `base` has a frozen spec.
        (specs::BASE, _) if !specs::is_frozen(specs::BASE, &sources.files) => {
            &[Mode::Floating, Mode::Frozen]
        }
        _ => &[Mode::Floating],
    }
}

/// Returns the mission's files among the specs of `call`, without files of the image.
fn lists(
    sources: &Sources,
    (file, instruction): (&Dockerfile, &Instruction),
    call: &Call,
    findings: &mut Vec<Finding>,
) -> Vec<PathBuf> {
    let mut res = Vec::new();
    for spec in &call.specs {
        let Some(path) = call.file(spec) else { continue };
        let (what, fix) = if path == specs::frozen(&call.env) {
            let fix = "name the floating spec, or none; USE_FROZEN=1 takes the frozen one instead";
            (format!("`{spec}` is the frozen spec"), fix.to_owned())
        } else if !sources.files.contains_key(&path) {
            let path = sources.path_of(&path);
            let fix = "write the file, or correct its name here".to_owned();
            (format!("missing {}", path.shown()), fix)
        } else if specs::environment(&path) == specs::SHARED
            && specs::kind(&path) == Some(specs::Kind::Yaml)
        {
            let what = format!("`{spec}` is outside the folder of an environment");
            (what, format!("move it to {}", sources.path_of(Path::new(&call.env)).shown()))
        } else {
            res.push(path);
            continue;
        };
        findings.push(file.finding(RULE, (instruction, spec), what, fix));
    }
    res
}

/// Returns the finding that `call` installs a list that only the other mode's image contains.
fn not_kept(sources: &Sources, call: &Call, list: &Path) -> Finding {
    let (what, fix) = match call.env.as_str() {
        specs::BASE => {
            ("`base` is updated in both modes, and this file is in one", "move it to base/")
        }
        _ => ("a frozen spec is installed as a floating one", "name or include the floating spec"),
    };
    let (what, fix) = (what.to_owned(), fix.to_owned());
    Finding { file: sources.path_of(list), line: None, rule: RULE, what, fix }
}

/// Returns the binds of the `n`-th step (from 1): paths in stage `specs`, and targets. A shared
/// file is not bound by itself: it would have to exist in both modes, and docker would leave an
/// empty file in the image.
pub(crate) fn binds(n: usize, step: &StepFiles) -> Vec<(String, String)> {
    if step.floating.contains_key(specs::SHARED) {
        return vec![(format!("/steps/{n}"), ENVIRONMENTS.to_owned())];
    }
    let envs = step.floating.keys();
    envs.map(|env| (format!("/steps/{n}/{env}"), format!("{ENVIRONMENTS}/{env}"))).collect()
}

/// Returns the text of all stages before the author's.
pub(crate) fn text(sources: &Sources, steps: &[StepFiles]) -> String {
    let mut res = String::new();
    for mode in [Mode::Floating, Mode::Frozen] {
        res += &format!("FROM scratch AS specs-{}\n", mode.flag());
        for (at, step) in steps.iter().enumerate() {
            for (env, files) in step.in_mode(mode) {
                res += &folder(env, files, &format!("/steps/{}", at + 1));
            }
        }
        let shared = Some(specs::SHARED).filter(|it| !kept(sources, it, mode).is_empty());
        for env in shared.into_iter().chain(sources.environments.iter().map(String::as_str)) {
            res += &folder(env, &kept(sources, env, mode), "/environments");
        }
        res += "\n";
    }
    res += "FROM specs-${USE_FROZEN} AS specs\n\n";
    res + &environments(sources)
}

/// Returns the spec files of `env` that the image of `mode` keeps.
fn kept(sources: &Sources, env: &str, mode: Mode) -> BTreeSet<PathBuf> {
    let all = sources.specs().into_iter();
    let mut res: BTreeSet<PathBuf> = all
        .filter(|it| {
            specs::environment(it) == env && specs::modes(it, &sources.files).contains(&mode)
        })
        .collect();
    if mode == Mode::Frozen && env != specs::SHARED && specs::is_frozen(env, &sources.files) {
        res.insert(specs::frozen(env));
    }
    res
}

/// Returns the lines that fill `<target>/<env>` with `files`. Their mode is fixed, since BuildKit
/// compares it, and it differs with the umask of a checkout. Their folders are made first: BuildKit from
/// 2025 on gives a folder that `COPY --chmod` makes the mode of its files
/// (<https://github.com/moby/buildkit/issues/5943>).
fn folder(env: &str, files: &BTreeSet<PathBuf>, target: &str) -> String {
    let mut by_parent: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
    for file in files {
        by_parent.entry(file.parent().unwrap_or(Path::new(env))).or_default().push(file);
    }
    let is_frozen = |it: &Path| it == specs::frozen(env);
    let folders: BTreeSet<&Path> = by_parent.keys().copied().chain([Path::new(env)]).collect();
    let mut res = String::new();
    for folder in folders {
        let folder = Path::new(target).join(folder);
        res += &format!("WORKDIR {}\n", folder.to_string_lossy().trim_end_matches('/'));
    }
    for (parent, files) in by_parent {
        let files = files.iter().map(|it| source(it, is_frozen(it))).collect();
        res += &copy("COPY --chmod=0644", files, &Path::new(target).join(parent));
    }
    res
}

/// Returns the source of a COPY. A frozen spec is written as a pattern, which may match nothing:
/// the first freeze then does not change the Dockerfile, and a floating build does not need one.
/// (BuildKit then copies nothing, where the classic builder failed:
/// <https://github.com/moby/moby/issues/26332>.)
fn source(file: &Path, is_frozen: bool) -> String {
    let path = format!("environments/{}", file.to_string_lossy());
    match path.strip_suffix('l') {
        Some(start) if is_frozen => format!("{start}[l]"),
        _ => path,
    }
}

/// Returns the stage with all files of the mission's folder that the finished image contains.
fn environments(sources: &Sources) -> String {
    let lists = sources.specs();
    let mut res = "FROM specs AS environments\nWORKDIR /environments\n".to_owned();
    let (mut files, mut folders) = (BTreeMap::<&Path, Vec<String>>::new(), BTreeSet::new());
    for file in sources.files.keys().filter(|it| !lists.contains(*it)) {
        match copied_with(file, &lists) {
            Some(dir) => _ = folders.insert(dir),
            None => {
                let parent = file.parent().unwrap_or(Path::new(""));
                files.entry(parent).or_default().push(source(file, false));
            }
        }
    }
    for (parent, files) in files {
        res += &copy("COPY", files, &Path::new("/environments").join(parent));
    }
    for dir in folders {
        res += &copy("COPY", vec![source(&dir, false)], &Path::new("/environments").join(&dir));
    }
    res + match sources.home.as_slice() {
        [] => "WORKDIR /default-home-contents\n\n",
        _ => "COPY default-home-contents /default-home-contents/\n\n",
    }
}

/// Returns the folder in an environment's folder that is copied whole, with `file` in it: a folder
/// without spec files, which would belong to one mode.
fn copied_with(file: &Path, lists: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let dir: PathBuf = file.components().take(2).collect();
    let holds_lists = lists.iter().any(|it| it.starts_with(&dir));
    let is_deep = file.components().count() > 2;
    Some(dir).filter(|_| is_deep && (specs::is_test(file) || !holds_lists))
}

/// Returns the instruction that copies `words` into the folder `target`.
pub(crate) fn copy(instruction: &str, mut words: Vec<String>, target: &Path) -> String {
    words.push(format!("{}/", target.to_string_lossy().trim_end_matches('/')));
    if words.iter().any(|it| it.contains(' ')) {
        let words: Vec<String> = words.iter().map(|it| format!("\"{it}\"")).collect();
        return format!("{instruction} [{}]\n", words.join(", "));
    }
    format!("{instruction} {}\n", words.join(" "))
}

/// Returns findings about names in environment folders that have a meaning for COPY; deeper files
/// are copied with their folder.
pub(crate) fn bad_names(sources: &Sources) -> Vec<Finding> {
    let special = |it: &&Path| {
        let name = it.file_name().unwrap_or_default().to_string_lossy();
        name.contains(|c: char| c.is_control() || "*?[]\\$'\"`\u{fffd}".contains(c))
            || name.contains(',') && specs::kind(it).is_some()
    };
    let mut res = BTreeSet::new();
    for file in sources.files.keys() {
        // `tests` is copied whole.
        let copied = if specs::is_test(file) { file.components().count() - 2 } else { 0 };
        let names = file.ancestors().skip(copied).filter(special);
        res.extend(names.filter_map(|it| file_content::bad_name(&sources.path_of(it))));
    }
    res.into_iter().collect()
}
