//! The text of a frozen spec: fixed order, normalised names, LF.
//! `platform_env/environments/frozen.py` writes the same.

use std::fmt;

use crate::specs::frozen::{CondaPin, FrozenSpec, Pin, Source};

impl fmt::Display for FrozenSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# frozen: 1\n# platform: {}\n# base: {}", self.platform, self.base)?;
        for pin in sorted(&self.build) {
            writeln!(f, "# build: {}", pin.requirement())?;
        }
        let mut needs: Vec<_> = self.needs.iter().collect();
        needs.sort();
        for (package, name) in needs {
            writeln!(f, "# build-for: {package}: {name}")?;
        }
        for name in in_order(&self.in_base) {
            writeln!(f, "# in-base: {name}")?;
        }
        for name in in_order(&self.missing) {
            writeln!(f, "# missing: {name}")?;
        }
        writeln!(f, "name: {}\nchannels:", self.name)?;
        for channel in &self.channels {
            writeln!(f, "  - {channel}")?;
        }
        writeln!(f, "dependencies:")?;
        if let Some(version) = &self.python {
            writeln!(f, "  - python={version}")?;
        }
        let mut conda: Vec<&CondaPin> = self.conda.iter().collect();
        conda.sort_by_key(|it| &it.name);
        for pin in conda {
            writeln!(f, "  - {pin}{}", comment(&pin.via, &pin.provides))?;
        }
        self.write_pip(f)
    }
}

impl FrozenSpec {
    fn write_pip(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pip.is_empty() {
            return Ok(());
        }
        writeln!(f, "  - pip:")?;
        let is_git = |it: &&Pin| matches!(it.source, Source::Git { .. });
        let (git, hashed): (Vec<_>, Vec<_>) = sorted(&self.pip).into_iter().partition(is_git);
        if !git.is_empty() {
            writeln!(f, "    - --no-require-hashes")?;
        }
        for pin in hashed.into_iter().chain(git) {
            writeln!(f, "    - {}{}", pin.requirement(), comment(&pin.via, &[]))?;
        }
        Ok(())
    }
}

impl Pin {
    /// Returns the line that installs exactly this package.
    fn requirement(&self) -> String {
        let name = &self.name;
        match &self.source {
            Source::Index { version, sha256 } => {
                format!("{name}=={version} --hash=sha256:{sha256}")
            }
            Source::Git { url, commit, subdirectory: None } => format!("{name} @ {url}@{commit}"),
            Source::Git { url, commit, subdirectory: Some(folder) } => {
                format!("{name} @ {url}@{commit}#subdirectory={folder}")
            }
        }
    }
}

impl fmt::Display for CondaPin {
    /// Prints the package without its comment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(channel) = &self.channel {
            write!(f, "{channel}::")?;
        }
        let CondaPin { name, version, build, subdir, file, sha256, .. } = self;
        write!(f, "{name}={version}={build}[subdir={subdir},fn={file},sha256={sha256}]")
    }
}

/// Returns `  # via a, b; provides c==1`, or nothing.
fn comment(via: &[String], provides: &[String]) -> String {
    let parts = [("via", via), ("provides", provides)];
    let parts = parts.iter().filter(|(_, words)| !words.is_empty());
    let parts: Vec<String> =
        parts.map(|(key, words)| format!("{key} {}", in_order(words).join(", "))).collect();
    if parts.is_empty() { String::new() } else { format!("  # {}", parts.join("; ")) }
}

fn in_order(words: &[String]) -> Vec<&str> {
    let mut res: Vec<&str> = words.iter().map(String::as_str).collect();
    res.sort_unstable();
    res
}

fn sorted(pins: &[Pin]) -> Vec<&Pin> {
    let mut res: Vec<&Pin> = pins.iter().collect();
    res.sort_by_key(|it| &it.name);
    res
}
