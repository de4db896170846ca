//! Disables a rule, in the file that it reports, with a reason.
//!
//! In a file whose comments begin with `#`, on a line of its own: `# check: allow RULE -- REASON`.
//! In a notebook, in its metadata: `"check": {"allow": {"RULE": "REASON"}}`. For any other file,
//! such as data, the line is in a text file beside it, with the same name and `.check` added. Rules
//! that protect a release cannot be disabled.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    check::{
        Facts, File, RULES, Refuses, Rule,
        notebook::{Notebook, object, readable, string},
    },
    run::{finding::Finding, suggest::nearest, text_file},
};

pub(crate) const RULE: Rule = Rule {
    name: "switch",
    about: "each exception names its rule, has a reason, and is needed",
    refuses: Refuses::Never,
    check: |facts| switches(facts).iter().filter_map(wrong).collect(),
};

/// A rule that is disabled for a file.
#[derive(Debug)]
struct Switch<'a> {
    file: &'a File,
    line: usize,
    rule: String,
    reason: String,
}

/// Returns `findings` without the disabled ones, and with findings about unused switches.
pub(crate) fn apply(facts: &Facts, mut findings: Vec<Finding>) -> Vec<Finding> {
    let refusing: BTreeSet<&Finding> = facts.missions.iter().flat_map(|it| &it.problems).collect();
    let switches = switches(facts);
    let valid = || switches.iter().filter(|it| wrong(it).is_none());
    let all: BTreeSet<(String, PathBuf)> = valid().flat_map(Switch::places).collect();
    let mut off = BTreeSet::new();
    findings.retain(|it| {
        let place = (it.rule.to_owned(), it.file.clone());
        let is_off = all.contains(&place) && !refusing.contains(it);
        if is_off {
            off.insert(place);
        }
        !is_off
    });
    // The second of two equal switches is unused.
    for switch in valid() {
        if switch.places().iter().filter(|it| off.remove(it)).count() == 0 {
            let what = format!("nothing here is against `{}`", switch.rule);
            findings.push(switch.finding(what, "remove the exception"));
        }
    }
    findings
}

fn switches(facts: &Facts) -> Vec<Switch<'_>> {
    let generated = facts.generated();
    // Files in which `#` does not begin a comment.
    let has_comments = |it: &&File| {
        let extension = it.path.extension().unwrap_or_default();
        extension != "md"
            && extension != "rs"
            && extension != "ipynb"
            && !generated.contains(&it.path)
    };
    let in_comments = facts.files.iter().filter(has_comments).flat_map(in_comments);
    in_comments.chain(readable(facts).flat_map(|it| in_metadata(&it))).collect()
}

fn in_comments(file: &File) -> impl Iterator<Item = Switch<'_>> {
    let lines = file.text.lines().enumerate();
    lines.filter_map(move |(at, line)| {
        let rest = line.strip_prefix('#')?.trim_start().strip_prefix("check:")?.trim_start();
        let rest = rest.strip_prefix("allow")?;
        let (rule, reason) = rest.split_once("--").unwrap_or((rest, ""));
        let (rule, reason) = (rule.trim().to_owned(), reason.trim().to_owned());
        Some(Switch { file, line: at + 1, rule, reason })
    })
}

fn in_metadata<'a>(notebook: &Notebook<'a>) -> Vec<Switch<'a>> {
    let member = |name: &'static str| move |it| object(it)?.get(name).copied();
    let metadata = notebook.members.get("metadata").copied();
    let allow = metadata.and_then(member("check")).and_then(member("allow")).and_then(object);
    let switch = |(rule, reason)| {
        let line = notebook.line(reason);
        Switch { file: notebook.file, line, rule, reason: string(reason).unwrap_or_default() }
    };
    allow.unwrap_or_default().into_iter().map(switch).collect()
}

/// Returns the reason why a switch has no effect.
fn wrong(switch: &Switch<'_>) -> Option<Finding> {
    let Switch { rule, reason, .. } = switch;
    let names = RULES.iter().map(|it| it.name);
    let (what, fix) = match RULES.iter().find(|it| it.name == rule) {
        None => {
            let fix = match nearest(rule, names) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "write a name of `cargo xtask check --help`".to_owned(),
            };
            (format!("unknown rule `{}`", rule.escape_debug()), fix)
        }
        Some(it) if it.refuses == Refuses::Always || it.name == RULE.name => {
            let what = format!("`{rule}` is never switched off");
            (what, "remove the switch, and fix the finding".to_owned())
        }
        Some(_) if reason.is_empty() => {
            let fix = format!("write it behind the name: `check: allow {rule} -- <reason>`");
            (format!("no reason is given why `{rule}` does not hold"), fix)
        }
        Some(_) => return None,
    };
    Some(switch.finding(what, fix))
}

impl Switch<'_> {
    /// Returns the rule and each file of the switch, as findings name them.
    fn places(&self) -> Vec<(String, PathBuf)> {
        let own = text_file::shown(&self.file.path);
        let neighbour = own.to_string_lossy().strip_suffix(".check").map(PathBuf::from);
        let files = [own].into_iter().chain(neighbour);
        files.map(|it| (self.rule.clone(), it)).collect()
    }

    fn finding(&self, what: String, fix: impl Into<String>) -> Finding {
        self.file.finding(RULE.name, Some(self.line), what, fix)
    }
}
