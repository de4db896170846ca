//! Findings as annotations of GitHub Actions:
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use crate::run::{finding::Finding, printable};

/// Returns the workflow command that shows `finding` beside its line in a pull request.
pub(crate) fn annotation(finding: &Finding) -> String {
    let Finding { file, line, rule, what, fix } = finding;
    let file = property(&file.to_string_lossy());
    let line = line.map(|it| format!(",line={it}")).unwrap_or_default();
    let text = data(&format!("{}\nfix: {}", printable::line(what), printable::line(fix)));
    format!("::error file={file}{line},title={}::{text}", property(rule))
}

/// Escapes a message, so that no part of it is a command of its own.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[test]
fn a_name_cannot_forge_a_command() {
    let finding = |file: &str, line| Finding {
        file: file.into(),
        line,
        rule: "file-name",
        what: "50 %: a\n::error::b".to_owned(),
        fix: "rename".to_owned(),
    };
    assert_eq!(
        annotation(&finding("a,b:c\n::x", Some(3))),
        "::error file=a%2Cb%3Ac%0A%3A%3Ax,line=3,title=file-name::50 %25: a\u{fffd}::error::b%0Afix: rename"
    );
    assert!(annotation(&finding("a", None)).starts_with("::error file=a,title=file-name::"));
}
