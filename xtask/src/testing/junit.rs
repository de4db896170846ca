//! Test results as JUnit's XML, which CI servers read: a suite for each environment. Written for
//! the strictest schema, that of Jenkins's xUnit plugin.

use std::collections::BTreeMap;

use maud::{PreEscaped, html};

use crate::{
    run::{printable, redact},
    testing::receipt::{Outcome, Receipt, Test},
};

/// Returns the text of the file.
pub(crate) fn text(receipt: &Receipt) -> String {
    let mut suites: BTreeMap<&str, Vec<&Test>> = BTreeMap::new();
    for test in &receipt.tests {
        suites.entry(&test.environment).or_default().push(test);
    }
    let all: Vec<&Test> = receipt.tests.iter().collect();
    let document = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"))
        testsuites name=(receipt.mission) tests=(all.len()) failures=(failures(&all)) errors="0"
            time=(seconds(receipt.seconds)) {
            @for (environment, tests) in &suites { (suite(receipt, environment, tests)) }
            (PreEscaped("\n"))
        }
        (PreEscaped("\n"))
    };
    printable::document(&document.into_string())
}

fn suite(receipt: &Receipt, environment: &str, tests: &[&Test]) -> maud::Markup {
    let name = match environment {
        "" => receipt.mission.to_string(),
        environment => format!("{}.{environment}", receipt.mission),
    };
    let total: f64 = tests.iter().map(|it| it.seconds).sum();
    html! {
        (PreEscaped("\n  "))
        testsuite name=(name) tests=(tests.len()) failures=(failures(tests)) errors="0" skipped="0"
            time=(seconds(total)) timestamp=(receipt.started.trim_end_matches('Z')) {
            (PreEscaped("\n    "))
            properties {
                property name="image" value=(receipt.image) {}
                property name="platform" value=(receipt.platform) {}
                property name="inputs" value=(receipt.inputs) {}
                @if let Some(it) = tests.iter().find_map(|it| receipt.origin(it)) {
                    property name="carried over from" value=(it.image) {}
                    property name="tested" value=(it.started) {}
                }
            }
            @for it in tests {
                (PreEscaped("\n    "))
                testcase classname=(name) name=(redact::text(&format!("{} {}", it.kind, it.name)))
                    time=(seconds(it.seconds)) {
                    @if it.outcome == Outcome::Failed { (failure(it)) }
                }
            }
            (PreEscaped("\n  "))
        }
    }
}

fn failure(test: &Test) -> maud::Markup {
    let message = redact::text(&test.message);
    // The last line of a traceback names the error.
    let short = message.trim_end().lines().last().unwrap_or_default();
    let again = if test.again.is_empty() { "" } else { "\nagain: " };
    html! {
        failure type=(test.kind) message=(short) { (message) (again) (redact::text(&test.again)) }
    }
}

fn failures(tests: &[&Test]) -> usize {
    tests.iter().filter(|it| it.outcome == Outcome::Failed).count()
}

fn seconds(time: f64) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests;
