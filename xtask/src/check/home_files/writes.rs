//! Finds the paths that the commands of a RUN write and remove, judging by their words.

use std::path::{Component, Path, PathBuf};

use super::{Effect, HOME};
use crate::mission::dockerfile::{parse::Instruction, programs};

/// Returns the path of `word` in `folder`, with the home for the names that a shell expands to it.
pub(super) fn resolve(folder: &Path, word: &str) -> PathBuf {
    let word = word.replace("${", "$").replace('}', "");
    let word = word.replace("$NB_USER", "jovyan");
    let rest = word.strip_prefix('~').or_else(|| word.strip_prefix("$HOME"));
    let path = match rest.filter(|it| it.is_empty() || it.starts_with('/')) {
        Some(rest) => PathBuf::from(format!("{HOME}{rest}")),
        None => folder.join(word),
    };
    let mut res = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => (),
            Component::ParentDir => drop(res.pop()),
            it => res.push(it),
        }
    }
    res
}

/// Returns the effects of a RUN that starts in `folder`.
pub(super) fn of_run(run: &Instruction, folder: &Path) -> Vec<Effect> {
    let mut folder = folder.to_owned();
    let mut res = Vec::new();
    for command in programs::commands(run) {
        let Some((program, args)) = programs::program(&command.words) else { continue };
        if let ("cd" | "pushd", Some(to)) = (program, args.first()) {
            folder = resolve(&folder, to);
        }
        let paths = written(program, args).into_iter().chain(redirected(&command.words));
        res.extend(paths.map(|it| Effect::Writes(resolve(&folder, &it))));
        if program == "rm" || program == "rmdir" {
            let removed = plain(args, "").into_iter();
            res.extend(
                removed.map(|it| Effect::Removes(resolve(&folder, it.trim_end_matches("/*")))),
            );
        }
    }
    res
}

/// Returns the files and folders that a program writes.
fn written(program: &str, args: &[String]) -> Vec<String> {
    let has = |options: &[&str]| args.iter().any(|it| options.contains(&it.as_str()));
    let some = |path: &str| vec![path.to_owned()];
    match program {
        "mkdir" | "tee" => plain(args, "m"),
        "touch" => plain(args, "drt"),
        "install" if has(&["-d", "--directory"]) => plain(args, "gmo"),
        "cp" | "mv" | "ln" | "install" | "rsync" => last(args),
        "sed" if args.iter().any(|it| it.starts_with("-i")) => last(args),
        "git" if has(&["clone"]) => cloned(args).into_iter().collect(),
        "git" if has(&["config"]) && has(&["--global"]) => some("~/.gitconfig"),
        "conda" | "mamba" if has(&["config"]) && !has(&["--system", "--env", "--file"]) => {
            some("~/.condarc")
        }
        "conda" | "mamba" if has(&["init"]) && !has(&["--system"]) => some("~/.bashrc"),
        "jupyter" if has(&["--generate-config"]) => some("~/.jupyter"),
        _ if has(&["--user"]) && has(&["install"]) => some("~/.local"),
        "tar" | "unzip" | "curl" | "wget" => into(args),
        _ => Vec::new(),
    }
}

/// Returns the values of options that set the target of an archive or a download.
fn into(args: &[String]) -> Vec<String> {
    let short = ["-C", "-d", "-o", "-O", "-P"];
    let long = ["--directory", "--output", "--output-document", "--directory-prefix"];
    let value = |(at, arg): (usize, &String)| {
        let (name, value) = arg.split_once('=').map_or((arg.as_str(), None), |(a, b)| (a, Some(b)));
        let is_option = short.contains(&name) || long.contains(&name);
        let value = value.or_else(|| args.get(at + 1).map(String::as_str));
        value
            .filter(|it| is_option && !it.starts_with('-') && !it.contains("://"))
            .map(str::to_owned)
    };
    args.iter().enumerate().filter_map(value).collect()
}

/// Returns the target of a command's output, in `> file` and `>>file`.
fn redirected(words: &[String]) -> Vec<String> {
    let target = |(at, word): (usize, &String)| {
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('>')?;
        let rest = rest.trim_start_matches(['>', '|']);
        let target = if rest.is_empty() { words.get(at + 1)?.as_str() } else { rest };
        (!target.starts_with('&')).then(|| target.to_owned())
    };
    words.iter().enumerate().filter_map(target).collect()
}

/// Long options whose value is the next word.
const VALUED: [&str; 9] = [
    "--branch",
    "--depth",
    "--filter",
    "--group",
    "--jobs",
    "--mode",
    "--origin",
    "--owner",
    "--reference",
];

/// Returns the arguments that are neither options nor redirections. Short options that end with a
/// letter of `valued` have a value.
fn plain(args: &[String], valued: &str) -> Vec<String> {
    let end = args.iter().position(|it| it.contains(['<', '>'])).unwrap_or(args.len());
    let mut res = Vec::new();
    let mut args = args[..end].iter();
    while let Some(arg) = args.next() {
        let is_short = arg.starts_with('-') && !arg.starts_with("--");
        if VALUED.contains(&arg.as_str()) || is_short && arg.ends_with(|c| valued.contains(c)) {
            args.next();
        } else if !arg.starts_with('-') {
            res.push(arg.clone());
        }
    }
    res
}

fn last(args: &[String]) -> Vec<String> {
    plain(args, "").pop().into_iter().collect()
}

/// Returns the folder that `git clone` makes: the last argument, or the name in the address; in the
/// folder of `git -C`.
fn cloned(args: &[String]) -> Option<String> {
    let inside = args.windows(2).find(|it| it[0] == "-C").map(|it| it[1].as_str());
    let words = plain(args, "bcCjo");
    let at = words.iter().position(|it| it == "clone")?;
    let name = match &words[at + 1..] {
        [_, folder, ..] => folder,
        [url] => {
            let name = url.trim_end_matches('/').rsplit(['/', ':']).next();
            name.unwrap_or(url).trim_end_matches(".git")
        }
        [] => return None,
    };
    let folder = Path::new(inside.unwrap_or_default()).join(name);
    Some(folder.to_string_lossy().into_owned())
}
