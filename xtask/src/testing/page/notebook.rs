//! An executed notebook: its cells, their output, and the position of the failure. The format:
//! <https://nbformat.readthedocs.io/en/latest/format_description.html>.

use maud::{Markup, html};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag};
use serde_json::Value;

use super::{Notebook, badge};
use crate::{
    run::{redact, ui},
    testing::sanitise::{self, Outline, PICTURES},
};

/// Level of the heading with the notebook's name.
const LEVEL: u8 = 4;

/// Number of characters shown of one printed text.
const LIMIT: usize = 50_000;

/// Largest HTML of an output, or largest Markdown text, in bytes.
const LARGEST: usize = 5_000_000;

pub(super) fn details(notebook: &Notebook, anchor: &str, failed: bool) -> Markup {
    let document = serde_json::from_str::<Value>(&redact::json(&notebook.text));
    let is_open = failed || document.as_ref().is_ok_and(has_figure);
    html! {
        details.notebook open[is_open] {
            summary {
                h4 { (notebook.environment) ": " (notebook.name) @if failed { " " (badge(false)) } }
            }
            // The anchor is inside, so that a link opens the folded element around it.
            div.inside id=(anchor) {
                @match document {
                    Ok(it) => (cells(&it, &notebook.name)),
                    Err(err) => p.note { "It cannot be read: " (err) },
                }
            }
        }
    }
}

/// Returns whether a cell has a picture among its outputs.
fn has_figure(document: &Value) -> bool {
    let cells = document["cells"].as_array().into_iter().flatten();
    let outputs = cells.flat_map(|it| it["outputs"].as_array().into_iter().flatten());
    let kinds = outputs.flat_map(|it| it["data"].as_object().into_iter().flatten());
    kinds.into_iter().any(|(kind, _)| kind.starts_with("image/"))
}

fn cells(document: &Value, name: &str) -> Markup {
    let mut outline = Outline { around: LEVEL, last: LEVEL };
    let cells = document["cells"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        @for cell in cells {
            @match cell["cell_type"].as_str() {
                Some("markdown") => div.text {
                    (markdown(&joined(&cell["source"]), &cell["attachments"], &mut outline))
                },
                Some("code") => (code(cell, name, &mut outline)),
                _ => pre { (cut(&joined(&cell["source"]))) },
            }
        }
    }
}

/// Joins a text, which the format stores in one piece or in lines.
fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn markdown(text: &str, attachments: &Value, outline: &mut Outline) -> Markup {
    if text.len() > LARGEST {
        return too_large(text);
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH;
    let events = Parser::new_ext(text, options).map(|it| match it {
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            let dest_url = attached(&dest_url, attachments).map_or(dest_url, CowStr::from);
            Event::Start(Tag::Image { link_type, dest_url, title, id })
        }
        // Formulas stay as typed: a renderer would have to be loaded.
        Event::InlineMath(text) | Event::DisplayMath(text) => Event::Code(text),
        other => other,
    });
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events);
    sanitise::sanitised(&html, outline)
}

/// Returns the picture of `attachment:name`, which the cell contains.
fn attached(url: &str, attachments: &Value) -> Option<String> {
    let bundle = attachments.get(url.strip_prefix("attachment:")?)?.as_object()?;
    let (mime, data) = bundle.iter().next()?;
    Some(format!("data:{mime};base64,{}", joined(data)))
}

fn code(cell: &Value, notebook: &str, outline: &mut Outline) -> Markup {
    let outputs = cell["outputs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed = outputs.iter().any(|it| it["output_type"] == "error");
    let number = cell["execution_count"].as_u64();
    let label = number.map_or("[ ]".to_owned(), |it| format!("[{it}]"));
    let mut pictures = 0;
    html! {
        div.cell.failed[failed] {
            p.label { "Cell " (label) @if failed { " " (badge(false)) } }
            pre.source { code { (cut(&joined(&cell["source"]))) } }
            @for it in outputs { (output(it, &label, notebook, &mut pictures, outline)) }
        }
    }
}

fn output(
    output: &Value,
    cell: &str,
    notebook: &str,
    pictures: &mut usize,
    outline: &mut Outline,
) -> Markup {
    match output["output_type"].as_str() {
        Some("stream") if output["name"] == "stderr" => {
            html! { pre.stderr { (cut(&joined(&output["text"]))) } }
        }
        Some("stream") => html! { pre { (cut(&joined(&output["text"]))) } },
        Some("error") => html! { pre.error { (cut(&traceback(output))) } },
        _ => {
            let data = &output["data"];
            if let Some(src) = PICTURES.iter().find_map(|mime| picture(mime, data)) {
                *pictures += 1;
                let alt = format!("Picture {pictures} that cell {cell} of {notebook} drew");
                return html! { img src=(src) alt=(alt); };
            }
            shown(data, outline)
        }
    }
}

/// Returns the richest form of an output that can be shown without running it.
fn shown(data: &Value, outline: &mut Outline) -> Markup {
    let text = |mime: &str| data.get(mime).map(joined);
    if let Some(html) = text("text/html") {
        if html.len() > LARGEST {
            return too_large(&html);
        }
        let html = sanitise::sanitised(&html, outline);
        // Content that only a script could draw leaves nothing; the plain text then describes it.
        if !html.0.trim().is_empty() {
            return html! {
                div.scroll role="group" tabindex="0" aria-label="Output" { (html) }
            };
        }
    }
    if let Some(text) = text("text/markdown") {
        return html! { div.text { (markdown(&text, &Value::Null, outline)) } };
    }
    let text = text("text/plain").or_else(|| text("text/latex")).unwrap_or_default();
    html! { pre { (cut(&text)) } }
}

fn too_large(text: &str) -> Markup {
    html! { p.note { "Left out: " (ui::megabytes(text.len() as u64)) "." } }
}

/// Returns a data URL that contains the picture.
fn picture(mime: &str, data: &Value) -> Option<String> {
    let data = joined(data.get(mime)?);
    if mime == "image/svg+xml" {
        let bytes = data.bytes().map(|it| match it {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'/' | b'=' | b':' => {
                char::from(it).to_string()
            }
            it => format!("%{it:02X}"),
        });
        return Some(format!("data:{mime},{}", bytes.collect::<String>()));
    }
    let base64: String = data.split_whitespace().collect();
    Some(format!("data:{mime};base64,{base64}"))
}

fn traceback(output: &Value) -> String {
    let lines = output["traceback"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
    if lines.is_empty() {
        return format!("{}: {}", joined(&output["ename"]), joined(&output["evalue"]));
    }
    lines.join("\n")
}

/// Returns the start of a long text, and the number of missing characters.
pub(super) fn cut(text: &str) -> String {
    let text = redact::text(text);
    match text.char_indices().nth(LIMIT) {
        None => text,
        Some((idx, _)) => {
            let more = text[idx..].chars().count();
            format!("{}\n… and {more} more characters", &text[..idx])
        }
    }
}
