//! git's command line, for repositories beside this one. Each command names its repository, ignores
//! a hook's environment, and changes no configuration.

mod answers;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{anyhow, bail};

use crate::{
    run::{
        failure, files,
        printable::Shown as _,
        process::{self, Change, Cmd, Patience, Permit, cmd, query},
        redact::redact,
        terminal,
    },
    tools::aws::Credentials,
};

/// Variables that a hook sets or that would lead to another repository
/// (`git rev-parse --local-env-vars`), and keys for sops alone.
const NOT_FOR_GIT: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
    "SOPS_AGE_KEY",
];

/// How to authenticate at the remote.
pub(crate) enum Access {
    /// Like the person's own git: ssh, a file, a credential helper.
    Own,
    /// With an AWS role's credentials; `None` in a dry run.
    Role(Option<Credentials>),
}

impl Access {
    /// Returns the configuration for one command. CodeCommit's helper is the `aws` command line:
    /// <https://docs.aws.amazon.com/codecommit/latest/userguide/setting-up-https-unixes.html>
    fn flags(&self, url: &str) -> &'static [&'static str] {
        let host = url.split_once("://").map_or("", |(_, rest)| rest);
        match self {
            Access::Role(_) if host.starts_with("git-codecommit.") => &[
                "-c",
                "credential.helper=",
                "-c",
                "credential.helper=!aws codecommit credential-helper $@",
                "-c",
                "credential.UseHttpPath=true",
            ],
            _ => &[],
        }
    }

    fn with<E>(&self, cmd: Cmd<E>) -> Cmd<E> {
        // Without a terminal git must not wait for a name or a password.
        let prompt = if terminal::has_person() { "1" } else { "0" };
        // `remedy` matches English messages.
        let cmd = cmd.env("GIT_TERMINAL_PROMPT", prompt).env("LC_ALL", "C");
        let cmd = cmd.patience(Patience::Change).asks();
        match self {
            Access::Role(Some(it)) => it.to(cmd),
            _ => cmd,
        }
    }
}

/// Clones `url` into the folder `into`, which exists and is empty.
pub(crate) fn clone(dir: &Path, url: &str, into: &Path, access: &Access) -> Change {
    let flags = access.flags(url);
    let cmd = cmd!(dir, "git {flags...} clone --quiet --origin origin -- {url} {into}");
    access.with(cmd.without_env(NOT_FOR_GIT))
}

pub(crate) fn fetch(dir: &Path, url: &str, access: &Access) -> Change {
    let flags = access.flags(url);
    let cmd = cmd!(dir, "git {flags...} fetch --quiet --prune --no-tags origin");
    access.with(cmd.without_env(NOT_FOR_GIT))
}

/// Publishes `commit` as the remote's `branch`, if that is a fast-forward.
pub(crate) fn push(
    dir: &Path,
    url: &str,
    (commit, branch): (&str, &str),
    access: &Access,
) -> Change {
    let flags = access.flags(url);
    let refspec = format!("{commit}:refs/heads/{branch}");
    let cmd = cmd!(
        dir,
        "git {flags...} push --quiet --no-follow-tags --recurse-submodules=no origin {refspec}"
    );
    access.with(cmd.without_env(NOT_FOR_GIT))
}

/// Commits `files` as they are in the working tree, and nothing else, whatever is staged.
pub(crate) fn commit(dir: &Path, files: &[&Path], message: &str) -> [Change; 2] {
    let add = cmd!(dir, "git --literal-pathspecs add -- {files...}");
    let commit = cmd!(
        dir,
        "git --literal-pathspecs commit --quiet --only --message {message} -- {files...}"
    );
    [add, commit].map(|it| it.without_env(NOT_FOR_GIT))
}

/// Commits `files` as they are in the working tree, on top of `parent`, to `branch`, which is made or
/// moved. Uses an index of its own in the folder `own`: what is checked out and staged stays.
///
/// # Errors
/// `branch` is checked out, or git has no name for commits.
pub(crate) fn commit_beside(
    permit: Permit,
    dir: &Path,
    (parent, branch): (&str, &str),
    files: &[&Path],
    message: &str,
    own: &Path,
) -> anyhow::Result<()> {
    let index = own.join("index");
    let run = |cmd: Change| -> anyhow::Result<String> {
        let cmd = cmd.without_env(NOT_FOR_GIT).env("GIT_INDEX_FILE", &index.to_string_lossy());
        Ok(process::read(&cmd.permitted(permit))?.trim_end().to_owned())
    };
    run(cmd!(dir, "git read-tree {parent}"))?;
    run(cmd!(dir, "git --literal-pathspecs add -- {files...}"))?;
    let tree = run(cmd!(dir, "git write-tree"))?;
    let commit = run(cmd!(dir, "git commit-tree {tree} -p {parent} -m {message}"))?;
    run(cmd!(dir, "git branch --quiet --force --no-track {branch} {commit}"))?;
    Ok(())
}

/// Returns whether the remote's `branch` is `commit`.
///
/// # Errors
/// The remote cannot be asked.
pub(crate) fn is_at(
    dir: &Path,
    url: &str,
    (commit, branch): (&str, &str),
    access: &Access,
) -> anyhow::Result<bool> {
    let flags = access.flags(url);
    let name = format!("refs/heads/{branch}");
    let cmd = query!(dir, "git {flags...} ls-remote origin {name}").without_env(NOT_FOR_GIT);
    let output = process::output(&access.with(cmd))?;
    Ok(output.status == 0 && output.stdout == format!("{commit}\t{name}\n"))
}

/// Runs a command that talks to the remote.
///
/// # Errors
/// The command fails; the message has its output and a fix.
pub(crate) fn remote(permit: Permit, cmd: &Change) -> anyhow::Result<()> {
    let output = process::output(&cmd.permitted(permit))?;
    if output.status == 0 {
        return Ok(());
    }
    let said = redact(&process::last_lines(&output.stderr, 8));
    let cmd = redact(&cmd.to_string());
    bail!("`{cmd}` failed with status {}\n{said}\n    fix: {}", output.status, remedy(&said));
}

/// Returns the fix for a message of git about a remote.
fn remedy(said: &str) -> &'static str {
    let says = |parts: &[&str]| parts.iter().any(|it| said.contains(it));
    if says(&["non-fast-forward", "fetch first", "cannot lock ref", "stale info"]) {
        return "the remote has moved on meanwhile; run `cargo xtask secrets-push` again";
    }
    if says(&["resolve host", "Failed to connect", "refused", "timed out", "unreachable"]) {
        return "look at the network and at the URL in SECRETS_REPO, then run it again";
    }
    if says(&["Authentication failed", "could not read Username", "Permission denied (", "401"]) {
        return "log in: an ssh key, a git credential helper, or SECRETS_ROLE_ARN";
    }
    if says(&["403", "denied", "read-only", "not allowed", "unable to write"]) {
        return "ask its owner for the right to write to SECRETS_REPO; nothing is lost, the commits are in the clone";
    }
    if says(&["not found", "does not exist", "does not appear to be a git repository"]) {
        return "correct SECRETS_REPO in setup-env, or make an empty repository there";
    }
    "see what git says above"
}

/// Returns the top of the working tree that contains `dir`.
pub(crate) fn top(dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    match answers::line(&query!(dir, "git rev-parse --show-toplevel")) {
        Err(err) if err.to_string().contains("not a git repository") => Ok(None),
        res => Ok(res?.map(PathBuf::from)),
    }
}

/// Returns the branch that is checked out, even one without a commit; `None` when HEAD is detached.
pub(crate) fn branch(dir: &Path) -> anyhow::Result<Option<String>> {
    answers::line(&query!(dir, "git symbolic-ref --quiet --short HEAD"))
}

/// Returns the URL of `origin`.
pub(crate) fn origin(dir: &Path) -> anyhow::Result<Option<String>> {
    answers::line(&query!(dir, "git config --get remote.origin.url"))
}

/// Returns the push URL of `origin`, if it differs.
pub(crate) fn push_url(dir: &Path) -> anyhow::Result<Option<String>> {
    answers::line(&query!(dir, "git config --get remote.origin.pushurl"))
}

/// Returns the commit that `name` refers to, if it exists.
pub(crate) fn revision(dir: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let name = format!("{name}^{{commit}}");
    let line =
        answers::line(&query!(dir, "git rev-parse --verify --quiet --end-of-options {name}"))?;
    // By `^HEAD` git means all commits but those below HEAD.
    Ok(line.filter(|it| !it.starts_with('^')))
}

/// Returns whether git has a name and an address for commits.
pub(crate) fn has_identity(dir: &Path) -> anyhow::Result<bool> {
    let is_known = |cmd: Cmd| match answers::line(&cmd) {
        // git explains at length why it has none.
        Err(err) if failure::status(&err) == 1 => Ok(false),
        res => res.map(|it| it.is_some()),
    };
    Ok(is_known(query!(dir, "git var GIT_AUTHOR_IDENT"))?
        && is_known(query!(dir, "git var GIT_COMMITTER_IDENT"))?)
}

/// Returns the name of the person for commits, if git's configuration has one.
pub(crate) fn user_name(dir: &Path) -> anyhow::Result<Option<String>> {
    answers::line(&query!(dir, "git config --get user.name"))
}

/// Returns the difference of tracked files from HEAD.
pub(crate) fn difference(dir: &Path) -> anyhow::Result<Vec<u8>> {
    let cmd = query!(
        dir,
        "git --no-optional-locks diff --no-color --no-ext-diff --no-textconv --binary HEAD"
    );
    process::bytes(&cmd.without_env(NOT_FOR_GIT))
}

/// Returns whether `file` differs from HEAD.
pub(crate) fn is_changed(dir: &Path, file: &Path) -> anyhow::Result<bool> {
    let cmd = query!(
        dir,
        "git --no-optional-locks --literal-pathspecs status --porcelain --branch --untracked-files=all --ignored -- {file}"
    );
    let text = process::read(&cmd.without_env(NOT_FOR_GIT))?;
    // The first line is about the branch.
    if !text.starts_with("## ") || !text.ends_with('\n') {
        bail!("`git status` did not tell of {}", file.shown());
    }
    Ok(text.lines().count() > 1)
}

/// Returns the commit of HEAD, 40 hex digits, followed by [`DIRTY`] if a file that is not ignored
/// differs from it or is new; `None` outside of a repository and before the first commit.
pub(crate) fn state(dir: &Path) -> anyhow::Result<Option<String>> {
    if top(dir)?.is_none() {
        return Ok(None);
    }
    let lines = answers::lines(&query!(
        dir,
        "git --no-optional-locks status --porcelain=v2 --branch --untracked-files=normal"
    ))?;
    let commit = lines.iter().find_map(|it| it.strip_prefix("# branch.oid "));
    let Some(commit) = commit.filter(|it| is_commit(it)) else { return Ok(None) };
    let is_dirty = lines.iter().any(|it| !it.starts_with('#'));
    Ok(Some(format!("{commit}{}", if is_dirty { DIRTY } else { "" })))
}

/// Returns whether `text` is as [`state`] returns it.
pub(crate) fn is_state(text: &str) -> bool {
    is_commit(text.strip_suffix(DIRTY).unwrap_or(text))
}

/// Suffix of [`state`]: files differ from the commit.
const DIRTY: &str = "-dirty";

/// Returns whether `text` is the id of a commit, 40 hex digits.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
}

/// Returns the commits that `to` has and `from` lacks.
pub(crate) fn commits_since(
    dir: &Path,
    from: Option<&str>,
    to: &str,
) -> anyhow::Result<Vec<String>> {
    let without = from.map(|it| format!("^{it}"));
    answers::lines(&query!(dir, "git rev-list {to} {without...}"))
}

/// Returns `commit` and those before it that no branch of `origin` has.
pub(crate) fn outgoing(dir: &Path, commit: &str) -> anyhow::Result<Vec<String>> {
    answers::lines(&query!(
        dir,
        "git --no-replace-objects rev-list {commit} --not --remotes=origin"
    ))
}

/// Returns the merge base of both commits.
pub(crate) fn merge_base(dir: &Path, one: &str, other: &str) -> anyhow::Result<Option<String>> {
    answers::line(&query!(dir, "git merge-base {one} {other}"))
}

/// Returns the tracked files of the working tree.
pub(crate) fn files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let files = answers::texts(&query!(dir, "git ls-files -z"), 0)?;
    Ok(files.into_iter().map(PathBuf::from).collect())
}

/// Returns whether `dir` is in a repository.
pub(crate) fn is_checkout(dir: &Path) -> bool {
    dir.ancestors().any(|it| it.join(".git").exists())
}

/// Clones the repository of this checkout to a new folder.
pub(crate) fn clone_here(checkout: &Path, to: &Path) -> Change {
    cmd!(checkout, "git clone --quiet {checkout} {to}")
}

/// Returns the patches of all commits that changed the files, newest first, each after a line with
/// `commit`, its id, date and subject. Options that a user's configuration could change are set.
pub(crate) fn patches(dir: &Path, files: &[&Path]) -> anyhow::Result<String> {
    let format = "--format=commit%x09%H%x09%cI%x09%s";
    text(&query!(
        dir,
        "git log {format} --no-show-signature --patch --unified=0 --no-color --no-ext-diff --no-textconv --no-renames --relative --src-prefix=a/ --dst-prefix=b/ -- {files...}"
    ))
}

/// Lists the files of the checkout at `dir` that git tracks or would track, and its submodules.
/// With `nested`, the checkout is a repository of its own; without, a hook's environment may choose
/// the index.
pub(crate) fn kept(dir: &Path, nested: bool) -> anyhow::Result<Kept> {
    let records = |cmd: Cmd| -> anyhow::Result<Vec<Vec<u8>>> {
        answers::records(&if nested { cmd.without_env(NOT_FOR_GIT) } else { cmd }, 0)
    };
    let (staged, files) = thread::scope(|scope| {
        let staged = scope.spawn(|| records(query!(dir, "git ls-files -z --stage")));
        let all = query!(dir, "git ls-files -z --cached --others --exclude-standard");
        let files = records(all);
        (staged.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))), files)
    });
    let (staged, files) = (staged?, files?);
    let submodules: BTreeSet<PathBuf> = staged.iter().filter_map(|it| submodule(it)).collect();
    let files = files.iter().map(|it| PathBuf::from(OsStr::from_bytes(it)));
    Ok(Kept { files: files.filter(|it| !submodules.contains(it)).collect(), submodules })
}

/// Files of a checkout that git keeps, relative to it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) files: BTreeSet<PathBuf>,
    pub(crate) submodules: BTreeSet<PathBuf>,
}

/// Returns the path in `160000 <commit> <stage>\t<path>`: git-ls-files(1).
fn submodule(record: &[u8]) -> Option<PathBuf> {
    let rest = record.strip_prefix(b"160000 ")?;
    let tab = rest.iter().position(|it| *it == b'\t')?;
    Some(PathBuf::from(OsStr::from_bytes(&rest[tab + 1..])))
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// Name of the object.
    pub(crate) blob: String,
}

/// Returns the files of a commit.
pub(crate) fn tree(dir: &Path, revision: &str) -> anyhow::Result<Vec<Entry>> {
    let list = query!(
        dir,
        "git --no-replace-objects ls-tree -r -z --full-tree --end-of-options {revision}"
    );
    Ok(answers::texts(&list, 0)?.iter().filter_map(|it| entry(it)).collect())
}

/// Returns the content of one file of a commit, if the commit has it; `name` is relative to `dir`.
pub(crate) fn file(dir: &Path, commit: &str, name: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let list = query!(dir, "git --literal-pathspecs ls-tree -z {commit} -- {name}");
    let found = answers::texts(&list, 0)?.iter().find_map(|it| entry(it));
    found.map(|it| answers::object(dir, &it.blob)).transpose()
}

/// Writes the files that the folder `root` has in `commit` to `dir/tree`, as a checkout does, by an
/// index in `dir`: the repository stays as it is.
///
/// # Errors
/// `commit` does not have the folder.
pub(crate) fn unpack(permit: Permit, root: &Path, commit: &str, dir: &Path) -> anyhow::Result<()> {
    let tree = format!("{commit}:./");
    let asked = query!(root, "git rev-parse --verify --quiet --end-of-options {tree}");
    let Some(tree) = answers::line(&asked)? else {
        bail!("{commit} does not have the folder {}", root.shown())
    };
    let repository = answers::line(&query!(root, "git rev-parse --absolute-git-dir"))?;
    let to = dir.join("tree");
    files::make_dirs(permit, &to)?;
    for cmd in [cmd!(to, "git read-tree {tree}"), cmd!(to, "git checkout-index --quiet --all")] {
        let cmd = cmd
            .without_env(NOT_FOR_GIT)
            .env("GIT_DIR", repository.as_deref().unwrap_or_default())
            .env("GIT_WORK_TREE", &to.to_string_lossy())
            .env("GIT_INDEX_FILE", &dir.join("index").to_string_lossy());
        process::read(&cmd.permitted(permit))?;
    }
    Ok(())
}

/// Returns the output of a command, which may be empty: two equal answers are required.
pub(crate) fn text(cmd: &Cmd) -> anyhow::Result<String> {
    let lines = answers::records(cmd, b'\n')?;
    Ok(lines.iter().map(|it| String::from_utf8_lossy(it) + "\n").collect())
}

/// Parses `<mode> blob <name>\t<path>`: git-ls-tree(1). Submodules are commits.
fn entry(line: &str) -> Option<Entry> {
    let (head, path) = line.split_once('\t')?;
    let blob = head.split_once(" blob ")?.1;
    Some(Entry { path: PathBuf::from(path), blob: blob.to_owned() })
}

/// Returns the text of a file; empty when it is not UTF-8.
pub(crate) fn blob(dir: &Path, name: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8(bytes(dir, name)?).unwrap_or_default())
}

/// Returns the content of a file as a push sends it, without the replacements of `git replace`.
pub(crate) fn bytes(dir: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    answers::object(dir, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_a_remote_has_a_remedy() {
        let cases = [
            ("fatal: Could not resolve host: nowhere", "network"),
            ("fatal: Authentication failed for 'https://host/'", "log in"),
            ("error: The requested URL returned error: 403", "right to write"),
            ("fatal: repository 'file:///x' does not exist", "SECRETS_REPO"),
            ("! [rejected] main -> main (fetch first)", "again"),
            ("something else", "above"),
        ];
        for (said, part) in cases {
            assert!(remedy(said).contains(part), "{said}: {}", remedy(said));
        }
    }

    #[test]
    fn files_are_listed_and_submodules_are_not() {
        let file = entry("100644 blob abc\tdir/a\tb").unwrap();
        assert_eq!(file, Entry { path: "dir/a\tb".into(), blob: "abc".to_owned() });
        assert_eq!(entry("160000 commit abc\tmodule"), None);
    }

    #[test]
    fn only_codecommit_gets_the_helper_of_aws() {
        let role = Access::Role(None);
        let text = |url| fetch(Path::new("/"), url, &role).to_string();
        let url = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/x";
        assert!(text(url).contains("'credential.helper=!aws codecommit credential-helper $@'"));
        assert!(!text("https://host/git-codecommit.x").contains("credential"));
        assert!(Access::Own.flags(url).is_empty());
    }
}
