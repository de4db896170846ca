//! Files that a rule of a `.sops.yaml` covers are encrypted, every value of them. Checks this
//! repository and the clones in secrets/.

use crate::{
    check::{Facts, Refuses, Rule},
    run::finding::Finding,
    secrets::plaintext,
};

pub(crate) const RULE: Rule = Rule {
    name: "secret-plaintext",
    about: "files that a .sops.yaml covers are encrypted",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let mistakes = plaintext::not_encrypted(&facts.named()).into_iter();
    mistakes.map(|it| it.finding(RULE.name)).collect()
}
