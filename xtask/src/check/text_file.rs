//! Text files are text for every program: UTF-8 without a byte order mark, lines that end in LF,
//! the last one too.

use crate::{
    check::{Facts, File, Refuses, Rule},
    mission::file_content,
    run::{finding::Finding, text_file},
};

pub(crate) const RULE: Rule = Rule {
    name: text_file::TEXT,
    about: "text is UTF-8 without a byte order mark, and lines end in LF",
    refuses: Refuses::Never,
    check,
};

pub(crate) fn check(facts: &Facts) -> Vec<Finding> {
    let generated = facts.generated();
    let files = facts.files.iter().filter(|it| !generated.contains(&it.path));
    files
        .filter(|it| file_content::is_text(&it.path) || it.text.starts_with("#!"))
        .flat_map(check_file)
        .collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    if let Some(finding) = &file.unreadable {
        return Vec::from_iter(Some(finding.clone()).filter(|it| it.rule == RULE.name));
    }
    let text = &file.text;
    let mark = text.starts_with(BYTE_ORDER_MARK).then_some((1, "begins with a byte order mark"));
    let at = text.split_inclusive('\n').position(|it| it.ends_with("\r\n"));
    let cr = at.map(|it| (it + 1, "lines end in CR LF"));
    // Jupyter's own writers differ in this.
    let needs_end = !text.is_empty() && file.path.extension().is_none_or(|it| it != "ipynb");
    let end = (needs_end && !text.ends_with('\n'))
        .then(|| (text.lines().count(), "the last line has no end"));
    let fix = "run `cargo xtask check --fix`, or save it as UTF-8 with LF";
    let wrong = [mark, cr, end].into_iter().flatten();
    wrong.map(|(line, what)| file.finding(RULE.name, Some(line), what, fix)).collect()
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Returns `text` in the required form.
pub(crate) fn corrected(text: &str) -> String {
    let mut res = text.trim_start_matches(BYTE_ORDER_MARK).replace("\r\n", "\n");
    if !res.is_empty() && !res.ends_with('\n') {
        res.push('\n');
    }
    res
}
