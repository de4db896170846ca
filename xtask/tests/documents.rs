//! Commands of the documents, and the test that runs each.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Treatment of a command of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Needs no engine: the command tests run it.
    Here,
    /// Needs an engine: the end-to-end tests run it; the command tests run it dry.
    Engine,
    /// Needs an engine and the result of the command before it: the command tests only parse it.
    Afterwards,
    /// Takes too long, or waits for a person: the command tests run it dry.
    Dry,
    /// Asks hosts, needs its reader's own data, or runs all tests itself: it must be a valid
    /// command line, and no more.
    Read,
}

/// Classes by the start of a command; the first match counts.
pub(crate) const CLASSES: &[(&str, Class)] = &[
    ("-n hub-deploy", Class::Read),
    ("-n hub-rollback", Class::Read),
    ("-n ", Class::Dry),
    ("check", Class::Here),
    ("completion", Class::Here),
    ("config", Class::Here),
    ("diff", Class::Here),
    ("explain", Class::Here),
    ("freeze --check", Class::Here),
    ("hub-values roman", Class::Here),
    ("hub-render", Class::Dry),
    ("hub-chart update", Class::Dry),
    ("image-update", Class::Here),
    ("list", Class::Here),
    ("mission-new", Class::Here),
    ("when", Class::Here),
    ("why", Class::Here),
    ("freeze roman", Class::Dry),
    ("image-lab roman --home", Class::Read),
    ("image-test roman", Class::Dry),
    ("image-test hello --on kubernetes", Class::Read),
    ("image-test hello --shard", Class::Dry),
    ("try hello --add", Class::Engine),
    // Without an edit or an image there is nothing to try.
    ("try", Class::Read),
    ("freeze", Class::Engine),
    ("image-all euclid --floating", Class::Engine),
    ("image-all euclid", Class::Afterwards),
    ("image-all hello", Class::Engine),
    ("image-test", Class::Engine),
    ("quickstart", Class::Engine),
    ("image-all", Class::Dry),
    ("image-build", Class::Dry),
    ("image-lab", Class::Dry),
    ("image-push", Class::Dry),
    ("image-prune --registry", Class::Read),
    ("image-prune", Class::Dry),
    ("image-sh", Class::Dry),
    ("report", Class::Dry),
    ("outdated", Class::Read),
    // Needs a name for commits; `it/relocking.rs` runs it.
    ("relock", Class::Read),
    ("bench", Class::Read),
    ("ci", Class::Read),
    ("doctor", Class::Read),
    ("receipt show", Class::Read),
    ("receipt merge", Class::Read),
    ("image-list", Class::Read),
    ("image-diff", Class::Read),
    ("hub-up --detach", Class::Engine),
    // Until Ctrl-C, or with missions that are not built: `e2e/local_hub.rs` runs such.
    ("hub-up", Class::Read),
    // Asks.
    ("hub-down --volumes", Class::Read),
    ("hub-down", Class::Engine),
    ("hub-status hello", Class::Read),
    ("hub-status roman", Class::Read),
    ("hub-status", Class::Afterwards),
    ("hub-logs --follow", Class::Read),
    ("hub-logs", Class::Afterwards),
    ("hub-smoke hello", Class::Read),
    ("hub-smoke", Class::Afterwards),
    // `tests/cluster` runs these on a real cluster.
    ("hub-deploy", Class::Read),
    ("hub-history", Class::Read),
    ("hub-rollback", Class::Read),
    // The tests of secrets run those of docs/secrets.md.
    ("secrets-", Class::Read),
];

/// A command of a document.
#[derive(Debug)]
pub(crate) struct Command {
    /// File and line.
    pub(crate) place: String,
    /// Words after `cargo xtask`.
    pub(crate) words: Vec<String>,
    /// Commands of one group run after each other in one clone.
    pub(crate) group: usize,
}

impl Command {
    /// Returns the class of the command.
    #[track_caller]
    pub(crate) fn class(&self) -> Class {
        self.known_class().unwrap_or_else(|err| panic!("{err}"))
    }

    pub(crate) fn known_class(&self) -> Result<Class, String> {
        let line = self.words.join(" ");
        let is_form = line.contains(['<', '…']);
        if is_form || line.ends_with("--help") {
            return Ok(Class::Read);
        }
        let found = CLASSES.iter().find(|it| line.starts_with(it.0));
        found.map(|it| it.1).ok_or_else(|| format!("{}: `{line}` has no class", self.place))
    }
}

/// Returns the README, and all files of `docs/`.
pub(crate) fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|it| it.unwrap().path());
    let docs = docs.filter(|it| it.extension().is_some_and(|it| it == "md"));
    let mut res: Vec<PathBuf> = docs.chain([root.join("README.md")]).collect();
    res.sort();
    res
}

/// Returns all commands: lines of blocks, and text in backquotes. A heading begins a group, and so
/// does `mission-new`, which requires an unused name.
pub(crate) fn commands() -> Vec<Command> {
    let mut res = Vec::new();
    let mut group = 0;
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let mut in_fence = false;
        for (idx, line) in text.lines().enumerate() {
            let place = format!("{}:{}", file.display(), idx + 1);
            let mut add = |text: &str, group| {
                let words = words(text.strip_prefix("cargo xtask ")?);
                res.push(Command { place: place.clone(), words, group });
                Some(())
            };
            if line.starts_with("```") {
                in_fence = !in_fence;
                continue;
            }
            if in_fence || line.starts_with("    ") {
                group += usize::from(line.contains("cargo xtask mission-new"));
                add(line.trim_start(), group);
                continue;
            }
            assert!(line.matches('`').count() % 2 == 0, "{place}: a quote spans lines");
            group += usize::from(line.starts_with('#'));
            for quoted in line.split('`').skip(1).step_by(2) {
                group += 2;
                add(quoted, group - 1);
            }
        }
    }
    res
}

/// Returns the words of a command; remarks follow after two spaces or `#`, and pipes belong to the
/// shell.
pub(crate) fn words(text: &str) -> Vec<String> {
    let ends = ["  ", " #", " | ", " < "];
    let end = ends.iter().filter_map(|it| text.find(it)).min().unwrap_or(text.len());
    shell_words::split(&text[..end]).unwrap()
}
