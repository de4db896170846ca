//! Frozen specs are frozen completely: every line is one artefact by its hash or one commit, in the
//! form that freezing writes. They satisfy the floating lists, like for `freeze --check`: a list that
//! was edited and not frozen is found.

pub(crate) mod comparison;

use std::path::Path;

use comparison::Header;

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule, spec_lines, text_file},
    image::recipe,
    run::finding::Finding,
    specs::{self, frozen},
};

pub(crate) const RULE: Rule = Rule {
    name: frozen::RULE,
    about: "frozen specs are complete and hashed, and are what the lists ask for",
    // The next floating build writes them again.
    refuses: Refuses::Never,
    check: |facts| facts.missions.iter().flat_map(|it| check_mission(facts, it)).collect(),
};

/// The embedded base's lock.
pub(super) const LOCK: &str = "common/base/requirements.txt";

fn check_mission(facts: &Facts, mission: &MissionFacts) -> Vec<Finding> {
    let sources = &mission.sources;
    let mut problems = Vec::new();
    let asked = spec_lines::installed(facts, mission, &mut problems);
    let python = facts.file(Path::new(LOCK)).and_then(|it| recipe::locked_python(&it.text));
    let header = mission.config.as_ref().filter(|_| facts.compares_frozen);
    let header = header.map(|it| Header::new(it, it.platform, python));
    // A list that is unknown, or cannot be read, would count as one that asks for nothing.
    let is_known = |env: &str| {
        let others = || sources.environments.iter().filter(|it| *it != env);
        let is_other =
            |it: &Finding| others().any(|env| it.file.starts_with(sources.path_of(env.as_ref())));
        mission.problems.iter().all(is_other)
    };
    let lists = sources.path_of("".as_ref());
    let is_part = |env: &str| {
        let mut lists = problems.iter().filter_map(|it| it.file.strip_prefix(&lists).ok());
        lists.any(|it| [env, specs::SHARED].contains(&specs::environment(it)))
    };
    let name = sources.mission.file_name().unwrap_or_default().to_string_lossy();
    let mut res = Vec::new();
    for env in sources.environments.iter().filter(|it| specs::is_frozen(it, &sources.files)) {
        let file = specs::frozen(env);
        let path = sources.path_of(&file);
        let Some(text) = sources.files.get(&file) else { continue };
        // Rule `text-file` reports line ends, and files that are not text.
        if facts.file(&path).is_some_and(|it| it.unreadable.is_some()) {
            continue;
        }
        match (frozen::canonical(&path, &text_file::corrected(text), env), &header) {
            (Err(problem), _) => res.push(problem.finding(RULE.name)),
            (Ok(frozen), Some(header)) if is_known(env) => {
                let title = format!("{name}/{env}");
                let asked = asked.get(env).cloned().unwrap_or_default();
                let asked = (&asked, is_part(env));
                res.extend(comparison::findings((&path, text, &title), &frozen, header, asked));
            }
            (Ok(_), _) => (),
        }
    }
    res
}

/// Returns the environments that were never frozen: mission and name.
pub(crate) fn never_frozen(facts: &Facts) -> Vec<(String, String)> {
    let of = |it: &MissionFacts| -> Vec<(String, String)> {
        let mission = it.sources.mission.file_name().unwrap_or_default();
        let own = it.sources.environments.iter().filter(|env| {
            let files = &it.sources.files;
            specs::is_frozen(env, files) && !files.contains_key(&specs::frozen(env))
        });
        own.map(|env| (mission.to_string_lossy().into_owned(), env.clone())).collect()
    };
    facts.missions.iter().flat_map(of).collect()
}
