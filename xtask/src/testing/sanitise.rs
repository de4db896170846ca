//! Sanitises untrusted text and HTML for the report.

use std::collections::BTreeMap;

use html5gum::{DefaultEmitter, HtmlString, Spanned, Token, Tokenizer};
use maud::{Escaper, Markup, PreEscaped};

use crate::run::redact;

/// Elements that are kept, without their attributes.
const KEPT: &[&str] = &[
    "b",
    "blockquote",
    "br",
    "caption",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "hr",
    "i",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "var",
];

/// Elements that are removed with their content.
const DROPPED: &[&str] = &[
    "button", "iframe", "math", "noscript", "object", "script", "select", "style", "svg",
    "template", "textarea", "title",
];

/// Elements without an end tag.
const VOID: &[&str] = &["br", "hr", "img"];

/// Most elements that may be open at once: of deeper ones only the text is kept.
const DEEPEST: usize = 200;

/// Levels of headings in a text, so that they fit below those around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outline {
    /// Level of the heading around the text.
    pub(crate) around: u8,
    /// Level of the last heading.
    pub(crate) last: u8,
}

/// Returns the safe part of `html`: the elements named above, pictures in the text itself, and
/// links that a reader must click. The result is written from tokens, with every element closed, so
/// nothing in it can run, load anything, or reach out of its place.
pub(crate) fn sanitised(html: &str, outline: &mut Outline) -> Markup {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let tokens: Vec<Token> = Tokenizer::new_with_emitter(html, emitter).flatten().collect();
    let mut rest = tokens.iter().peekable();
    let mut out = Out::default();
    while let Some(token) = rest.next() {
        match token {
            Token::StartTag(tag) => {
                let is_empty = |it: &&Token| matches!(it, Token::EndTag(it) if it.name == tag.name);
                let name = String::from_utf8_lossy(&tag.name);
                let has_text = rest.peek().is_some_and(|it| !is_empty(it));
                out.start(&name, &tag.attributes, has_text, outline);
                if tag.self_closing {
                    out.end(&name);
                }
            }
            Token::EndTag(tag) => out.end(&String::from_utf8_lossy(&tag.name)),
            Token::String(text) => out.text(&String::from_utf8_lossy(text)),
            _ => (),
        }
    }
    out.finish()
}

type Attributes = BTreeMap<HtmlString, Spanned<HtmlString, ()>>;

/// Output of the HTML so far.
#[derive(Default)]
struct Out {
    html: String,
    /// Open elements: their names in the input and in the output.
    open: Vec<(String, String)>,
    /// Open elements among the removed ones.
    dropped: Vec<String>,
}

impl Out {
    fn start(&mut self, name: &str, with: &Attributes, has_text: bool, outline: &mut Outline) {
        if self.dropped.len() + self.open.len() >= DEEPEST {
            return;
        }
        if !self.dropped.is_empty() || DROPPED.contains(&name) {
            self.dropped.push(name.to_owned());
            return;
        }
        let value = |name: &[u8]| with.get(name).map(|it| String::from_utf8_lossy(it).into_owned());
        let (tag, attributes) = match name {
            "img" => ("img".to_owned(), picture(value(b"src"), value(b"alt"))),
            "a" => ("a".to_owned(), link(value(b"href"))),
            // A screen reader does not treat a header cell without text as one.
            "th" if !has_text => ("td".to_owned(), Some(spans(&value))),
            "td" | "th" => (name.to_owned(), Some(spans(&value))),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                (heading(name, outline), Some(String::new()))
            }
            _ if KEPT.contains(&name) => (name.to_owned(), Some(String::new())),
            _ => (String::new(), None),
        };
        let Some(attributes) = attributes else { return };
        self.html += &format!("<{tag}{attributes}>");
        if !VOID.contains(&tag.as_str()) {
            self.open.push((name.to_owned(), tag));
        }
    }

    fn end(&mut self, name: &str) {
        if let Some(idx) = self.dropped.iter().rposition(|it| it == name) {
            self.dropped.truncate(idx);
            return;
        }
        if let Some(idx) = self.open.iter().rposition(|(there, _)| there == name) {
            let closed: String =
                self.open.drain(idx..).rev().map(|(_, here)| format!("</{here}>")).collect();
            self.html += &closed;
        }
    }

    fn text(&mut self, text: &str) {
        if self.dropped.is_empty() {
            self.html += &escaped(&redact::text(text));
        }
    }

    fn finish(mut self) -> Markup {
        let closed: String =
            self.open.drain(..).rev().map(|(_, here)| format!("</{here}>")).collect();
        PreEscaped(self.html + &closed)
    }
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut res = String::new();
    // Writing to a string cannot fail.
    let _ = Escaper::new(&mut res).write_str(text);
    res
}

/// Types of pictures that a page may contain; a picture that is an SVG runs no scripts.
pub(crate) const PICTURES: &[&str] =
    &["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"];

/// Returns the picture; `None` for one that would have to be loaded.
fn picture(src: Option<String>, alt: Option<String>) -> Option<String> {
    let src = src?;
    PICTURES.iter().find(|it| src.starts_with(&format!("data:{it}")))?;
    let alt = alt.filter(|it| !it.trim().is_empty());
    let alt = alt.unwrap_or_else(|| "a picture without a description".to_owned());
    Some(format!(" src=\"{}\" alt=\"{}\"", escaped(&src), escaped(&redact::text(&alt))))
}

fn link(href: Option<String>) -> Option<String> {
    let href = href.filter(|it| it.starts_with("https://") || it.starts_with("http://"))?;
    Some(format!(" href=\"{}\" rel=\"noreferrer\"", escaped(&href)))
}

fn spans(value: &impl Fn(&[u8]) -> Option<String>) -> String {
    let span = |name: &str| {
        let number: u16 = value(name.as_bytes())?.trim().parse().ok()?;
        Some(format!(" {name}=\"{number}\""))
    };
    ["colspan", "rowspan"].iter().filter_map(|it| span(it)).collect()
}

/// Returns the level for a heading of the text, without gaps on the way down.
fn heading(name: &str, outline: &mut Outline) -> String {
    let own = name.trim_start_matches('h').parse().unwrap_or(1_u8);
    outline.last = (outline.around + own).min(outline.last + 1).min(6);
    format!("h{}", outline.last)
}

#[cfg(test)]
mod tests;
