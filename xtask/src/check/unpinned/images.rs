//! Images of other registries that a Dockerfile names: in FROM, COPY --from and mounts.

use std::{collections::BTreeMap, path::Path};

use super::Float;
use crate::mission::dockerfile::{parse::Instruction, refusals};

/// Declarations of the instructions so far.
#[derive(Debug, Default)]
pub(super) struct KnownNames {
    stages: Vec<String>,
    /// Defaults of ARG, and values of ENV.
    variables: BTreeMap<String, String>,
}

/// Images that builds pass by these arguments: this repository's own, or with the digest of a
/// setting.
const ARGUMENTS: [&str; 2] = ["BASE_IMAGE", "ROOTFS"];

impl KnownNames {
    pub(super) fn add(&mut self, instruction: &Instruction) {
        let words = shell_words::split(&instruction.args).unwrap_or_default();
        match (instruction.word.as_str(), words.as_slice()) {
            ("FROM", [_, r#as, name, ..]) if r#as.eq_ignore_ascii_case("as") => {
                self.stages.push(name.to_lowercase());
            }
            ("ENV", [name, value]) if !name.contains('=') => {
                self.variables.insert(name.clone(), self.expand(value));
            }
            ("ARG" | "ENV", words) => {
                for (name, value) in words.iter().filter_map(|it| it.split_once('=')) {
                    self.variables.insert(name.to_owned(), self.expand(value));
                }
            }
            _ => (),
        }
    }

    /// Returns `text` with the values of known variables.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut parts = text.split('$');
        let mut res = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = match part.strip_prefix('{').and_then(|it| it.split_once('}')) {
                Some((name, rest)) => (name.split([':', '-']).next().unwrap_or(name), rest),
                None => {
                    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    part.split_at(part.find(|c| !is_name(c)).unwrap_or(part.len()))
                }
            };
            match self.variables.get(name).filter(|_| !ARGUMENTS.contains(&name)) {
                Some(value) => res.extend([value, rest]),
                None => res.extend(["$", part]),
            }
        }
        res
    }

    /// Returns images in `instruction`, of the file `path`, that have no digest.
    pub(super) fn floats(&self, path: &Path, instruction: &Instruction) -> Vec<Float> {
        let from = |flag: &str| {
            let options = flag.trim_start_matches("--").split(',');
            let mut value =
                options.filter_map(|it| it.trim_start_matches("mount=").strip_prefix("from="));
            value.next_back().map(str::to_owned)
        };
        let named: Vec<String> = match instruction.word.as_str() {
            "FROM" => instruction.args.split_whitespace().take(1).map(str::to_owned).collect(),
            "COPY" | "ADD" | "RUN" => instruction.flags.iter().filter_map(|it| from(it)).collect(),
            _ => Vec::new(),
        };
        let named = named.iter().map(|it| it.trim_matches(['"', '\'']));
        let floating = named.filter(|it| self.is_floating(path, it));
        floating.map(|it| float(it, &self.expand(it), &instruction.word)).collect()
    }

    fn is_floating(&self, path: &Path, image: &str) -> bool {
        let argument = image.trim_start_matches('$').trim_matches(['{', '}']);
        let is_argument = image.starts_with('$') && ARGUMENTS.contains(&argument);
        let image = self.expand(image);
        let is_stage = image == "scratch"
            || image.bytes().all(|it| it.is_ascii_digit())
            || refusals::OURS.contains(&image.as_str())
            || self.stages.contains(&image.to_lowercase());
        let is_passed = is_argument && (argument == "BASE_IMAGE" || path.starts_with("common"));
        !is_stage && !is_passed && !has_digest(&image)
    }
}

fn has_digest(image: &str) -> bool {
    let digest = image.split_once("@sha256:").map_or("", |(_, it)| it);
    digest.len() == 64 && digest.bytes().all(|it| it.is_ascii_hexdigit())
}

fn float(said: &str, image: &str, word: &str) -> Float {
    let what = format!("{word} names the image `{image}` by a tag, which may move");
    let fix = "write its digest: `name:tag@sha256:<64 hex digits>`, as `docker buildx imagetools inspect` prints it";
    Float { word: said.to_owned(), what, fix }
}
