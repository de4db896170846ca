//! Each environment is made by exactly one env-create or env-clone; `base` exists already, and its
//! conda packages belong to its image.

use std::path::{Path, PathBuf};

use crate::{
    check::{Facts, MissionFacts, Refuses, Rule, spec_lines, spec_never_installed},
    mission::dockerfile::{
        Model, Sources,
        calls::{Call, SCRIPTS, Script},
        stages::Place,
    },
    run::{finding::Finding, printable::Shown as _},
    settings::config::{Base, Config},
    specs,
};

pub(crate) const RULE: Rule = Rule {
    name: "environment-steps",
    about: "each environment is made by exactly one env-create or env-clone",
    refuses: Refuses::Always,
    check: |facts| {
        let steps = facts.models().flat_map(|(sources, model)| check_mission(sources, model));
        steps.chain(facts.missions.iter().flat_map(|it| conda_in_base(facts, it))).collect()
    },
};

fn check_mission(sources: &Sources, model: &Model) -> Vec<Finding> {
    let mut res = Vec::new();
    let envs = sources.environments.iter().map(String::as_str).filter(|it| *it != specs::BASE);
    for env in envs.chain([specs::BASE]) {
        let allowed = usize::from(env != specs::BASE);
        let makers: Vec<_> = model
            .stages
            .steps()
            .flat_map(|run| run.calls.iter().map(move |call| (run.place, call)))
            .filter(|(_, call)| call.creates() && call.env == env)
            .collect();
        for (place, _) in makers.iter().skip(allowed) {
            let file = &model.files[place.file];
            let what = match allowed {
                0 => "`base` is there already".to_owned(),
                _ => format!("environment `{env}` is made more than once"),
            };
            let fix = "remove this call; env-update installs more into an environment";
            let at = (&file.instructions[place.instruction], env);
            res.push(file.finding(RULE.name, at, what, fix));
        }
        if makers.len() < allowed {
            res.push(Finding {
                file: sources.path_of(env.as_ref()),
                line: None,
                rule: RULE.name,
                what: "no step makes this environment".to_owned(),
                fix: format!("write {} in {}", steps(sources, env), model.files[0].path.shown()),
            });
        }
    }
    if !specs::is_frozen(specs::BASE, &sources.files) {
        res.extend(common_in_base(model));
    }
    res
}

/// Returns the steps that make `env` and install all its lists, in backquotes.
fn steps(sources: &Sources, env: &str) -> String {
    let is_env = |it: &PathBuf| specs::environment(it) == env && *it != specs::frozen(env);
    let mut lists: Vec<PathBuf> = sources.specs().into_iter().filter(is_env).collect();
    lists.retain(|it| specs::kind(it).is_some_and(|it| it != specs::Kind::Build));
    lists.retain(|it| spec_never_installed::limits(it).is_none());
    lists.sort_by_key(|it| specs::kind(it));
    let named = Path::new(env).join(env).with_extension("yml");
    let is_yaml = |it: &PathBuf| specs::kind(it) == Some(specs::Kind::Yaml);
    let of = lists.iter().position(|it| *it == named).or(lists.iter().position(is_yaml));
    let of = of.map(|at| lists.remove(at));
    let name = |it: &PathBuf| format!(" {}", it.strip_prefix(env).unwrap_or(it).shown());
    let create =
        format!("`RUN {SCRIPTS}env-create {env}{}`", of.iter().map(name).collect::<String>());
    let more: String = lists.iter().map(name).collect();
    match more.is_empty() {
        true => format!("{create} and `RUN {SCRIPTS}install-common {env}`"),
        false => format!(
            "{create} and `RUN {SCRIPTS}install-common {env} && {SCRIPTS}env-update {env}{more}`"
        ),
    }
}

/// Returns findings about steps that install the common lists into `base`, which has no list whose
/// frozen spec would pin them.
fn common_in_base(model: &Model) -> Vec<Finding> {
    let is_wrong = |it: &Call| it.script == Script::InstallCommon && it.env == specs::BASE;
    let steps = model.stages.steps().filter(|it| it.calls.iter().any(is_wrong));
    let finding = |place: Place| {
        let file = &model.files[place.file];
        let what = "install-common adds to `base`, which has no list to freeze";
        let fix = "remove this call; list what base lacks in environments/base/base.pip, and write `env-update base base.pip`";
        let at = (&file.instructions[place.instruction], "install-common");
        file.finding(RULE.name, at, what.to_owned(), fix)
    };
    steps.map(|it| finding(it.place)).collect()
}

/// Returns findings about conda lines for the base of a conda base image; rule `embedded-base` has
/// those for the embedded base.
fn conda_in_base(facts: &Facts, mission: &MissionFacts) -> Vec<Finding> {
    if !matches!(mission.config, Some(Config { base: Base::Remote(_), .. })) {
        return Vec::new();
    }
    let asked = spec_lines::installed(facts, mission, &mut Vec::new());
    let lines = asked.get(specs::BASE).into_iter().flat_map(|it| &it.conda);
    let finding = |file: &Path, line, text: &str| Finding {
        file: file.to_owned(),
        line: Some(line),
        rule: RULE.name,
        what: format!("`{text}` is a conda package, and conda adds nothing to `base`"),
        fix: "ask for it in a .pip list, or in an environment of the mission".to_owned(),
    };
    lines.map(|it| finding(&it.file, it.line, &it.text)).collect()
}
