//! Commands for a remote that has moved on. Two edits of a file conflict in its checksum (MAC)
//! whatever keys they change, so git cannot merge them: the remote's file is taken, and the local
//! changes are made again, key by key.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    run::printable::Shown as _,
    secrets::{
        changes::Kind,
        commits::{self, Row},
    },
    task::secrets::{Place, counted},
    tools::git,
};

/// The files of a commit, with the names of their blobs.
type Tree = BTreeMap<PathBuf, String>;

/// Local changes.
#[derive(Debug, Default)]
struct Ours {
    /// Files that the remote did not change: they can be taken unchanged.
    taken: Vec<String>,
    /// Those of `taken` that were removed locally.
    removed: Vec<String>,
    /// Keys of files that both sides changed.
    keys: Vec<Row>,
    /// Other files that both sides changed.
    others: Vec<String>,
}

/// Returns the refusal, with commands that can be run unchanged.
pub(crate) fn text(
    place: &Place,
    branch: &str,
    commit: &str,
    theirs: usize,
) -> anyhow::Result<String> {
    let upstream = format!("origin/{branch}");
    let base = git::merge_base(&place.dir, commit, &upstream)?;
    let ours = ours(&place.dir, base.as_deref(), commit, &upstream)?;
    let mine = format!("mine-{}", &commit[..commit.len().min(12)]);
    let commands = commands(&ours, &place.git(), &place.config.mission, &upstream, &mine);
    Ok(format!(
        "{} is not pushed: the remote has {} that it has not, and files of sops cannot be merged\n    fix: keep yours on a branch, take theirs, and do yours again:\n    {}",
        place.shown.shown(),
        counted(theirs, "commit"),
        commands.join("\n    ")
    ))
}

fn ours(dir: &Path, base: Option<&str>, commit: &str, upstream: &str) -> anyhow::Result<Ours> {
    let tree = |it: &str| -> anyhow::Result<Tree> {
        Ok(git::tree(dir, it)?.into_iter().map(|it| (it.path, it.blob)).collect())
    };
    let base_tree = base.map(tree).transpose()?.unwrap_or_default();
    let (our_tree, their_tree) = (tree(commit)?, tree(upstream)?);
    let rows = commits::between(dir, base, commit)?;
    let mut res = Ours::default();
    let mut files: Vec<&PathBuf> = base_tree.keys().chain(our_tree.keys()).collect();
    files.sort();
    files.dedup();
    for file in files.into_iter().filter(|it| base_tree.get(*it) != our_tree.get(*it)) {
        let quoted = shell_words::quote(&file.to_string_lossy()).into_owned();
        let mut keys = rows.iter().filter(|it| it.file == *file).cloned().peekable();
        let (our, their) = (our_tree.get(file), their_tree.get(file));
        match (our, base_tree.get(file) == their) {
            _ if our == their => (),
            (Some(_), true) => res.taken.push(quoted),
            (None, true) => res.removed.push(quoted),
            (Some(_), false) if keys.peek().is_some() && their.is_some() => res.keys.extend(keys),
            _ => res.others.push(quoted),
        }
    }
    Ok(res)
}

fn commands(ours: &Ours, git: &str, mission: &str, upstream: &str, mine: &str) -> Vec<String> {
    let mut res = vec![format!("{git} branch {mine}"), format!("{git} reset --keep {upstream}")];
    if !ours.taken.is_empty() {
        res.push(format!("{git} checkout --quiet {mine} -- {}", ours.taken.join(" ")));
    }
    if !ours.removed.is_empty() {
        res.push(format!("{git} rm --quiet -- {}", ours.removed.join(" ")));
    }
    if !ours.taken.is_empty() || !ours.removed.is_empty() {
        res.push(format!("{git} commit --quiet --message 'As in {mine}'"));
    }
    res.extend(ours.keys.iter().map(|it| redo(it, mission, mine)));
    let by_hand =
        |it: &String| format!("{git} diff HEAD {mine} -- {it}   # then do by hand what is yours");
    res.extend(ours.others.iter().map(by_hand));
    res.push(format!("cargo xtask secrets-push --mission {mission}"));
    res
}

/// Returns the command that repeats a local change.
fn redo(row: &Row, mission: &str, mine: &str) -> String {
    let file = shell_words::quote(&row.file.to_string_lossy()).into_owned();
    let edit = format!("cargo xtask secrets-edit --mission {mission} -- {file}");
    match (&row.key, row.change) {
        (None, _) => format!("{edit}   # its recipients were changed: see docs/secrets.md"),
        (Some(key), Kind::Removed) => format!("{edit}   # {key} was removed"),
        (Some(key), Kind::Added | Kind::Changed) => {
            let key = key.to_string();
            let key = shell_words::quote(&key);
            let of = format!("--mission {mission} --file {file}");
            format!(
                "cargo xtask secrets-cat {of} --at {mine} --json -- {key} | cargo xtask secrets-set {of} --as-json -- {key}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: Option<&str>, change: Kind) -> Row {
        Row { file: PathBuf::from("my dev.yaml"), key: key.map(|it| it.parse().unwrap()), change }
    }

    #[test]
    fn each_change_has_its_command() {
        assert_eq!(
            redo(&row(Some("a.$b"), Kind::Changed), "m", "mine"),
            "cargo xtask secrets-cat --mission m --file 'my dev.yaml' --at mine --json -- 'a.$b' | cargo xtask secrets-set --mission m --file 'my dev.yaml' --as-json -- 'a.$b'"
        );
        assert!(redo(&row(Some("a"), Kind::Removed), "m", "mine").ends_with("# a was removed"));
        assert!(redo(&row(None, Kind::Changed), "m", "mine").contains("recipients"));
    }

    #[test]
    fn what_theirs_left_alone_is_taken_as_it_is() {
        let ours = Ours {
            taken: vec!["prod.yaml".to_owned()],
            removed: vec!["old.yaml".to_owned()],
            ..Ours::default()
        };
        assert_eq!(
            commands(&ours, "git -C s", "m", "origin/main", "mine"),
            [
                "git -C s branch mine",
                "git -C s reset --keep origin/main",
                "git -C s checkout --quiet mine -- prod.yaml",
                "git -C s rm --quiet -- old.yaml",
                "git -C s commit --quiet --message 'As in mine'",
                "cargo xtask secrets-push --mission m",
            ]
        );
    }
}
