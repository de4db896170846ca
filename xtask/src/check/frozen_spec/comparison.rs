//! Compares a frozen spec with its base, its platform and the floating lists of its environment.

use std::{fmt, path::Path};

use crate::{
    check::frozen_spec::RULE,
    image::recipe::LOCAL,
    run::finding::Finding,
    settings::config::{Base, Config},
    specs::{
        frozen::{FrozenSpec, satisfies},
        read::Spec,
    },
    tools::platform::Platform,
};

/// Required first lines of a frozen spec.
pub(crate) struct Header {
    /// Platform, if it is known.
    platform: Option<Platform>,
    base: BaseName,
}

/// Name of the base in frozen specs.
enum BaseName {
    Digest(String),
    /// The embedded base, with its Python if its lock has one.
    Local(Option<String>),
    /// A remote base, named by a tag: only a registry could resolve its digest.
    Tag,
}

impl BaseName {
    /// Returns whether `name`, from a frozen spec, is this base's.
    fn is(&self, name: &str) -> bool {
        let python = name.strip_prefix(LOCAL).and_then(|it| it.strip_prefix(" python-"));
        match self {
            BaseName::Digest(digest) => name == digest,
            BaseName::Local(Some(own)) => python == Some(own),
            BaseName::Local(None) => python.is_some(),
            BaseName::Tag => python.is_none(),
        }
    }
}

impl fmt::Display for BaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BaseName::Digest(digest) => f.write_str(digest),
            BaseName::Local(Some(python)) => write!(f, "{LOCAL} python-{python}"),
            BaseName::Local(None) => f.write_str(LOCAL),
            BaseName::Tag => f.write_str("the base of BASE_IMAGE"),
        }
    }
}

impl Header {
    /// Returns the header for a mission's settings; `python` is the embedded base's, as its lock has
    /// it.
    pub(crate) fn new(
        config: &Config,
        platform: Option<Platform>,
        python: Option<String>,
    ) -> Header {
        let base = match &config.base {
            Base::Embedded => BaseName::Local(python),
            Base::Remote(image) => {
                image.digest.as_ref().map_or(BaseName::Tag, |it| BaseName::Digest(it.to_string()))
            }
        };
        Header { platform, base }
    }

    fn findings(&self, file: &Path, text: &str, frozen: &FrozenSpec, title: &str) -> Vec<Finding> {
        let finding = |key: &str, what: String| {
            let line = text.lines().position(|it| it.starts_with(key)).map(|at| at + 1);
            let fix = format!("run `cargo xtask freeze {title}`");
            Finding { file: file.to_owned(), line, rule: RULE.name, what, fix }
        };
        let mut res = Vec::new();
        if let Some(platform) = self.platform.filter(|it| *it != frozen.platform) {
            let what = format!("frozen for {}, not for {platform}", frozen.platform);
            res.push(finding("# platform:", what));
        }
        if !self.base.is(&frozen.base) {
            let what = format!("frozen on base `{}`; expected `{}`", frozen.base, self.base);
            res.push(finding("# base:", what));
        }
        let minor: String =
            frozen.python_version().splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        if let BaseName::Local(Some(own)) = &self.base
            && minor != *own
        {
            let what = format!("frozen with python {minor}, but the base has {own}");
            res.push(finding("  - python=", what));
        }
        res
    }
}

/// Returns the differences of the frozen spec `text` in `file`, of the environment `title`, from
/// `header` and from the requests of its lists; without what no line requests if `is_part` of the
/// lines cannot be read.
pub(crate) fn findings(
    (file, text, title): (&Path, &str, &str),
    frozen: &FrozenSpec,
    header: &Header,
    (asked, is_part): (&Spec, bool),
) -> Vec<Finding> {
    let mut res = header.findings(file, text, frozen, title);
    res.extend(match is_part {
        true => satisfies::unsatisfied(RULE.name, title, frozen, asked),
        false => satisfies::findings(RULE.name, (file, title), frozen, asked),
    });
    res
}
