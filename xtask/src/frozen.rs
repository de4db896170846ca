//! The frozen spec of an environment: what the in-image script `env-export` writes and `env-create`
//! installs. Here only so much of the format is known as to refuse a damaged file.

use anyhow::{Context as _, bail};

/// Checks that `text` is a whole frozen spec of `environment`.
///
/// # Errors
/// A header is missing or wrong, it is not YAML, or a pip line is neither hashed nor a commit.
pub(crate) fn validate(text: &str, environment: &str) -> anyhow::Result<()> {
    for header in ["# frozen: 1", "# platform: linux/", "# base: "] {
        if !text.lines().any(|it| it.starts_with(header)) {
            bail!("no line starts with `{header}`");
        }
    }
    if !text.ends_with('\n') {
        bail!("the last line is cut off");
    }
    let spec: serde_yaml::Value = serde_yaml::from_str(text).context("not YAML")?;
    if spec.get("name").and_then(|it| it.as_str()) != Some(environment) {
        bail!("its name is not `{environment}`");
    }
    let dependencies = spec.get("dependencies").and_then(|it| it.as_sequence());
    let dependencies = dependencies.context("it has no list `dependencies`")?;
    let strings = dependencies.iter().filter_map(|it| it.as_str());
    if !strings.clone().any(|it| it.starts_with("python=")) {
        bail!("no dependency starts with `python=`");
    }
    let pip = dependencies.iter().filter_map(|it| it.get("pip")?.as_sequence()).flatten();
    for line in pip.filter_map(|it| it.as_str()) {
        if !is_exact(line) {
            bail!("`{line}` has neither a hash nor a full commit");
        }
    }
    Ok(())
}

/// `name==version --hash=sha256:…`, `name @ git+https://…@<40 hex digits>`, or pip's option.
fn is_exact(line: &str) -> bool {
    let is_hex = |text: &str, length| {
        text.len() >= length && text.bytes().take(length).all(|it| it.is_ascii_hexdigit())
    };
    let hashed = line.split_once(" --hash=sha256:").is_some_and(|(_, hex)| is_hex(hex, 64));
    let commit = line.split_once(" @ git+").and_then(|(_, url)| url.rsplit_once('@'));
    let at_commit = commit.is_some_and(|(_, hex)| is_hex(hex, 40));
    line == "--no-require-hashes" || at_commit || (line.contains("==") && hashed)
}

#[cfg(test)]
mod tests;
