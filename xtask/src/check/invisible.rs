//! Characters that look like a blank or like nothing, such as a no-break space of a web page, are in
//! no line that a program reads: the message about them would not show them. Rule `spec-lines` finds
//! them in lists, and `imports-names` in lists of imports.

use crate::{
    check::{Facts, File, Refuses, Rule},
    run::{finding::Finding, printable::is_invisible},
    specs::{self, Kind, read::without_comment, requirement, yml},
};

pub(crate) const RULE: Rule = Rule {
    name: "invisible",
    about: "no line that programs read has an invisible character",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let generated = facts.generated();
    let files = facts.files.iter().filter(|it| !generated.contains(&it.path));
    files.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let is_shell = file.text.starts_with("#!") || name.ends_with(".sh");
    let is_read =
        name == "Dockerfile" || name.starts_with("Dockerfile.") || name == ".dockerignore";
    let lines: Vec<(usize, String)> = if is_shell || is_read {
        let lines = file.text.lines().enumerate();
        lines.map(|(at, line)| (at + 1, without_comment(line).to_owned())).collect()
    } else if specs::kind(&file.path) == Some(Kind::Yaml) && is_in_environment(file) {
        let document = yml::parse(&file.path, &file.text).unwrap_or_default();
        document.channels.into_iter().map(|it| (it.line, it.text)).collect()
    } else {
        Vec::new()
    };
    let found = lines.into_iter().filter_map(|(line, text)| Some((line, in_code(&text)?)));
    found
        .map(|(line, c)| {
            let what = format!("invisible character U+{:04X}", u32::from(c));
            file.finding(RULE.name, Some(line), what, requirement::INVISIBLE)
        })
        .collect()
}

fn is_in_environment(file: &File) -> bool {
    let mut parts = file.path.iter();
    parts.next().is_some_and(|it| it == "missions")
        && parts.nth(1).is_some_and(|it| it == "environments")
}

/// Returns the first invisible character of a line; in quotes it may be meant.
fn in_code(line: &str) -> Option<char> {
    let has_quotes = line.contains(['"', '\'']);
    line.trim_start_matches('\u{feff}').chars().find(|it| is_invisible(*it)).filter(|_| !has_quotes)
}
