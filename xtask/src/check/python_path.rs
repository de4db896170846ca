//! `PYTHONPATH` in a mission's image is seen by every kernel and by every later step: modules of one
//! environment, or of none, take the place of another's.

use crate::{
    check::{Facts, Refuses, Rule},
    mission::dockerfile::parse::Dockerfile,
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "python-path",
    about: "no ENV sets PYTHONPATH, which enters every environment",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    facts.of_dockerfiles(check_file)
}

fn check_file(file: &Dockerfile) -> Vec<Finding> {
    let sets = |args: &str| {
        let rest = args.trim_start().strip_prefix("PYTHONPATH");
        let is_old_form = rest.is_some_and(|it| it.starts_with(char::is_whitespace));
        is_old_form || args.split_whitespace().any(|it| it.starts_with("PYTHONPATH="))
    };
    let found = file.instructions.iter().filter(|it| it.word == "ENV" && sets(&it.args));
    let finding = |it| {
        let what = "`PYTHONPATH` enters every kernel, server and step of the image";
        let fix = "install the modules into their environment (`-e` or a wheel in a .pip list), or write a .pth file into its site-packages";
        file.finding(RULE.name, (it, "PYTHONPATH"), what.to_owned(), fix)
    };
    found.map(finding).collect()
}
