//! Packages of a frozen spec by any of their names: a conda package also has the names of its
//! Python distributions. Names are compared like Python's.

use std::{collections::BTreeMap, fmt};

use crate::specs::{
    frozen::{CondaPin, FrozenSpec, Pin},
    requirement::normalised,
};

/// A package of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package<'a> {
    Pip(&'a Pin),
    Conda(&'a CondaPin),
}

impl FrozenSpec {
    /// Returns all packages but Python itself on the embedded base.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        let pip = self.pip.iter().map(Package::Pip);
        pip.chain(self.conda.iter().map(Package::Conda))
    }

    /// Returns the packages of each normalised name.
    pub(crate) fn by_name(&self) -> BTreeMap<String, Vec<Package<'_>>> {
        let mut res: BTreeMap<String, Vec<Package<'_>>> = BTreeMap::new();
        for package in self.packages() {
            for name in package.names() {
                res.entry(name).or_default().push(package);
            }
        }
        res
    }

    /// Returns the packages with this normalised name. A name can have two: PyPI's `graphviz` calls
    /// the programs of conda's `graphviz`.
    pub(crate) fn named(&self, name: &str) -> Vec<Package<'_>> {
        self.packages().filter(|it| it.is_named(name)).collect()
    }
}

impl<'a> Package<'a> {
    pub(crate) fn is_named(&self, name: &str) -> bool {
        match self {
            Package::Pip(pin) => pin.name == name,
            Package::Conda(pin) => pin.version_of(name).is_some(),
        }
    }

    /// Returns the name in the frozen spec.
    pub(crate) fn name(&self) -> &'a str {
        match self {
            Package::Pip(pin) => &pin.name,
            Package::Conda(pin) => &pin.name,
        }
    }

    /// Returns all names of the package, normalised.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Package::Pip(pin) => vec![pin.name.clone()],
            Package::Conda(pin) => {
                let provided = pin.provided().map(|it| it.0.to_owned());
                [normalised(&pin.name)].into_iter().chain(provided).collect()
            }
        }
    }

    pub(crate) fn via(&self) -> &'a [String] {
        match self {
            Package::Pip(pin) => &pin.via,
            Package::Conda(pin) => &pin.via,
        }
    }

    pub(crate) fn line(&self) -> usize {
        match self {
            Package::Pip(pin) => pin.line,
            Package::Conda(pin) => pin.line,
        }
    }
}

impl CondaPin {
    /// Returns the names and versions of `provides`.
    pub(crate) fn provided(&self) -> impl Iterator<Item = (&str, &str)> {
        self.provides.iter().filter_map(|it| it.split_once("=="))
    }

    /// Returns the version that Python sees under the normalised `name`, or else conda's version.
    pub(crate) fn version_of(&self, name: &str) -> Option<&str> {
        let provided = self.provided().find(|it| it.0 == name).map(|it| it.1);
        provided.or_else(|| (normalised(&self.name) == name).then_some(self.version.as_str()))
    }
}

impl fmt::Display for Package<'_> {
    /// Prints the version, or the short commit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Package::Pip(pin) => pin.source.fmt(f),
            Package::Conda(pin) => f.write_str(&pin.version),
        }
    }
}
