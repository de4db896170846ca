//! Page of `report`: turns plain data into one HTML file that loads nothing and runs nothing. Pure.

mod notebook;

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    mission::test_kind::TestKind,
    run::{printable, redact, ui},
    testing::{
        differences::Difference,
        receipt::{Installed, Origin, Outcome, Receipt, Test},
    },
    tools::image_name,
};

/// Content of the page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Time of the report, RFC 3339.
    pub(crate) made: String,
    pub(crate) missions: Vec<Section>,
}

/// Content about a mission.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) mission: String,
    /// Reasons for missing content.
    pub(crate) notes: Vec<String>,
    /// Image that the chain starts from, if it is another registry's.
    pub(crate) starts_from: Option<String>,
    /// Images of the chain, the mission's last.
    pub(crate) images: Vec<Image>,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) changes: Option<Changes>,
    pub(crate) notebooks: Vec<Notebook>,
}

/// Changes since another image was published.
#[derive(Debug)]
pub(crate) struct Changes {
    /// Name of the other image.
    pub(crate) since: String,
    pub(crate) differences: Vec<Difference>,
}

#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) inputs: String,
    /// Size in bytes.
    pub(crate) size: u64,
}

/// A notebook that a test executed.
#[derive(Debug)]
pub(crate) struct Notebook {
    pub(crate) environment: String,
    pub(crate) name: String,
    /// Text of the file.
    pub(crate) text: String,
}

/// Browser policy against loading anything, whatever gets into the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

pub(crate) fn text(page: &Page) -> String {
    let title = match page.missions.as_slice() {
        [one] => format!("Image report: {}", one.mission),
        _ => "Image report".to_owned(),
    };
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("page/style.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the results" }
                header { h1 { (title) } p { "Made " time datetime=(page.made) { (page.made) } } }
                nav aria-label="Contents" { (contents(page)) }
                main id="main" tabindex="-1" { @for it in &page.missions { (mission(it)) } }
            }
        }
    };
    printable::document(&document.into_string())
}

fn contents(page: &Page) -> Markup {
    html! {
        ul {
            @for it in &page.missions {
                li {
                    a href={ "#" (it.mission) } { (it.mission) } " " (verdict(it))
                    ul {
                        @for (idx, notebook) in it.notebooks.iter().enumerate() {
                            li {
                                a href={ "#" (anchor(it, idx)) } {
                                    (notebook.environment) ": " (notebook.name)
                                }
                                @if has_failed(it, notebook) { " " (badge(false)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn anchor(section: &Section, idx: usize) -> String {
    format!("{}-notebook-{}", section.mission, idx + 1)
}

fn badge(passed: bool) -> Markup {
    if passed {
        html! { span.badge.passed { "passed" } }
    } else {
        html! { span.badge.failed { "failed" } }
    }
}

fn verdict(section: &Section) -> Markup {
    match &section.receipt {
        None => html! { span.badge.unknown { "not tested" } },
        Some(it) if it.passed() => badge(true),
        Some(it) if it.failures().next().is_none() && it.network.is_some() => {
            html! { span.badge.unknown { "tested with an open network" } }
        }
        Some(it) if it.failures().next().is_none() => {
            html! { span.badge.unknown { "partly tested" } }
        }
        Some(_) => badge(false),
    }
}

fn mission(section: &Section) -> Markup {
    html! {
        section aria-labelledby=(section.mission) {
            h2 id=(section.mission) tabindex="-1" { (section.mission) " " (verdict(section)) }
            @for note in &section.notes { p.note { (redact::text(note)) } }
            @if let Some(receipt) = &section.receipt { (facts(receipt)) }
            (failures(section))
            @if let Some(it) = &section.changes { (changes(it)) }
            (images(section))
            @if let Some(receipt) = &section.receipt {
                (environments(receipt))
                (tests(section, receipt))
            }
            @if !section.notebooks.is_empty() {
                h3 { "Notebooks" }
                @for (idx, it) in section.notebooks.iter().enumerate() {
                    (notebook::details(it, &anchor(section, idx), has_failed(section, it)))
                }
            }
        }
    }
}

fn facts(receipt: &Receipt) -> Markup {
    let passed = receipt.tests.iter().filter(|it| it.outcome == Outcome::Passed).count();
    let mode = if receipt.frozen_specs.is_empty() { "floating" } else { "frozen" };
    html! {
        dl.facts {
            div { dt { "Tests" } dd { (passed) " passed, " (receipt.tests.len() - passed) " failed" } }
            div { dt { "Tested" } dd { time datetime=(receipt.started) { (receipt.started) } } }
            div { dt { "Duration" } dd { (seconds(receipt.seconds)) } }
            div { dt { "Platform" } dd { (receipt.platform) } }
            div { dt { "Packages" } dd { (mode) } }
            @if !receipt.commit.is_empty() {
                div.wide { dt { "Commit" } dd { code { (receipt.commit) } } }
            }
            @if !receipt.contents.jupyterhub.is_empty() {
                div { dt { "JupyterHub" } dd { (receipt.contents.jupyterhub) } }
            }
            @for it in &receipt.published {
                div.wide {
                    dt { "Published" }
                    dd { code { (it.repository) ":" (it.tag) } br; (digest(&it.digest.to_string())) }
                }
            }
        }
    }
}

/// Returns the failures and the commands that run them again, at the top of the section.
fn failures(section: &Section) -> Markup {
    let failed: Vec<&Test> = section.receipt.iter().flat_map(Receipt::failures).collect();
    html! {
        @if !failed.is_empty() {
            h3 { "Failures" }
            @for it in failed {
                article.failure {
                    h4 { (badge(false)) " " (redact::text(&it.title())) }
                    @if let Some(link) = link(section, it) { p { (link) } }
                    @if !it.message.is_empty() { pre { (notebook::cut(&it.message)) } }
                    @if !it.again.is_empty() { p { "Again: " code { (redact::text(&it.again)) } } }
                }
            }
        }
    }
}

/// Number of changes that are shown without being opened.
const FEW: usize = 30;

fn changes(changes: &Changes) -> Markup {
    let Changes { since, differences } = changes;
    let version = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
    let rows = html! {
        @for it in differences {
            tr {
                th scope="row" { (redact::text(&it.name)) }
                td { (redact::text(it.place())) }
                td { (redact::text(&version(&it.old))) }
                td { (redact::text(&version(&it.new))) }
            }
        }
    };
    let list = table(&["Changed", "In", "Before", "Now"], rows);
    html! {
        h3 { "Changes since " code { (since) } }
        @if differences.is_empty() {
            p { "The receipts of both images list the same contents." }
        } @else if differences.len() <= FEW {
            (list)
        } @else {
            details { summary { (differences.len()) " changes" } (list) }
        }
    }
}

fn images(section: &Section) -> Markup {
    html! {
        @if !section.images.is_empty() {
            h3 { "Images" }
            @if let Some(reference) = &section.starts_from {
                p { "They start from " code { (reference) } "." }
            }
            (table(&["Image", "Size", "Image id", "Inputs digest"], html! {
                @for it in &section.images {
                    tr {
                        th scope="row" { (it.name) }
                        td.number { (ui::megabytes(it.size)) }
                        td { (digest(&it.id)) }
                        td { (digest(&it.inputs)) }
                    }
                }
            }))
        }
    }
}

fn environments(receipt: &Receipt) -> Markup {
    let mut names: BTreeMap<&str, Option<&Installed>> = BTreeMap::new();
    for it in receipt.tests.iter().filter(|it| !it.environment.is_empty()) {
        names.insert(&it.environment, None);
    }
    let known = receipt.contents.environments.iter();
    names.extend(known.map(|(name, installed)| (&**name, Some(installed))));
    let heads =
        ["Environment", "Python", "Packages", "Passed", "Failed", "Duration", "Frozen spec"];
    html! {
        h3 { "Environments" }
        (table(&heads, html! {
            @for (name, installed) in &names { (environment(receipt, name, *installed)) }
        }))
        @for (name, installed) in &names {
            @if let Some(installed) = installed { (packages(name, installed)) }
        }
    }
}

fn environment(receipt: &Receipt, name: &str, installed: Option<&Installed>) -> Markup {
    let tests: Vec<&Test> = receipt.tests.iter().filter(|it| it.environment == name).collect();
    let passed = tests.iter().filter(|it| it.outcome == Outcome::Passed).count();
    let total: f64 = tests.iter().map(|it| it.seconds).sum();
    let spec = receipt.frozen_specs.get(name);
    html! {
        tr {
            th scope="row" { (name) }
            td { (installed.map_or("-", |it| &it.python)) }
            td.number { (installed.map_or("-".to_owned(), |it| it.packages.len().to_string())) }
            td.number { (passed) }
            td.number { (tests.len() - passed) }
            td.number { (seconds(total)) }
            td { @if let Some(spec) = spec { (digest(spec)) } @else { "-" } }
        }
    }
}

fn packages(environment: &str, installed: &Installed) -> Markup {
    html! {
        details {
            summary { "Packages of " (environment) }
            (table(&["Package", "Version"], html! {
                @for (name, version) in &installed.packages {
                    tr { th scope="row" { (name) } td { (version) } }
                }
            }))
        }
    }
}

/// Returns the tests by environment, then those of the image as a whole; failed ones first.
fn tests(section: &Section, receipt: &Receipt) -> Markup {
    let mut groups: BTreeMap<(bool, &str), Vec<&Test>> = BTreeMap::new();
    for it in &receipt.tests {
        let group = (it.environment.is_empty(), it.environment.as_str());
        groups.entry(group).or_default().push(it);
    }
    let has_passed = |it: &&Test| it.outcome == Outcome::Passed;
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.iter_mut().for_each(|(_, tests)| tests.sort_by_key(has_passed));
    groups.sort_by_key(|(_, tests)| tests.iter().all(has_passed));
    html! {
        h3 { "Tests" }
        @for ((is_of_image, name), tests) in &groups {
            h4 { @if *is_of_image { "The image as a whole" } @else { (name) } }
            (table(&["Outcome", "Kind", "Test", "Duration"], html! {
                @for it in tests { (test(section, it, receipt.origin(it))) }
            }))
        }
    }
}

fn test(section: &Section, it: &Test, origin: Option<&Origin>) -> Markup {
    html! {
        tr {
            td { (badge(it.outcome == Outcome::Passed)) }
            td { (it.kind) }
            td {
                (redact::text(&it.name))
                @if let Some(link) = link(section, it) { " " (link) }
                @if let Some(origin) = origin { " (" (origin.note()) ")" }
            }
            td.number { (seconds(it.seconds)) }
        }
    }
}

/// Returns the start of a digest; all of it is shown by a pointer, and copied from the receipt.
fn digest(text: &str) -> Markup {
    html! { code title=(text) { (image_name::short(text)) } }
}

/// Returns a table that can be scrolled by keyboard where it is too wide.
fn table(heads: &[&str], rows: Markup) -> Markup {
    let label = format!("Table: {}", heads.join(", "));
    html! {
        div.scroll role="group" tabindex="0" aria-label=(label) {
            table {
                thead { tr { @for it in heads { th scope="col" { (it) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// Returns a link from a test to its notebook on this page.
fn link(section: &Section, test: &Test) -> Option<Markup> {
    let is_it = |it: &Notebook| test.kind == TestKind::Notebook && is_of(it, test);
    let idx = section.notebooks.iter().position(is_it)?;
    let label = format!("the executed {}", test.name);
    Some(html! { a href={ "#" (anchor(section, idx)) } aria-label=(label) { "as executed" } })
}

fn is_of(notebook: &Notebook, test: &Test) -> bool {
    notebook.environment == test.environment && notebook.name == test.name
}

fn has_failed(section: &Section, notebook: &Notebook) -> bool {
    section.receipt.iter().flat_map(Receipt::failures).any(|it| is_of(notebook, it))
}

fn seconds(time: f64) -> String {
    format!("{time:.1} s")
}

#[cfg(test)]
mod tests;
