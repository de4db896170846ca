//! Plain copies of encrypted files do not exist, judging by name or keys. Checks this repository
//! and the clones in secrets/, including files that git ignores there.

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
