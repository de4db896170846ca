//! Files that a push would publish: those of a commit, and of earlier commits that the remote
//! lacks. Plain text that a later commit encrypts would still be in the history.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    run::{failure::Failure, printable::Shown as _, private_key},
    secrets::{
        plaintext,
        rules::{self, Rules},
    },
    task::secrets::Place,
    tools::git::{self, Entry},
};

/// # Errors
/// A file must not be published, or no rule says which files to encrypt.
pub(crate) fn check(place: &Place, commit: &str) -> anyhow::Result<()> {
    let head = git::tree(&place.dir, commit)?;
    let rules = rules(place, &head)?;
    let mut problems = Vec::new();
    let mut seen: BTreeSet<Entry> = BTreeSet::new();
    for entry in head {
        problems.extend(problem(place, &rules, &entry)?.map(|it| (None, entry.path.clone(), it)));
        seen.insert(entry);
    }
    for commit in git::outgoing(&place.dir, commit)? {
        for entry in git::tree(&place.dir, &commit)? {
            if seen.insert(entry.clone())
                && let Some(it) = problem(place, &rules, &entry)?
            {
                problems.push((Some(commit.clone()), entry.path, it));
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::Request(text(place, &problems)).into())
}

fn rules(place: &Place, head: &[Entry]) -> anyhow::Result<Rules> {
    let file = head.iter().find(|it| it.path == Path::new(rules::FILE));
    let shown = place.shown.shown();
    let Some(file) = file else {
        let text = format!(
            "{shown} has no {} in its last commit, so that nothing says what is to be encrypted; commit one, as docs/secrets.md shows",
            rules::FILE
        );
        return Err(Failure::Request(text).into());
    };
    Rules::parse(&git::blob(&place.dir, &file.blob)?)
        .map_err(|err| Failure::Request(format!("{shown}: {err:#}")).into())
}

fn problem(place: &Place, rules: &Rules, entry: &Entry) -> anyhow::Result<Option<String>> {
    let bytes = git::bytes(&place.dir, &entry.blob)?;
    if let Some(key) = private_key::find_in_bytes(&bytes).first() {
        return Ok(Some(format!("line {} begins a {}", key.line, key.kind)));
    }
    let text = String::from_utf8(bytes).ok().filter(|it| !it.contains('\0'));
    if rules.covers(&entry.path) {
        let problem = plaintext::problem(&entry.path, &text.unwrap_or_default());
        return Ok(problem.map(|(what, _)| what));
    }
    // A key in a binary format has no text to search for.
    let what = "not a UTF-8 text file, and no rule of .sops.yaml has it encrypted";
    Ok(text.is_none().then(|| what.to_owned()))
}

/// Returns every file and its fix: in the last commit, or in an earlier one.
fn text(place: &Place, problems: &[(Option<String>, PathBuf, String)]) -> String {
    let (shown, git) = (place.shown.shown(), place.git());
    let mut res = format!("{shown} is not pushed: plain text would be published");
    for (commit, file, what) in problems {
        let at = commit.as_ref().map(|it| format!(" in commit {}", &it[..it.len().min(12)]));
        res += &format!("\n{shown}/{}{}: {what}", file.shown(), at.unwrap_or_default());
    }
    res += "\n    fix: ";
    res += &match problems.iter().all(|(commit, ..)| commit.is_none()) {
        true => format!(
            "encrypt it (`sops encrypt --in-place FILE` in {shown}) or remove it (`{git} rm FILE`), and commit that; "
        ),
        false => String::new(),
    };
    res + &format!(
        "commits that are not pushed still hold it: `{git} reset --soft origin/HEAD` (or `{git} update-ref -d HEAD` before the first push) and one new commit leave it out"
    )
}
