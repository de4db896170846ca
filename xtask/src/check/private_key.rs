//! A private key in a repository is everybody's who can read it, now or ever. Looks into this
//! repository and into the clones in secrets/.

use crate::{
    check::{Facts, Rule},
    report::Finding,
    secrets::private_key,
};

pub(crate) const RULE: Rule = Rule {
    name: "private-key",
    about: "no private age, PGP, SSH or TLS key",
    refuses: false,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let finding = |(path, text)| {
        private_key::find(text).into_iter().map(move |it| Finding {
            file: std::path::Path::to_owned(path),
            line: Some(it.line),
            rule: RULE.name,
            what: format!("a {} begins here", it.kind),
            fix: "move it out of the repository; if it was committed, make a new one".to_owned(),
        })
    };
    facts.named().into_iter().flat_map(finding).collect()
}
