//! Fixes of `check --fix`: changes that need no decision.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    check::{
        Facts, File, generated_dockerfile, notebook::Notebook, notebook_outputs, script_strict,
        text_file,
    },
    mission::dockerfile::generate::generate,
    run::{finding::Finding, printable::Shown as _},
};

/// A change of one file, whose path is relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Text(PathBuf, String),
    Executable(PathBuf),
}

impl Change {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Change::Text(path, _) | Change::Executable(path) => path,
        }
    }
}

/// Prints the change, as a command line where one exists.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Text(path, _) => write!(f, "write {}", path.shown()),
            Change::Executable(path) => write!(f, "chmod +x {}", path.shown()),
        }
    }
}

type Mend = fn(&Facts, &Finding) -> Option<Change>;

/// Fixes by the rule's name. Their results may have findings of their own, and are checked again.
const FIXES: [(&str, Mend); 4] = [
    (text_file::RULE.name, text),
    (notebook_outputs::RULE.name, outputs),
    (script_strict::RULE.name, executable),
    (generated_dockerfile::RULE.name, dockerfile),
];

/// Returns the fix of `finding`, if it has one.
pub(crate) fn change(facts: &Facts, finding: &Finding) -> Option<Change> {
    let (_, fix) = FIXES.iter().find(|(rule, _)| *rule == finding.rule)?;
    fix(facts, finding)
}

fn file<'a>(facts: &'a Facts, finding: &Finding) -> Option<&'a File> {
    facts.file(&finding.file).filter(|it| it.unreadable.is_none())
}

fn text(facts: &Facts, finding: &Finding) -> Option<Change> {
    let file = file(facts, finding)?;
    Some(Change::Text(file.path.clone(), text_file::corrected(&file.text)))
}

fn outputs(facts: &Facts, finding: &Finding) -> Option<Change> {
    let file = file(facts, finding)?;
    let notebook = Notebook::read(file).ok()?;
    Some(Change::Text(file.path.clone(), notebook_outputs::stripped(&notebook)))
}

fn executable(facts: &Facts, finding: &Finding) -> Option<Change> {
    let file = file(facts, finding)?;
    let is_mended = script_strict::not_executable(file).as_ref() == Some(finding);
    is_mended.then(|| Change::Executable(file.path.clone()))
}

fn dockerfile(facts: &Facts, finding: &Finding) -> Option<Change> {
    let path = |mission: &PathBuf| mission.join("Dockerfile");
    let mut sources = facts.missions.iter().map(|it| &it.sources);
    let sources = sources.find(|it| path(&it.mission) == finding.file)?;
    Some(Change::Text(finding.file.clone(), generate(sources).ok()?))
}
