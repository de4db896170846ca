//! Failures of a receipt for people: the cell, the last lines of the traceback, and the command
//! that reproduces it.

use std::ffi::OsStr;

use crate::{
    mission::test_kind::TestKind,
    run::{
        printable,
        process::{last_lines, quoted},
    },
    settings::config::Mode,
    testing::{
        image_test::TESTER,
        receipt::{Receipt, Test},
    },
};

/// Number of failures shown with their messages; the others get one line.
const WHOLE: usize = 10;
/// Number of lines of a message that are shown, beside the failed cell.
const LINES: usize = 8;

/// How a failed test can be run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rerun {
    /// In the image, which was built in this mode.
    Image(Mode),
    /// In the image, which was tested in a cluster.
    Cluster(Mode),
    /// In the newest image, with the working tree's tests.
    Dev,
    /// Only with all others: its image is gone.
    Whole,
}

/// Returns the failures of a receipt, '' without any.
pub(crate) fn failures(receipt: &Receipt, rerun: Rerun) -> String {
    let failures: Vec<&Test> = receipt.failures().collect();
    let whole = failures.iter().take(WHOLE).map(|it| failure(&receipt.mission, it, rerun));
    let short = failures.iter().skip(WHOLE).map(|it| {
        let last = last_lines(&it.message, 1);
        format!("{}: {}", it.title(), last.trim())
    });
    whole.chain(short).collect::<Vec<_>>().join("\n")
}

fn failure(mission: &str, test: &Test, rerun: Rerun) -> String {
    let mut lines = vec![test.title()];
    lines.extend(shortened(&test.message).lines().map(|it| format!("    {it}")));
    if rerun != Rerun::Whole {
        lines.push(format!("    again: {}", again(mission, test, rerun)));
    }
    lines.join("\n")
}

/// Returns a message with the lines that show the cell, and its last lines.
fn shortened(message: &str) -> String {
    let is_of_cell = |it: &&str| it.starts_with("in cell [") || it.starts_with("    ");
    let cell: Vec<&str> = match message.starts_with("in cell [") {
        true => message.lines().take_while(is_of_cell).collect(),
        false => Vec::new(),
    };
    let rest: Vec<&str> = message.lines().skip(cell.len()).collect();
    let rest = last_lines(&rest.join("\n"), LINES);
    [cell.join("\n"), rest].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Returns the command that runs a test alone.
fn again(mission: &str, test: &Test, rerun: Rerun) -> String {
    let floating = match rerun {
        Rerun::Image(Mode::Floating) | Rerun::Cluster(Mode::Floating) => " --floating",
        _ => "",
    };
    if test.kind == TestKind::Mission && test.name == TESTER {
        let place = if let Rerun::Cluster(_) = rerun { " --on kubernetes" } else { "" };
        return format!("cargo xtask image-test {mission}{floating}{place} --again");
    }
    if rerun != Rerun::Dev && !test.again.is_empty() {
        return format!(
            "cargo xtask image-exec{floating} --mission {mission} -- {}",
            printable::line(&test.again)
        );
    }
    let name = quoted(OsStr::new(&glob::Pattern::escape(&test.name)));
    let environment = match test.environment.as_str() {
        "" => String::new(),
        it => format!(" --env {it}"),
    };
    let dev = if rerun == Rerun::Dev { " --dev" } else { "" };
    format!("cargo xtask image-test {mission}{floating}{dev}{environment} --only {name}")
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn the_cell_and_the_last_lines_are_shown() {
        let traceback: Vec<String> = (1..20).map(|it| format!("line {it}")).collect();
        let message = format!("in cell [2]:\n    x = 1\n    y\n{}", traceback.join("\n"));
        let short = shortened(&message);
        assert!(short.starts_with("in cell [2]:\n    x = 1\n    y\nline 12\n"), "{short}");
        assert!(short.ends_with("line 19"));
        assert_eq!(shortened("    indented\nlast"), "    indented\nlast");
    }
}
