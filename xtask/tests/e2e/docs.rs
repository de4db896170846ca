//! Commands of the documents that need an engine.

use std::collections::BTreeSet;

use crate::{
    checkout::Checkout,
    containers::{Registry, forget},
    documents::{self, Class, Command},
    local_hub::LocalHub,
};

#[test]
fn commands_of_the_documents_run() {
    let mut checkout = Checkout::new();
    let _registry = Registry::start(&mut checkout);
    checkout.has_tested(&["--frozen", "--floating"]);
    checkout.rows(&["image-all", "hello"]);
    let commands = documents::commands();
    let mut seen = BTreeSet::new();
    let mut hubs = Vec::new();
    for group in commands.chunk_by(|a, b| a.group == b.group) {
        let group: Vec<&Command> = group.iter().filter(|it| is_run(it)).collect();
        let needs_engine = group.iter().any(|it| it.class() != Class::Here);
        let words: Vec<_> = group.iter().map(|it| it.words.clone()).collect();
        let is_new = words.len() > 1 || words.iter().any(|it| !seen.contains(&vec![it.clone()]));
        if !needs_engine || !is_new || !seen.insert(words.clone()) {
            continue;
        }
        seen.extend(words.into_iter().map(|it| vec![it]));
        checkout.reset();
        // In tables, what follows `hub-up` stands alone.
        let is_after_hub =
            |it: &Command| it.class() == Class::Afterwards && it.words[0].starts_with("hub-");
        if is_after_hub(group[0]) {
            hubs.push(LocalHub::up(&checkout));
        }
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
