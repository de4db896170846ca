//! Repositories that a step clones: by a branch or a tag, which move, or by a commit.

use super::Float;
use crate::mission::dockerfile::programs;

/// Returns clones and pulls that are not followed by the checkout of a commit in the same step.
pub(super) fn floats(commands: &[Vec<String>]) -> Vec<Float> {
    let mut res: Vec<Float> = Vec::new();
    for words in commands {
        match fetch(words) {
            Some(Fetch::Floating(what)) => res.push(float(what)),
            // The last clone is now at a commit.
            Some(Fetch::Commit) => drop(res.pop()),
            None => (),
        }
    }
    res
}

enum Fetch {
    Floating(&'static str),
    Commit,
}

fn fetch(words: &[String]) -> Option<Fetch> {
    let at =
        words.iter().position(|it| ["git", "gh", "hg", "svn"].contains(&programs::name(it)))?;
    if !programs::may_start(words) {
        return None;
    }
    let args = &words[at + 1..];
    let has = |names: &[&str]| args.iter().any(|it| names.contains(&it.as_str()));
    let is_commit = args.iter().any(|it| is_commit(it));
    match programs::name(&words[at]) {
        "git"
            if has(&["clone"])
                && args.iter().any(|it| it.starts_with("--revision"))
                && is_commit =>
        {
            None
        }
        "git" if has(&["clone"]) => Some(Fetch::Floating("git clone")),
        "gh" if has(&["clone"]) => Some(Fetch::Floating("gh repo clone")),
        // Pinned by the hashes in the commit.
        "git" if has(&["lfs"]) => None,
        "git" if has(&["pull"]) => Some(Fetch::Floating("git pull")),
        "git" if has(&["submodule"]) && has(&["--remote"]) => {
            Some(Fetch::Floating("git submodule update --remote"))
        }
        "git" if has(&["checkout", "reset", "switch"]) && is_commit => Some(Fetch::Commit),
        "git" if has(&["fetch"]) && !is_commit => Some(Fetch::Floating("git fetch")),
        "hg" if has(&["clone", "pull"]) && !is_commit => Some(Fetch::Floating("hg clone")),
        "svn"
            if has(&["checkout", "co", "export"])
                && !args.iter().any(|it| it.starts_with("-r")) =>
        {
            Some(Fetch::Floating("svn checkout"))
        }
        _ => None,
    }
}

/// Returns whether `word` is or ends with a whole commit, as in `--revision=<commit>`.
pub(crate) fn is_commit(word: &str) -> bool {
    let last = word.rsplit(['=', '@', '#']).next().unwrap_or(word);
    [40, 64].contains(&last.len()) && last.bytes().all(|it| it.is_ascii_hexdigit())
}

fn float(what: &str) -> Float {
    let word = what.split(' ').nth(1).unwrap_or(what).to_owned();
    let what = format!("`{what}` takes what a branch or tag is on the day of the build");
    let fix =
        "end the same step with `&& git -C <folder> checkout <commit>`, with all its 40 hex digits";
    Float { word, what, fix }
}
