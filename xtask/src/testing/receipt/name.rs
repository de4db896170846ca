//! Names of missions and environments in receipts, which become parts of paths and of references.

use std::{borrow::Borrow, fmt, ops::Deref};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::{mission::checkout::is_name, run::printable};

/// The name of a mission or an environment: never a path, never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

impl TryFrom<String> for Name {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Name> {
        let shown = printable::excerpt(&text);
        ensure!(is_name(&text), "`{shown}` is not the name of a mission or an environment");
        Ok(Name(text))
    }
}

impl TryFrom<&str> for Name {
    type Error = anyhow::Error;

    fn try_from(text: &str) -> anyhow::Result<Name> {
        Name::try_from(text.to_owned())
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
