//! The commands of a RUN wherever they are: in `&&` chains, in `bash -c '…'`, in `"$(…)"`.

use crate::mission::dockerfile::{
    parse::{Instruction, exec_form},
    shell::{self, Command, Operator},
};

/// Deepest nesting of lines in lines that is searched.
const DEPTH: usize = 6;

/// Words before a program that are not programs of interest: shell keywords, and programs that
/// start another one.
const BEFORE: [&str; 22] = [
    "!", "{", "if", "then", "else", "elif", "do", "while", "until", "time", "exec", "command",
    "builtin", "eval", "env", "sudo", "nice", "nohup", "xargs", "stdbuf", "setsid", "busybox",
];

/// Programs whose arguments are text, packages of the distribution, or files, whatever their names.
const OTHERS: [&str; 23] = [
    "echo", "printf", "apt", "apt-get", "aptitude", "dpkg", "rm", "ls", "cp", "mv", "ln", "mkdir",
    "chmod", "chown", "test", "[", "[[", "which", "type", "grep", "sed", "cat", "touch",
];

/// Returns the commands of a RUN, in written order.
pub(crate) fn commands(run: &Instruction) -> Vec<Command> {
    let mut res = Vec::new();
    match exec_form(&run.args) {
        Some(words) => add(Command { words, then: Operator::End }, DEPTH, &mut res),
        None => add_line(&run.args, DEPTH, &mut res),
    }
    res
}

fn add_line(line: &str, depth: usize, res: &mut Vec<Command>) {
    for command in shell::commands(&without_backticks(line)).unwrap_or_default() {
        add(command, depth, res);
    }
}

/// Returns `line` with `$(…)` instead of backticks.
pub(crate) fn without_backticks(line: &str) -> String {
    let parts = line.split('`').enumerate();
    parts.map(|(at, it)| if at % 2 == 1 { format!("$({it})") } else { it.to_owned() }).collect()
}

fn add(command: Command, depth: usize, res: &mut Vec<Command>) {
    let at = res.len();
    if depth > 0 {
        inner_lines(&command.words).into_iter().for_each(|it| add_line(it, depth - 1, res));
    }
    res.insert(at, command);
}

/// Returns the shell lines in the words of a command: that of `bash -c`, and those in `$(…)`.
fn inner_lines(words: &[String]) -> Vec<&str> {
    let is_eval = words.iter().any(|it| it == "eval");
    let texts = words.iter().filter(|it| is_eval && it.contains(' ')).map(String::as_str);
    let shell = shell_line(words).map(|(_, line)| line);
    shell.into_iter().chain(substitutions(words)).chain(texts).collect()
}

/// Returns the line that a command passes to a shell, and the shell's options before it.
pub(crate) fn shell_line(words: &[String]) -> Option<(&[String], &str)> {
    let shells = ["bash", "sh", "dash", "zsh", "ash", "su"];
    let at = words.iter().position(|it| shells.contains(&name(it)))? + 1;
    let is_c = |it: &String| it.starts_with('-') && !it.starts_with("--") && it.ends_with('c');
    let line = at + words[at..].iter().position(is_c)? + 1;
    Some((&words[at..line], words.get(line)?))
}

/// Returns the content of the outer `$(…)` of words. A word is without its quotes: `"$(a "b")"` is
/// `$(a b)`.
pub(crate) fn substitutions(words: &[String]) -> Vec<&str> {
    let mut res = Vec::new();
    for word in words {
        let mut rest = word.as_str();
        while let Some((_, inside)) = rest.split_once("$(") {
            let Some(end) = closing(inside) else { break };
            res.extend(Some(&inside[..end]).filter(|it| !it.starts_with('(')));
            rest = &inside[end..];
        }
    }
    res
}

/// Returns the position of the parenthesis that closes the one before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.find(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    })
}

/// Returns the last part of a program's path.
pub(crate) fn name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Returns whether `word` is `NAME=value`.
pub(crate) fn is_assignment(word: &str) -> bool {
    let is_name = |it: &str| {
        !it.is_empty() && it.chars().all(|c| c.is_ascii_alphanumeric() || "_+".contains(c))
    };
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

/// Returns the program that `words` start, without the words before it, and its arguments.
pub(crate) fn program(words: &[String]) -> Option<(&str, &[String])> {
    let is_before =
        |it: &String| BEFORE.contains(&name(it)) || is_assignment(it) || it.starts_with('-');
    let at = words.iter().position(|it| !is_before(it))?;
    Some((name(&words[at]), &words[at + 1..]))
}

/// Returns whether a word of a command may start another program: `timeout 9 pip …`, not
/// `echo pip …`.
pub(crate) fn may_start(words: &[String]) -> bool {
    program(words).is_some_and(|(name, _)| !OTHERS.contains(&name))
}

#[test]
fn commands_are_found_wherever_they_are() {
    #[track_caller]
    fn check(args: &str, expect: &[&str]) {
        let text = format!("FROM a\nRUN {args}\n");
        let file =
            crate::mission::dockerfile::parse::parse(std::path::Path::new("x"), &text).unwrap();
        let found = commands(&file.instructions[1]);
        let found: Vec<String> = found.iter().map(|it| it.words.join(" ")).collect();
        for it in expect {
            assert!(found.contains(&(*it).to_owned()), "{it}: {found:?}");
        }
    }
    check("a \\\n  && b || c; (d | e)", &["a", "b", "c", "d", "e"]);
    check("bash -c \"$(curl -fsSL x)\"", &["curl -fsSL x"]);
    check("sudo -u me bash -lc 'a && sh -c \"b c\"'", &["a", "b c"]);
    check("su - me -c 'a b'", &["a b"]);
    check("x=\"$(a \"b\")\" && y=z", &["a b"]);
    check("y=`c d` && echo \"`e f`\"", &["c d", "e f"]);
    check("bash <(curl x)", &["curl x"]);
    check("eval \"a b\"", &["a b"]);
    check("[\"bash\", \"-ec\", \"a; b\"]", &["a", "b"]);
    check("[\"pip\", \"install\", \"x\"]", &["pip install x"]);
    let words = shell_words::split("A=1 sudo -E env B=2 /usr/bin/pip install x").unwrap();
    assert_eq!(program(&words).unwrap().0, "pip");
}
