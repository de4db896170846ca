//! A notebook's own time limit, `execution.timeout` in its metadata, is one that the tester takes.

use crate::{
    check::{
        Refuses, Rule,
        notebook::{Notebook, object, readable},
    },
    run::finding::Finding,
};

pub(crate) const RULE: Rule = Rule {
    name: "notebook-timeout",
    about: "a notebook's time limit is a number of seconds, or -1 for none",
    refuses: Refuses::Never,
    check: |facts| readable(facts).filter_map(|it| check_notebook(&it)).collect(),
};

fn check_notebook(notebook: &Notebook<'_>) -> Option<Finding> {
    let metadata = object(notebook.members.get("metadata")?)?;
    let timeout = object(metadata.get("execution")?)?.get("timeout").copied()?;
    let number: Option<f64> = timeout.get().parse().ok();
    let is_limit = timeout.get() == "null" || number.is_some_and(|it| it > 0.0 || it == -1.0);
    let finding = || {
        let what = format!("`{}` is not a time limit", timeout.get());
        let fix = "write a number of seconds, or -1 for no limit, as execution.timeout";
        notebook.file.finding(RULE.name, Some(notebook.line(timeout)), what, fix)
    };
    (!is_limit).then(finding)
}
