//! Objects that a run makes on the engine and must remove, found by a label.

use anyhow::Context as _;

use super::Docker;
use crate::run::process::{self, Change, Patience};

/// Kind of an object that a run makes on the engine and must remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Container,
    Volume,
    Network,
    /// An image that only one run uses.
    Image,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Volume => "volume",
            Kind::Network => "network",
            Kind::Image => "trial image",
        }
    }

    fn removal(self) -> &'static [&'static str] {
        match self {
            Kind::Container => &["rm", "--force", "--volumes"],
            Kind::Volume => &["volume", "rm", "--force"],
            Kind::Network => &["network", "rm"],
            Kind::Image => &["image", "rm", "--force"],
        }
    }

    /// Returns the command with which a person removes the object `name`.
    pub(crate) fn fix(self, name: &str) -> String {
        format!("`docker {} {name}`", self.removal().join(" "))
    }
}

impl Docker {
    /// Returns the command that removes an object, whether it exists or not.
    pub(crate) fn remove(&self, kind: Kind, name: &str) -> Change {
        self.change([]).args(kind.removal()).args([name]).patience(Patience::Change)
    }

    /// Returns the names of the objects with all of `labels`, even after an interruption; `None` when
    /// the engine does not answer.
    pub(crate) fn labelled(&self, kind: Kind, labels: &[String]) -> Option<Vec<String>> {
        let list = match kind {
            Kind::Container => self.query(["container", "ls", "--all", "--quiet", "--no-trunc"]),
            Kind::Volume => self.query(["volume", "ls", "--quiet"]),
            Kind::Network => self.query(["network", "ls", "--quiet", "--no-trunc"]),
            Kind::Image => self.query(["image", "ls", "--quiet", "--no-trunc"]),
        };
        let filters = labels.iter().flat_map(|it| ["--filter".to_owned(), format!("label={it}")]);
        let list = list.args(filters);
        let read = process::last_stream(&list, |stream| {
            let mut text = String::new();
            stream.read_to_string(&mut text).context("docker wrote no UTF-8")?;
            Ok(text)
        });
        let (status, text) = read.ok()?;
        (status == 0).then(|| text.lines().map(str::to_owned).collect())
    }
}
