//! Commands of the documents that need an engine.

use std::collections::BTreeSet;

use crate::{
    checkout::Checkout,
    containers::{Registry, forget},
    documents::{self, Class, Command},
};

#[test]
fn commands_of_the_documents_run() {
    let mut checkout = Checkout::new();
    let _registry = Registry::start(&mut checkout);
    checkout.rows(&["image-all", "hello"]);
    let commands = documents::commands();
    let mut seen = BTreeSet::new();
    for group in commands.chunk_by(|a, b| a.group == b.group) {
        let group: Vec<&Command> = group.iter().filter(|it| is_run(it)).collect();
        let needs_engine = group.iter().any(|it| it.class() != Class::Here);
        let words = |it: &&Command| it.words.clone();
        if !needs_engine || !seen.insert(group.iter().map(words).collect::<Vec<_>>()) {
            continue;
        }
        checkout.reset();
        for command in group {
            let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
            assert_eq!(checkout.run(&words).status, Some(0), "{}", command.place);
        }
    }
    forget("euclid");
}

/// Returns whether the command is run here. Those without an engine were run elsewhere, unless
/// others depend on one.
fn is_run(command: &Command) -> bool {
    match command.class() {
        Class::Engine | Class::Afterwards => true,
        Class::Here => command.words[0] == "mission-new",
        Class::Dry | Class::Read => false,
    }
}
