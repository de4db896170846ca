//! Splits a shell line into its commands, as far as a check needs it: quotes, comments and the
//! operators between commands. Nothing is expanded.

/// Operator after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    And,
    Or,
    Pipe,
    /// `;` or a line end.
    Semicolon,
    /// `;;` of a `case`.
    CaseEnd,
    /// `&`.
    Background,
    /// `(`, also of `$(`.
    Open,
    Close,
    End,
}

/// A simple command, and the operator after it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) words: Vec<String>,
    pub(crate) then: Operator,
}

/// Returns the commands of `text` in order; commands without a word are left out, unless an
/// operator other than a line end follows them.
pub(crate) fn commands(text: &str) -> anyhow::Result<Vec<Command>> {
    let chars = scan(text);
    let mut res = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < chars.len() {
        if let Some((operator, length)) = operator(&chars, at) {
            res.push(command(&chars[start..at], operator)?);
            at += length;
            start = at;
        } else if starts_comment(&chars, at) {
            res.push(command(&chars[start..at], Operator::Semicolon)?);
            at = chars[at..].iter().position(|it| it.c == '\n').map_or(chars.len(), |n| at + n);
            start = at;
        } else {
            at += 1;
        }
    }
    res.push(command(&chars[start..], Operator::End)?);
    res.retain(|it| {
        !it.words.is_empty() || !matches!(it.then, Operator::Semicolon | Operator::End)
    });
    Ok(res)
}

/// Returns the delimiter of the first here-document in `text`: `EOF` of `cat <<-'EOF'`.
pub(crate) fn heredoc(text: &str) -> Option<String> {
    let chars = scan(text);
    let plain = |at: usize, c| chars.get(at).is_some_and(|it| it.plain && it.c == c);
    (0..chars.len()).find_map(|at| {
        let opens = plain(at, '<') && plain(at + 1, '<') && !plain(at + 2, '<');
        if !opens {
            return None;
        }
        let descriptor = chars[..at].iter().rev().take_while(|it| it.c.is_ascii_digit()).count();
        if at > descriptor && !chars[at - descriptor - 1].c.is_whitespace() {
            return None;
        }
        let rest = chars[at + 2..].iter().map(|it| it.c).skip_while(|c| *c == '-');
        let word: String =
            rest.take_while(|c| !c.is_whitespace() && !";&|)".contains(*c)).collect();
        Some(word.replace(['\'', '"', '\\'], "")).filter(|it| !it.is_empty())
    })
}

/// A character, and whether the shell interprets it: not quoted, not escaped.
#[derive(Debug, Clone, Copy)]
struct Char {
    c: char,
    plain: bool,
}

fn scan(text: &str) -> Vec<Char> {
    let mut quote = None;
    let mut escaped = false;
    let mut res = Vec::new();
    for c in text.chars() {
        let plain = quote.is_none() && !escaped && !"\\'\"".contains(c);
        res.push(Char { c, plain });
        if escaped {
            escaped = false;
        } else if c == '\\' && quote != Some('\'') {
            escaped = true;
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && (c == '\'' || c == '"') {
            quote = Some(c);
        }
    }
    res
}

/// Returns the operator at `at`, and its number of characters.
fn operator(chars: &[Char], at: usize) -> Option<(Operator, usize)> {
    let is = |at: usize, c| chars.get(at).is_some_and(|it| it.plain && it.c == c);
    let redirects = is(at + 1, '>') || at > 0 && (is(at - 1, '>') || is(at - 1, '<'));
    if !chars[at].plain {
        return None;
    }
    match chars[at].c {
        '&' if is(at + 1, '&') => Some((Operator::And, 2)),
        '|' if is(at + 1, '|') => Some((Operator::Or, 2)),
        ';' if is(at + 1, ';') => Some((Operator::CaseEnd, 2)),
        '|' if is(at + 1, '&') => Some((Operator::Pipe, 2)),
        '&' if !redirects => Some((Operator::Background, 1)),
        '|' if !redirects || is(at + 1, '>') => Some((Operator::Pipe, 1)),
        ';' | '\n' => Some((Operator::Semicolon, 1)),
        '(' => Some((Operator::Open, 1)),
        ')' => Some((Operator::Close, 1)),
        _ => None,
    }
}

fn starts_comment(chars: &[Char], at: usize) -> bool {
    let after_space =
        at == 0 || chars[at - 1].c.is_whitespace() || ";&|()".contains(chars[at - 1].c);
    chars[at].plain && chars[at].c == '#' && after_space
}

fn command(chars: &[Char], then: Operator) -> anyhow::Result<Command> {
    let text: String = chars.iter().map(|it| it.c).collect();
    Ok(Command { words: shell_words::split(&text)?, then })
}
