//! Image references as registries take them: <https://pkg.go.dev/github.com/distribution/reference>.

use anyhow::bail;

/// Checks `[host[:port]/]name[:tag][@digest]`.
///
/// # Errors
/// A part that docker refuses.
pub(super) fn check(reference: &str) -> anyhow::Result<()> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    if digest.is_some_and(|it| !is_digest(it)) {
        bail!("expected a digest after `@`, as in debian:trixie-slim@sha256:<64 hex digits>");
    }
    let last = name.rfind('/').map_or(0, |it| it + 1);
    let (repository, tag) = match name[last..].split_once(':') {
        Some((rest, tag)) => (&name[..last + rest.len()], Some(tag)),
        None => (name, None),
    };
    tag.map_or(Ok(()), check_tag)?;
    match repository.split_once('/') {
        Some((first, rest)) if is_host(first) => check_path(rest),
        _ => check_path(repository),
    }
}

/// Checks `host[:port][/path]`, below which images get their names.
///
/// # Errors
/// A part that docker refuses.
pub(super) fn check_registry(registry: &str) -> anyhow::Result<()> {
    match registry.split_once('/') {
        Some((first, rest)) if is_host(first) => check_path(rest),
        None if is_host(registry) => Ok(()),
        _ => check_path(registry),
    }
}

/// # Errors
/// Docker takes no such tag: <https://docs.docker.com/reference/cli/docker/image/tag/>.
pub(super) fn check_tag(text: &str) -> anyhow::Result<()> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let valid = text.starts_with(word)
        && text.len() <= 128
        && text.chars().all(|c| word(c) || c == '.' || c == '-');
    if !valid {
        bail!("a tag is up to 128 letters, digits, `_`, `.` and `-`");
    }
    Ok(())
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
}

/// Whether the first part of a name is a host: docker knows it by a dot, a port or a capital letter.
fn is_host(part: &str) -> bool {
    let (host, port) = part.split_once(':').unwrap_or((part, "0"));
    let is_label = |it: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric();
        it.starts_with(plain) && it.ends_with(plain) && it.chars().all(|c| plain(c) || c == '-')
    };
    let looks_so = part.contains(['.', ':']) || part == "localhost" || part.to_lowercase() != part;
    let is_port = !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
    looks_so && is_port && (host.split('.').all(is_label) || host.starts_with('['))
}

fn check_path(path: &str) -> anyhow::Result<()> {
    match path.split('/').find(|it| !is_component(it)) {
        Some(it) => bail!(
            "`{it}` is not a valid part of an image's name; expected lower-case letters and digits, with `.`, `_` or `-` between them"
        ),
        None => Ok(()),
    }
}

/// Lower-case words, joined by `.`, `_`, `__` or any number of `-`.
fn is_component(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |it: &str| [".", "_", "__"].contains(&it) || it.bytes().all(|it| it == b'-');
    part.starts_with(plain) && part.ends_with(plain) && part.split(plain).all(is_joint)
}

#[test]
fn references_as_docker_takes_them() {
    let digest = format!("x/y:1@sha256:{}", "0a".repeat(32));
    for good in [
        "debian",
        "debian:13",
        "quay.io/jupyter/base-notebook:2025-01-01",
        "localhost:5000/a/b__c:X",
        "Host/a",
        "a-b.c/d--e",
        &digest,
    ] {
        assert!(check(good).is_ok(), "{good}: {:?}", check(good));
    }
    for bad in [
        "quay.io/Jupyter/x",
        "Debian",
        "x:",
        "x:a:b",
        "a//b",
        "/a",
        "a/",
        "a..b",
        "a___b",
        "-a",
        "quay.io:x/a",
        "x@sha256:0",
        "x@md5:0",
        "m\u{fc}ll",
        "",
    ] {
        assert!(check(bad).is_err(), "{bad}");
    }
    for good in ["ghcr.io/org", "localhost:5000", "docker.io/org/team", "org", "123.dkr.ecr.x.com"]
    {
        assert!(check_registry(good).is_ok(), "{good}");
    }
    for bad in ["ghcr.io/MyOrg", "ghcr.io/org:tag", "ghcr.io//x", "ghcr.io:x", "a b", "x@y"] {
        assert!(check_registry(bad).is_err(), "{bad}");
    }
}
