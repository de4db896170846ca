//! Summaries of images and their tests for pull requests, as Markdown. Pure. What tests and packages
//! say is text: it has no markup, no HTML and notifies nobody.

use crate::{
    run::{printable, redact, ui},
    testing::{
        differences::Difference,
        page::{Page, Section},
        receipt::{Outcome, Receipt},
    },
};

/// Largest number of rows of a table: a comment has at most 65,536 characters.
const ROWS: usize = 300;

/// Returns a summary of the missions of a report.
pub(crate) fn summary(page: &Page) -> String {
    page.missions.iter().map(mission).collect::<Vec<_>>().join("\n")
}

fn mission(section: &Section) -> String {
    let Section { mission, notes, images, receipt, changes, .. } = section;
    let mut res = format!("## {}\n\n", escaped(mission));
    let receipt = receipt.as_ref();
    res += &receipt.map_or_else(|| "not tested\n".to_owned(), tests);
    notes.iter().for_each(|it| res += &format!("\n{}\n", escaped(it)));
    if !images.is_empty() {
        let size = |it: &crate::testing::page::Image| vec![it.name.clone(), ui::megabytes(it.size)];
        res += &table(&["image", "size"], &images.iter().map(size).collect::<Vec<_>>());
    }
    if let Some(changes) = changes {
        res += &differences(&changes.since, &changes.differences);
    }
    res
}

/// Returns the counts of a receipt's tests, and its failures.
pub(crate) fn tests(receipt: &Receipt) -> String {
    let passed = receipt.tests.iter().filter(|it| it.outcome == Outcome::Passed).count();
    let failed = receipt.tests.len() - passed;
    let part = match (receipt.complete, receipt.network) {
        (false, _) => " (a part of the tests)",
        (true, Some(_)) => " (with an open network, which certifies nothing)",
        (true, None) => "",
    };
    let mut res = match failed {
        0 => format!("{passed} tests passed{part}\n"),
        _ => format!("{passed} tests passed, **{failed} failed**{part}\n"),
    };
    for (environment, origin) in receipt.carried_over() {
        res += &format!("- {}: {}\n", escaped(environment), escaped(&origin.note()));
    }
    for it in receipt.failures().take(ROWS) {
        let last = it.message.lines().rev().find(|it| !it.trim().is_empty()).unwrap_or_default();
        res += &format!("- {}: {}\n", escaped(&it.title()), escaped(last));
    }
    res
}

fn differences(since: &str, differences: &[Difference]) -> String {
    if differences.is_empty() {
        return format!("\nthe same contents as {}\n", escaped(since));
    }
    let row = |it: &Difference| {
        let cell = |it: &Option<String>| it.clone().unwrap_or_default();
        let kind = match (&it.old, &it.new) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        let place = it.place().to_owned();
        vec![place, it.name.clone(), cell(&it.old), cell(&it.new), kind.to_owned()]
    };
    let rows: Vec<Vec<String>> = differences.iter().map(row).collect();
    let heads = ["part", "package", "before", "after", ""];
    format!("\nSince {}:\n{}", escaped(since), table(&heads, &rows))
}

/// Returns a table after an empty line.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut res = "\n".to_owned() + &line(heads.iter().map(|it| (*it).to_owned()).collect());
    res += &line(vec!["---".to_owned(); heads.len()]);
    for row in rows.iter().take(ROWS) {
        res += &line(row.iter().map(|it| escaped(it)).collect());
    }
    match rows.len().saturating_sub(ROWS) {
        0 => res,
        more => format!("{res}\n{more} more.\n"),
    }
}

/// Returns `text` on one line, without the characters to which Markdown gives a meaning, as HTML's
/// references: a backslash before them would not hold in every place.
pub(crate) fn escaped(text: &str) -> String {
    let mut res = String::new();
    for c in redact::redact(&printable::line(text)).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '(' | ')' | '#' | '!'
            | '|' | '~' | '&' | '@' | '$' => res += &format!("&#{};", u32::from(c)),
            c => res.push(c),
        }
    }
    // Links that need no markup.
    res.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests;
