//! Differences between the contents of two images, by their receipts. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use crate::{
    specs,
    testing::receipt::{Contents, Installed, Name, Receipt},
};

/// A difference between two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// Environment, or `Debian`; empty for the image as a whole.
    pub(crate) environment: String,
    pub(crate) name: String,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

impl Difference {
    /// Returns the part of the image.
    pub(crate) fn place(&self) -> &str {
        if self.environment.is_empty() { "image" } else { &self.environment }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.name)?;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, " {old} → {new}"),
            (Some(old), None) => write!(f, " {old} removed"),
            (None, new) => write!(f, " {} added", new.as_deref().unwrap_or_default()),
        }
    }
}

/// Returns the differences of two images by their receipts, sorted.
pub(crate) fn differences(old: &Receipt, new: &Receipt) -> Vec<Difference> {
    let whole = |it: &Receipt| {
        BTreeMap::from([
            ("commit".to_owned(), it.commit.clone()),
            ("platform".to_owned(), it.platform.clone()),
            ("jupyterhub".to_owned(), it.contents.jupyterhub.clone()),
        ])
    };
    let mut res = changed("", &whole(old), &whole(new));
    let (old, new) = (&old.contents, &new.contents);
    let none = Installed { python: String::new(), packages: BTreeMap::new() };
    let names: BTreeSet<_> = old.environments.keys().chain(new.environments.keys()).collect();
    // Nor base.
    let is_told = |name: &&Name| {
        ***name != *specs::BASE || [old, new].iter().all(|it| it.environments.contains_key(*name))
    };
    for name in names.into_iter().filter(is_told) {
        let packages = |it: &Contents| {
            let installed = it.environments.get(name).unwrap_or(&none);
            let mut res = installed.packages.clone();
            res.insert("python".to_owned(), installed.python.clone());
            res
        };
        res.extend(changed(name, &packages(old), &packages(new)));
    }
    // Receipts of earlier versions do not name Debian packages.
    if !old.debian.is_empty() && !new.debian.is_empty() {
        res.extend(changed("Debian", &old.debian, &new.debian));
    }
    res
}

fn changed(
    environment: &str,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let value = |of: &BTreeMap<String, String>, name: &String| {
        of.get(name).filter(|it| !it.is_empty()).cloned()
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let difference = |name: &String| Difference {
        environment: environment.to_owned(),
        name: name.clone(),
        old: value(old, name),
        new: value(new, name),
    };
    names.into_iter().map(difference).filter(|it| it.old != it.new).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Difference, changed};

    #[test]
    fn changes_of_versions() {
        let versions = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect()
        };
        let (old, new) =
            (versions(&[("a", "1"), ("b", "1"), ("d", "")]), versions(&[("a", "2"), ("c", "1")]));
        let lines = |it: &Difference| format!("{} {:?} {:?}", it.name, it.old, it.new);
        let found: Vec<String> = changed("e", &old, &new).iter().map(lines).collect();
        assert_eq!(
            found,
            [r#"a Some("1") Some("2")"#, r#"b Some("1") None"#, r#"c None Some("1")"#]
        );
    }
}
