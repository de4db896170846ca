//! Links of the documents work, and their commands are valid.

use std::{fs, path::Path};

use crate::{
    checkout::{Checkout, ROOTFS},
    documents::{self, Class},
};

/// Returns the targets of Markdown's links in `text`, except those that lead out of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|it| Some(it.split_once(')')?.0));
    targets.filter(|it| !it.contains("://"))
}

/// Returns the anchor of a document's heading.
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

/// Returns the lines of the programs without comments and tests, which print nothing to users.
fn lines_of_programs() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders = vec![root.join("xtask/src"), root.join("common/image/common-scripts")];
    let mut res = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
            if path.ends_with("tests") || path.ends_with("tests.rs") {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(path) {
                let end = ["\n#[test]", "\n#[cfg(test)]"].iter().filter_map(|it| text.find(it));
                let text = &text[..end.min().unwrap_or(text.len())];
                let lines = text.lines().filter(|it| !it.trim_start().starts_with(['/', '#']));
                res.extend(lines.map(str::to_owned));
            }
        }
    }
    res
}

/// Returns whether `line` has the parts of `message` between its `…`, one after the other. A place
/// before a message comes from elsewhere.
fn prints(line: &str, message: &str) -> bool {
    let parts = message.trim_start_matches("…: ").split('…').map(str::trim);
    let rest = parts.into_iter().try_fold(line, |rest, part| Some(rest.split_once(part)?.1));
    rest.is_some()
}

#[test]
fn messages_of_troubleshooting_are_printed() {
    let text = include_str!("../../../docs/troubleshooting.md");
    let messages: Vec<_> = text.lines().filter_map(|it| it.strip_prefix("### ")).collect();
    let programs = lines_of_programs();
    let is_printed = |it: &str| programs.iter().any(|line| prints(line, it));
    let unknown: Vec<_> = messages.iter().filter(|it| !is_printed(it)).collect();
    assert!(unknown.is_empty(), "nothing says {unknown:#?}");
    assert!(messages.len() > 20, "{}", messages.len());
}

/// On an engine that has all images, and a registry that has them, too. Commands that need these
/// only run dry.
#[test]
fn commands_are_what_they_seem() {
    let checkout = Checkout::clone_of_this_repository();
    // The examples that the documents name may be deleted; these replace them.
    checkout.remove_examples();
    checkout.copy_of_hello("roman", "roman-cal");
    checkout.copy_of_hello("tike", "tess");
    checkout.run(&["image-update", "--all"]).status(0);
    checkout.commit();
    let rootfs = checkout.read("common/base/rootfs");
    checkout.script("common/base/rootfs", ROOTFS);
    checkout.run(&["image-all", "--all"]).status(0);
    checkout.run(&["image-push", "--all", "--promote", "latest-test"]).status(0);
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
        // The images are built on the one that needs no Debian.
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
fn a_command_without_a_class() {
    let words = vec!["image-eat".to_owned()];
    let command = documents::Command { place: "README.md:1".to_owned(), words, group: 0 };
    let err = command.known_class().unwrap_err();
    assert_eq!(err, "README.md:1: `image-eat` has no class");
}

/// A claim about security requires a test.
#[test]
fn tests_that_security_md_names_are_there() {
    let text = include_str!("../../../docs/security.md");
    let is_test = |it: &&str| it.contains("::") && !it.contains(' ');
    let named: Vec<&str> = text.split('`').filter(is_test).collect();
    assert!(named.len() > 15, "{named:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in named {
        let (module, test) = name.rsplit_once("::").unwrap();
        let module = &module.replace("::", "/");
        let places = ["tests/it", "tests/e2e", "tests/secrets", "tests/cluster", "src"];
        let there = places.iter().any(|place| {
            let file = root.join(place).join(format!("{module}.rs"));
            let module_of_tests = root.join(place).join(module).join(format!("{test}.rs"));
            let text = fs::read_to_string(file).unwrap_or_default();
            text.contains(&format!("fn {test}(")) || module_of_tests.exists()
        });
        let of_base = root.join("../common/base/tests").join(format!("{module}.py"));
        let there = there
            || fs::read_to_string(of_base).is_ok_and(|it| it.contains(&format!("def {test}(")));
        assert!(there, "docs/security.md names `{name}`, which is not a test");
    }
}
