//! Frozen specs are frozen completely: every line is one artefact by its hash or one commit, in the
//! form that freezing writes. `freeze --check` compares them with the lists.

use crate::{
    check::{Facts, Refuses, Rule, text_file},
    specs::{self, frozen},
};

pub(crate) const RULE: Rule = Rule {
    name: frozen::RULE,
    about: "frozen specs are complete and hashed",
    // The next floating build writes them again.
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<crate::run::finding::Finding> {
    let mut res = Vec::new();
    for sources in facts.missions.iter().map(|it| &it.sources) {
        for env in sources.environments.iter().filter(|it| *it != specs::BASE) {
            let name = specs::frozen(env);
            if let Some(text) = sources.files.get(&name)
                // Rule `text-file` reports line ends, and files that are not text.
                && facts.file(&sources.path_of(&name)).is_none_or(|it| it.unreadable.is_none())
                && let Err(problem) =
                    frozen::canonical(&sources.path_of(&name), &text_file::corrected(text), env)
            {
                res.push(problem.finding(RULE.name));
            }
        }
    }
    res
}
