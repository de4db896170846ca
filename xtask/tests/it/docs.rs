//! What the documents point at is there, and their commands are what they seem.

use std::fs;

use crate::{
    checkout::{Checkout, ROOTFS},
    documents::{self, Class},
};

/// The targets of Markdown's links in `text`, but those that lead out of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|it| Some(it.split_once(')')?.0));
    targets.filter(|it| !it.contains("://"))
}

/// The anchor that a heading of a document has.
fn anchor(heading: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| plain(*c)).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for file in documents::files() {
        let text = fs::read_to_string(&file).unwrap();
        for link in links(&text) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { file.clone() } else { file.with_file_name(path) };
            assert!(target.exists(), "{}: {link}", file.display());
            if !fragment.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                let mut headings = target.lines().filter(|it| it.starts_with('#'));
                assert!(headings.any(|it| anchor(it) == fragment), "{}: {link}", file.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 2, "the documents have links");
}

/// On an engine that has all images, and a registry that has them, too. What needs these is not
/// done here, but printed.
#[test]
fn commands_are_what_they_seem() {
    let checkout = Checkout::clone_of_this_repository();
    let rootfs = checkout.read("common/base/rootfs");
    checkout.script("common/base/rootfs", ROOTFS);
    checkout.run(&["image-all", "--all"]).status(0);
    checkout.run(&["image-push", "--all", "--promote", "test"]).status(0);
    let mut group = None;
    for command in documents::commands() {
        if group.replace(command.group) != Some(command.group) {
            checkout.reset();
        }
        eprintln!("{}: {}", command.place, command.words.join(" "));
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let (rootfs, args) = match command.class() {
            Class::Here => (&*rootfs, words),
            Class::Engine | Class::Dry => (ROOTFS, dry(&words)),
            Class::Afterwards | Class::Read => (&*rootfs, [&words[..], &["--help"]].concat()),
        };
        // The images are made from the one that needs no Debian.
        checkout.script("common/base/rootfs", rootfs);
        let done = checkout.run(&args).status(0);
        if command.class() == Class::Here {
            done.did_nothing();
        }
    }
}

#[test]
fn every_class_is_some_command_s() {
    let commands = documents::commands();
    for (start, _) in documents::CLASSES {
        let mut lines = commands.iter().map(|it| it.words.join(" "));
        assert!(lines.any(|it| it.starts_with(start)), "no document has `{start}`");
    }
}

fn dry<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let words = words.strip_prefix(&["-n"]).unwrap_or(words);
    [&["-n"], words].concat()
}

#[test]
#[should_panic(expected = "README.md:1: `image-eat` has no class")]
fn a_command_without_a_class() {
    let words = vec!["image-eat".to_owned()];
    documents::Command { place: "README.md:1".to_owned(), words, group: 0 }.class();
}
