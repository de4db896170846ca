//! `apt.txt`: names of Debian packages, which one step installs before all other steps.

use std::collections::BTreeSet;

use crate::{
    mission::dockerfile::{Text, generate::with_flags, mounts::mounts, parse::RULE, stages::User},
    run::finding::Finding,
    specs::read::without_comment,
};

/// Name in a mission's folder.
pub(crate) const FILE: &str = "apt.txt";

/// Returns the names in `list`, sorted: their order does not change the step.
///
/// # Errors
/// Lines that are not names of packages.
pub(crate) fn packages(list: &Text) -> Result<BTreeSet<String>, Vec<Finding>> {
    let (mut names, mut findings) = (BTreeSet::new(), Vec::new());
    for (at, line) in list.text.lines().enumerate() {
        let entry = without_comment(line.trim_start_matches('\u{feff}'));
        match fix(entry) {
            _ if entry.is_empty() => (),
            None => _ = names.insert(entry.to_owned()),
            Some(fix) => {
                let what =
                    format!("`{}` is not the name of a Debian package", entry.escape_debug());
                let (file, line, fix) = (list.path.clone(), Some(at + 1), fix.to_owned());
                findings.push(Finding { file, line, rule: RULE, what, fix });
            }
        }
    }
    if findings.is_empty() { Ok(names) } else { Err(findings) }
}

/// Returns the fix of an entry that is not a name:
/// <https://www.debian.org/doc/debian-policy/ch-controlfields.html#source>. `apt-get` would read
/// `name-` as a request to remove the package.
fn fix(entry: &str) -> Option<&'static str> {
    let is_start = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |c: char| is_start(c) || "+-.".contains(c);
    if entry.contains([' ', '\t']) {
        return Some("write one name per line");
    }
    if entry.contains(['=', '/']) {
        return Some(
            "write the name alone: an archive keeps no old versions, and packages-debian.txt records the installed one",
        );
    }
    let is_name = entry.len() > 1
        && entry.starts_with(is_start)
        && entry.chars().all(is_part)
        && !entry.ends_with('-');
    (!is_name).then_some("write a name of lower-case letters, digits, `+`, `-` and `.`")
}

/// Returns the lines of `list`, by number, whose packages `apt-get` did not find, by its messages in
/// `said`.
pub(crate) fn not_found<'a>(list: &'a str, said: &str) -> Vec<(usize, &'a str)> {
    let names: BTreeSet<&str> = said
        .lines()
        .filter_map(|it| {
            let (_, message) = it.split_once("E: ")?;
            let missing = message.strip_prefix("Unable to locate package ");
            let replaced = || message.strip_suffix(" has no installation candidate");
            let name = missing.or_else(|| replaced()?.strip_prefix("Package "))?;
            Some(name.trim().trim_matches(['\'', '"']))
        })
        .collect();
    let entries = list.lines().enumerate().map(|(at, it)| (at + 1, without_comment(it)));
    entries.filter(|(_, it)| names.contains(it)).collect()
}

#[test]
fn names_that_apt_does_not_find() {
    let list = "# tools\ngit\ncurll # fetches\n\nfoo\n";
    let said = "#9 1.2 E: Unable to locate package curll\nE: Package 'foo' has no installation candidate\nE: git\n";
    assert_eq!(not_found(list, said), [(3, "curll"), (5, "foo")]);
    assert!(not_found(list, "E: Unable to locate package other").is_empty());
}

/// Returns the instructions that install `packages`, with the mounts of each step of root; lines
/// are continued by `escape`.
pub(crate) fn step(packages: &BTreeSet<String>, escape: char) -> String {
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let command = format!(
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends {} && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log",
        names.join(" ")
    );
    let flags = mounts(&[], &command, User::Root, &[]);
    let run = with_flags(&format!("RUN {command}"), "RUN".len(), &flags, escape);
    format!("# {FILE}\nUSER root\n{run}\nUSER ${{NB_UID}}")
}
