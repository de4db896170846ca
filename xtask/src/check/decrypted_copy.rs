//! No plain copy of an encrypted file lies about, by its name or by its keys. Looks into this
//! repository and into the clones in secrets/, at what git ignores there, too.

use crate::{
    check::{Facts, Refuses, Rule},
    run::finding::Finding,
    secrets::plaintext,
};

pub(crate) const RULE: Rule = Rule {
    name: "decrypted-copy",
    about: "no plain copy of an encrypted file",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let mistakes = plaintext::decrypted_copies(&facts.named()).into_iter();
    mistakes.map(|it| it.finding(RULE.name)).collect()
}
