//! A script of the common image that a step or a test calls is there.

use std::{collections::BTreeSet, path::Path};

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule},
    mission::dockerfile::{
        calls::SCRIPTS,
        parse::{Dockerfile, Instruction},
        programs,
        shell::Command,
    },
    run::{finding::Finding, suggest::nearest},
};

pub(crate) const RULE: Rule = Rule {
    name: "common-script",
    about: "scripts below /opt/common-scripts that a mission calls are there",
    refuses: Refuses::Always,
    check,
};

/// Folder of the scripts in this repository.
const FOLDER: &str = "common/image/common-scripts";

/// Scripts of earlier frameworks of this kind, and what does the same here.
const EARLIER: [(&[&str], &str); 8] = [
    (&["env-conda"], "write `/opt/common-scripts/env-create ENV ENV.yml`"),
    (
        &["env-compile", "env-sync"],
        "write `/opt/common-scripts/env-update ENV LIST…`, which solves all lists together",
    ),
    (
        &["env-src-install"],
        "name the package in a .pip list with a line `--no-binary NAME`, and what its build lacks in environments/ENV/ENV.build",
    ),
    (&["env-activate"], "remove it: each script takes the environment's name"),
    (&["env-clean"], "remove it: caches are no part of an image"),
    (&["npm-audit"], "remove the call, whose changes are in no list and differ from day to day"),
    (
        &["update-requirements"],
        "commit the list that it fetches, and include it in a .pip list by `-r`",
    ),
    (&["apt-install"], "remove it, and name the packages in apt.txt, in the mission's folder"),
];

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let names = facts.files.iter().filter(|it| it.path.parent() == Some(Path::new(FOLDER)));
    let names: Vec<&str> = names.filter_map(|it| it.path.file_name()?.to_str()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    facts.missions.iter().flat_map(|it| check_mission(facts, it, &names)).collect()
}

/// Programs that make what their last argument names.
const COPIERS: [&str; 5] = ["cp", "mv", "ln", "install", "rsync"];

/// Programs whose arguments are files that they make, or look at.
const MAKERS: [&str; 8] = ["chmod", "chown", "curl", "git", "tar", "tee", "touch", "wget"];

/// Scripts that earlier steps of a Dockerfile make below [`SCRIPTS`].
#[derive(Default)]
struct Made {
    names: BTreeSet<String>,
    /// Whether there may be any script: a folder was copied.
    is_any: bool,
}

impl Made {
    /// Takes note of the target of a COPY or ADD.
    fn copied(&mut self, args: &str) {
        let is_end = |c: char| c.is_whitespace() || "[],\"".contains(c);
        let target = args.trim_end_matches(is_end).rsplit(is_end).next().unwrap_or_default();
        // The text of a file may follow: `COPY <<EOF /target`.
        let first = args.lines().next().unwrap_or_default();
        [target, first.rsplit(is_end).next().unwrap_or_default()]
            .into_iter()
            .for_each(|it| self.add(it));
    }

    /// Takes note of what a command of a RUN makes.
    fn ran(&mut self, words: &[String]) {
        let Some((program, args)) = programs::program(words) else { return };
        if COPIERS.contains(&program) {
            args.last().into_iter().for_each(|it| self.add(it));
        }
        if MAKERS.contains(&program) {
            args.iter().for_each(|it| self.add(it));
        }
        let pairs = words.windows(2).filter(|it| it[0].ends_with('>') || it[0] == "-t");
        pairs.for_each(|it| self.add(&it[1]));
        let redirected = words.iter().filter_map(|it| it.rsplit_once('>')).map(|it| it.1);
        redirected.for_each(|it| self.add(it));
    }

    fn has(&self, name: &str) -> bool {
        self.is_any || self.names.contains(name)
    }

    fn add(&mut self, target: &str) {
        let folder = SCRIPTS.trim_end_matches('/');
        match target.strip_prefix(SCRIPTS) {
            Some(name) if !name.is_empty() => _ = self.names.insert(name.to_owned()),
            _ => self.is_any |= target == folder || target == SCRIPTS,
        }
    }
}

fn check_mission(facts: &Facts, mission: &MissionFacts, names: &[&str]) -> Vec<Finding> {
    let unknown = |made: &Made, word: &str| -> Option<(String, String)> {
        let word = word.replace("//", "/");
        let name = word.strip_prefix(SCRIPTS)?;
        let is_there = name.is_empty() || facts.has(&Path::new(FOLDER).join(name));
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if is_there || !is_plain || made.has(name) {
            return None;
        }
        let known = EARLIER.iter().find(|(names, _)| names.contains(&name));
        let fix = match (known, nearest(name, names.iter().copied())) {
            (Some((_, fix)), _) => (*fix).to_owned(),
            (_, Some(nearest)) => format!("write `{SCRIPTS}{nearest}`"),
            _ => format!("call one of these: {}", names.join(", ")),
        };
        Some((format!("the common image has no script `{name}`"), fix))
    };
    let mut res = Vec::new();
    let file = mission.author_dockerfile();
    let mut made = Made::default();
    let mut workdir = String::new();
    for it in &file.instructions {
        match it.word.as_str() {
            "COPY" | "ADD" => made.copied(&it.args),
            "WORKDIR" => workdir = it.args.trim().to_owned(),
            "RUN" | "CMD" | "ENTRYPOINT" => {
                let commands = programs::commands(it);
                for word in relative(&workdir, &commands) {
                    let path = format!("{SCRIPTS}{}", &word[2..]);
                    let found = unknown(&made, &path).unwrap_or_else(|| {
                        (
                            "a script is called by a relative path; expected its full path"
                                .to_owned(),
                            format!("write `{path}`"),
                        )
                    });
                    res.push(file.finding(RULE.name, (it, word), found.0, found.1));
                }
                for command in commands {
                    made.ran(&command.words);
                    let starts = programs::may_start(&command.words);
                    let earlier = earlier(&file, &command.words);
                    for word in command.words.iter().filter(|_| starts) {
                        let is_earlier = earlier == Some(word.as_str());
                        let path = if is_earlier { &format!("{SCRIPTS}{word}") } else { word };
                        let found = unknown(&made, path);
                        res.extend(
                            found.map(|(what, fix)| file.finding(RULE.name, (it, word), what, fix)),
                        );
                    }
                }
            }
            _ => (),
        }
    }
    for (file, line, word) in mission.words_of_tests(facts) {
        res.extend(
            unknown(&made, &word).map(|(what, fix)| file.finding(RULE.name, Some(line), what, fix)),
        );
    }
    res
}

/// Returns the programs of `commands` that are named `./NAME` in the folder of the scripts.
fn relative<'a>(workdir: &str, commands: &'a [Command]) -> Vec<&'a str> {
    let mut dir = workdir;
    let mut res = Vec::new();
    for words in commands.iter().map(|it| &it.words) {
        if let [cd, to, ..] = words.as_slice()
            && ["cd", "pushd"].contains(&&**cd)
        {
            dir = to;
        }
        let is_there = dir.trim_end_matches('/') == SCRIPTS.trim_end_matches('/');
        res.extend(words.first().filter(|it| is_there && it.starts_with("./")));
    }
    res.into_iter().map(String::as_str).collect()
}

/// Returns the program of a command if it is a script of an earlier framework, by its name alone,
/// that the Dockerfile copies nowhere.
fn earlier<'a>(file: &Dockerfile, words: &'a [String]) -> Option<&'a str> {
    let (name, _) = programs::program(words)?;
    let is_earlier = EARLIER.iter().any(|(names, _)| names.contains(&name));
    let copies = |it: &Instruction| ["COPY", "ADD"].contains(&&*it.word) && it.args.contains(name);
    let is_bare = words.iter().any(|it| it == name);
    (is_earlier && is_bare && !file.instructions.iter().any(copies)).then_some(name)
}
