//! Finds calls of environment scripts in a RUN, which determine the spec files that the step sees.

use std::path::{Path, PathBuf};

use crate::{
    mission::dockerfile::{
        parse::exec_form,
        shell::{self, Command},
    },
    specs,
};

/// Folder of the in-image scripts.
pub(crate) const SCRIPTS: &str = "/opt/common-scripts/";
/// Folder of a mission's environments, in the image and while a step runs.
pub(crate) const ENVIRONMENTS: &str = "/opt/environments";

/// Action of a call on its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Create,
    Clone,
    Update,
    InstallCommon,
}

/// A call of an environment script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) script: Script,
    /// Source environment of `env-clone`.
    pub(crate) from: Option<String>,
    pub(crate) env: String,
    /// Spec files as written.
    pub(crate) specs: Vec<String>,
}

/// A call that cannot be understood without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unclear {
    /// The unclear word.
    pub(crate) word: String,
    pub(crate) what: String,
    pub(crate) fix: &'static str,
}

impl Script {
    /// Returns the script that `word` names, by itself or by its path.
    fn named(word: &str) -> Option<Script> {
        match word.strip_prefix(SCRIPTS).unwrap_or(word) {
            "env-create" => Some(Script::Create),
            "env-clone" => Some(Script::Clone),
            "env-update" => Some(Script::Update),
            "install-common" => Some(Script::InstallCommon),
            _ => None,
        }
    }
}

impl Call {
    /// Returns whether the call creates its environment: in a frozen build, from the frozen spec.
    pub(crate) fn creates(&self) -> bool {
        matches!(self.script, Script::Create | Script::Clone)
    }

    /// Returns the file of `spec`, relative to `environments/`; `None` for a file of the image.
    pub(crate) fn file(&self, spec: &str) -> Option<PathBuf> {
        let path = Path::new(ENVIRONMENTS).join(&self.env).join(spec);
        let path = specs::normal(path.strip_prefix("/").ok()?)?;
        path.strip_prefix(&ENVIRONMENTS[1..]).ok().map(Path::to_owned)
    }
}

/// Returns the calls in the arguments of a RUN, in shell form or exec form.
pub(crate) fn calls(args: &str) -> Result<Vec<Call>, Unclear> {
    match exec_form(args) {
        Some(words) => calls_of_command(&words),
        None => calls_of_line(args),
    }
}

fn calls_of_line(line: &str) -> Result<Vec<Call>, Unclear> {
    let commands = match shell::commands(line) {
        Ok(commands) => commands,
        Err(err) if mentions_script(line) => {
            return Err(Unclear {
                word: String::new(),
                what: format!("cannot read the shell command: {err}"),
                fix: "close the quote",
            });
        }
        Err(_) => return Ok(Vec::new()),
    };
    let mut res = Vec::new();
    for Command { words, .. } in commands {
        res.extend(calls_of_command(&words)?);
    }
    Ok(res)
}

fn mentions_script(line: &str) -> bool {
    line.split(|c: char| c.is_whitespace() || "'\";&|()".contains(c))
        .any(|it| Script::named(it).is_some())
}

/// Words that another command may follow.
const BEFORE_A_COMMAND: [&str; 17] = [
    "!", "{", "if", "then", "elif", "else", "do", "while", "until", "time", "exec", "command",
    "env", "nice", "sudo", "bash", "sh",
];

fn calls_of_command(words: &[String]) -> Result<Vec<Call>, Unclear> {
    let is_assignment = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| {
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty()
        })
    };
    let first = words.iter().position(|it| !is_assignment(it)).unwrap_or(words.len());
    let words = &words[first..];
    let Some((word, args)) = words.split_first() else { return Ok(Vec::new()) };
    if let Some(script) = Script::named(word) {
        return Ok(vec![call(script, word, args)?]);
    }
    let name = word.rsplit('/').next().unwrap_or(word);
    if let (true, Some(line)) = (["bash", "sh"].contains(&name), shell_line(args)) {
        return calls_of_line(line);
    }
    if !BEFORE_A_COMMAND.contains(&name) {
        return Ok(Vec::new());
    }
    let is_start =
        |it: &String| Script::named(it).is_some() || BEFORE_A_COMMAND.contains(&it.as_str());
    match args.iter().position(|it| is_start(it) || is_assignment(it)) {
        Some(at) => calls_of_command(&args[at..]),
        None => Ok(Vec::new()),
    }
}

/// Returns the line that `bash -ec LINE` runs.
fn shell_line(args: &[String]) -> Option<&str> {
    let is_c = |it: &String| it.starts_with('-') && !it.starts_with("--") && it.ends_with('c');
    args.get(args.iter().position(is_c)? + 1).map(String::as_str)
}

fn call(script: Script, name: &str, args: &[String]) -> Result<Call, Unclear> {
    let args = positional(args);
    let wanted = if script == Script::Clone { 2 } else { 1 };
    if let Some(word) = args.iter().find(|it| it.contains(['$', '`', '*', '?', '[', '{'])) {
        return Err(Unclear {
            word: name.to_owned(),
            what: format!("`{word}` is known only to the shell, not to the generator"),
            fix: "write the environment and its spec files literally",
        });
    }
    if args.len() < wanted {
        return Err(Unclear {
            word: name.to_owned(),
            what: format!("`{name}` needs an environment"),
            fix: "write its name after it",
        });
    }
    let (env, specs) = (args[wanted - 1].clone(), args[wanted..].to_vec());
    let from = (script == Script::Clone).then(|| args[0].clone());
    Ok(Call { script, from, env, specs })
}

/// Returns `args` without options and redirections.
fn positional(args: &[String]) -> Vec<String> {
    let mut res = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let operator = arg.trim_start_matches(|c: char| c.is_ascii_digit() || c == '&');
        if operator.starts_with(['<', '>']) {
            if operator.trim_start_matches(['<', '>', '&', '|']).is_empty() {
                args.next();
            }
        } else if !arg.starts_with('-') {
            res.push(arg.clone());
        }
    }
    res
}
