//! Commands as data, and how they are printed.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::bail;

use super::Permit;
use crate::run::{
    printable::{self, Shown as _},
    redact::redact,
};

/// Marker of a command that only reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reads {}

/// Marker of a command that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changes {}

/// A command that changes something. No function of this module runs one; see
/// [`Change::permitted`].
pub(crate) type Change = Cmd<Changes>;

/// A program to start, with its whole environment.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Cmd<E = Reads> {
    effect: PhantomData<E>,
    pub(super) program: OsString,
    args: Vec<OsString>,
    pub(super) dir: PathBuf,
    env: Vec<(&'static str, String)>,
    secret_env: Vec<(&'static str, String)>,
    without_env: Vec<&'static str>,
    pub(super) stdin: Option<String>,
    pub(super) makes: Option<PathBuf>,
    pub(super) patience: Patience,
    pub(super) asks: bool,
    /// Whether it was permitted as a [`Change`].
    pub(super) changes: bool,
    pub(super) finding: &'static str,
}

/// How long a command may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The command answers a question.
    Answer,
    /// The command changes something, or asks a host.
    Change,
    /// The command builds, tests or installs.
    Work,
    /// The command runs until it is interrupted.
    Endless,
}

impl Patience {
    pub(super) fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Patience::Answer => 120,
            Patience::Change => 10 * 60,
            Patience::Work => 2 * 60 * 60,
            Patience::Endless => u32::MAX.into(),
        })
    }
}

/// Makes a [`Change`] from `cmd!(dir, "docker push {image} {flags...}")`: xshell's syntax, split at
/// compile time, so that a value with a space or a quote stays one argument.
macro_rules! cmd {
    ($dir:expr, $text:literal) => {{
        let sh = ::xshell::Shell::new().expect("there is a current directory");
        $crate::run::process::Change::from_xshell(::xshell::cmd!(sh, $text), $dir.as_ref())
    }};
}
pub(crate) use cmd;

/// Makes a command that only reads, like [`cmd!`].
macro_rules! query {
    ($dir:expr, $text:literal) => {
        $crate::run::process::cmd!($dir, $text).only_reads()
    };
}
pub(crate) use query;

impl Change {
    /// Converts xshell's form of a command that runs in `dir`.
    pub(crate) fn from_xshell(cmd: xshell::Cmd<'_>, dir: &Path) -> Change {
        let command = Command::from(cmd);
        Cmd {
            effect: PhantomData,
            program: command.get_program().to_owned(),
            args: command.get_args().map(ToOwned::to_owned).collect(),
            dir: dir.to_owned(),
            env: Vec::new(),
            secret_env: Vec::new(),
            without_env: Vec::new(),
            stdin: None,
            makes: None,
            patience: Patience::Answer,
            asks: false,
            changes: false,
            finding: "tools",
        }
    }

    /// Returns the same command, marked as one that only reads. For [`query!`] and the modules of
    /// programs.
    pub(crate) fn only_reads(self) -> Cmd {
        self.with_effect()
    }

    /// Returns the same command in a form that can be run.
    pub(crate) fn permitted(&self, _: Permit) -> Cmd {
        Cmd { changes: true, ..self.clone().with_effect() }
    }
}

impl<E> Cmd<E> {
    fn with_effect<F>(self) -> Cmd<F> {
        let Cmd { program, args, dir, env, secret_env, without_env, stdin, .. } = self;
        let Cmd { makes, patience, asks, changes, finding, .. } = self;
        Cmd {
            effect: PhantomData,
            program,
            args,
            dir,
            env,
            secret_env,
            without_env,
            stdin,
            makes,
            patience,
            asks,
            changes,
            finding,
        }
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Makes this command the last arguments of `wrapper`, such as `nsenter`.
    pub(crate) fn after<F>(self, wrapper: Cmd<F>) -> Self {
        let args = [wrapper.args, vec![self.program], self.args].concat();
        Cmd { program: wrapper.program, args, ..self }
    }

    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    /// Sets a variable whose value must not appear in a log or a process list.
    pub(crate) fn secret_env(mut self, name: &'static str, value: &str) -> Self {
        self.secret_env.push((name, value.to_owned()));
        self
    }

    /// Removes variables of this process from the child's environment.
    pub(crate) fn without_env(mut self, names: &[&'static str]) -> Self {
        self.without_env.extend(names);
        self
    }

    /// Sets the text that the child reads from a pipe: for a value that must stay hidden.
    pub(crate) fn stdin(mut self, text: String) -> Self {
        self.stdin = Some(text);
        self
    }

    /// Sets how long the command may be silent.
    pub(crate) fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Sets the `doctor` finding about a missing program; the default is `tools`.
    pub(crate) fn finding(mut self, name: &'static str) -> Self {
        self.finding = name;
        self
    }

    /// Marks a command that may ask a person at the terminal for a password or a touch of a key.
    pub(crate) fn asks(mut self) -> Self {
        self.asks = true;
        self
    }

    /// Marks a command that makes something and then writes its name to `file`: an interruption
    /// waits for that file.
    pub(crate) fn makes(mut self, file: &Path) -> Self {
        self.makes = Some(file.to_owned());
        self
    }

    /// Returns whether the object that the command makes has no name yet.
    pub(super) fn is_making(&self) -> bool {
        let has_name = |it: &PathBuf| it.metadata().is_ok_and(|it| it.len() > 0);
        self.makes.as_ref().is_some_and(|it| !has_name(it))
    }

    /// Returns the command line, shortened in the middle when it is long; a log has all of it.
    /// Credentials are hidden first, since half of one would not be recognised.
    pub(crate) fn in_short(&self) -> String {
        let text = redact(&self.to_string());
        let (start, end) = (text.chars().take(60), text.chars().count());
        if end <= 160 {
            return text;
        }
        start.chain(" … ".chars()).chain(text.chars().skip(end - 60)).collect()
    }

    pub(super) fn command(&self) -> anyhow::Result<Command> {
        if !self.dir.is_dir() {
            bail!("`{self}` is to run in {}, which is not a folder", self.dir.shown());
        }
        let mut command = Command::new(&self.program);
        let env = self.env.iter().chain(&self.secret_env);
        self.without_env.iter().for_each(|it| _ = command.env_remove(it));
        command.args(&self.args).current_dir(&self.dir).envs(env.map(|(k, v)| (k, v)));
        Ok(command)
    }
}

/// Prints the same as [`fmt::Display`], so that no secret value gets into a message.
impl<E> fmt::Debug for Cmd<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Prints a form that can be pasted into a shell; secret values appear as `…`.
impl<E> fmt::Display for Cmd<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(OsStr::new(value)))?;
        }
        for (name, _) in &self.secret_env {
            write!(f, "{name}=… ")?;
        }
        write!(f, "{}", quoted(&self.program))?;
        self.args.iter().try_for_each(|it| write!(f, " {}", quoted(it)))?;
        f.write_str(if self.stdin.is_some() { " < …" } else { "" })
    }
}

/// Returns `arg` quoted for a shell.
pub(crate) fn quoted(arg: &OsStr) -> String {
    let arg = arg.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !arg.is_empty() && arg.chars().all(is_plain) {
        return arg.into_owned();
    }
    if printable::line(&arg) != arg {
        return format!("$'{}'", arg.chars().map(escaped).collect::<String>());
    }
    format!("'{}'", arg.replace('\'', r"'\''"))
}

/// Returns `c` as bash reads it between `$'` and `'`; a terminal shows each as a character.
fn escaped(c: char) -> String {
    match c {
        '\\' | '\'' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\0'..='\x7f' if c.is_control() => format!("\\x{:02x}", u32::from(c)),
        c if printable::line(&c.to_string()).contains(c) => c.to_string(),
        c => format!("\\u{:04x}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bash is the oracle; no byte of a printed command controls the terminal.
    #[test]
    fn a_printed_argument_is_read_back() {
        for arg in
            ["a", "", "a b", "it's", "a\nb", "\x1b]52;c;x\x07'\\n", "\u{9b}1m\u{202e}µ", "\ta\r\n"]
        {
            let printed = quoted(OsStr::new(arg));
            assert_eq!(printable::line(&printed), printed);
            let script = format!("printf %s {printed}");
            assert_eq!(super::super::read(&query!("/", "bash -c {script}")).unwrap(), arg);
        }
    }
}
