//! Private keys are not in files: everybody who can read the repository, now or later, could use
//! such a key, or everybody who can pull the image. Checks this repository, the files that builds
//! send, and the clones in secrets/.

use crate::{
    check::{Facts, File, Refuses, Rule},
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "private-key",
    about: "no private age, PGP, SSH or TLS key",
    refuses: Refuses::Always,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let files = facts.files.iter().chain(&facts.secrets);
    files.flat_map(check_file).collect()
}

fn check_file(file: &File) -> impl Iterator<Item = Finding> {
    let fix = "move it out of the repository; if it was committed, make a new one";
    file.keys.iter().map(move |it| {
        file.finding(RULE.name, Some(it.line), format!("a {} begins here", it.kind), fix)
    })
}
