//! Names of images: ids, digests, tags and references. No other module parses, formats or shortens
//! them. Grammar: <https://pkg.go.dev/github.com/distribution/reference>.
//!
//! A dry run prints `<image-id>`, `<digest>` and `<inputs>` for values that only a run can know.

use std::{ffi::OsString, fmt, str::FromStr};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

/// Number of hex digits of a digest in messages and immutable tags.
const SHORT: usize = 12;

/// Returns whether `text` is a digest in hexadecimal digits: SHA-256 or BLAKE3.
pub(crate) fn is_hex_digest(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text)
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
}

/// Converts a type of checked text to text, and text to the type as its `FromStr` does.
macro_rules! text_type {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = anyhow::Error;

            fn try_from(text: String) -> anyhow::Result<$name> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(it: $name) -> String {
                it.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Defines a type for `sha256:<64 hex digits>` with one meaning.
macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $unknown:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub(crate) struct $name(String);

        impl $name {
            const UNKNOWN: &str = $unknown;

            /// Returns the placeholder for a value that only a run can know.
            pub(crate) fn unknown() -> $name {
                $name($name::UNKNOWN.to_owned())
            }

        }

        impl FromStr for $name {
            type Err = anyhow::Error;

            fn from_str(text: &str) -> anyhow::Result<$name> {
                let is_valid = text.strip_prefix("sha256:").is_some_and(is_hex_digest);
                ensure!(is_valid, "expected sha256:<64 hex digits>, found `{text}`");
                Ok($name(text.to_owned()))
            }
        }

        text_type!($name);
    };
}

digest_type!(
    /// Digest of a manifest: the name of an image in a registry.
    Digest,
    "<digest>"
);
digest_type!(
    /// Id of an image on an engine: the digest of its config.
    ImageId,
    "<image-id>"
);

impl Digest {
    /// Returns the first 12 hexadecimal digits.
    pub(crate) fn short(&self) -> String {
        short(&self.0)
    }

    /// Returns whether a registry can be asked for this digest.
    pub(crate) fn is_known(&self) -> bool {
        self.0 != Digest::UNKNOWN
    }
}

impl ImageId {
    /// Returns the first 12 hexadecimal digits.
    pub(crate) fn short(&self) -> String {
        short(&self.0)
    }
}

/// Returns the first 12 hexadecimal digits of a digest; a placeholder unchanged.
pub(crate) fn short(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    if hex.starts_with('<') { hex.to_owned() } else { hex.chars().take(SHORT).collect() }
}

/// Start of the tags that name inputs.
const INPUTS: &str = "inputs-";

/// Start of the tags of images that are not tested yet.
const CANDIDATE: &str = "candidate-";

/// Tag of layers that builds store.
const LAYERS: &str = "buildcache";

/// A tag: up to 128 letters, digits, `_`, `.` and `-`.
/// Reference: <https://docs.docker.com/reference/cli/docker/image/tag/>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Tag(String);

impl Tag {
    /// Returns the immutable tag of an image: `<inputs digest, 12>-<image id, 12>`.
    pub(crate) fn immutable(inputs: &str, id: &ImageId) -> Tag {
        Tag(format!("{}-{}", short(inputs), id.short()))
    }

    /// Returns the tag under which the receipt of the image with this manifest is stored.
    pub(crate) fn of_receipt(digest: &Digest) -> Tag {
        Tag(format!("{}.receipt", digest.0.replace(':', "-")))
    }

    /// Returns the digest of the image whose receipt has this tag; `None` for another tag.
    pub(crate) fn image_of_receipt(&self) -> Option<Digest> {
        let hex = self.0.strip_prefix("sha256-")?.strip_suffix(".receipt")?;
        format!("sha256:{hex}").parse().ok()
    }

    /// Returns the tag of the newest image with these inputs: a hint, which any push may move.
    pub(crate) fn of_inputs(inputs: &str) -> Tag {
        Tag(format!("{INPUTS}{inputs}"))
    }

    /// Returns the tag of the image with this immutable tag while it is not tested.
    pub(crate) fn candidate(&self) -> Tag {
        Tag(format!("{CANDIDATE}{}", self.0))
    }

    /// Returns the immutable tag of an image whose candidate's tag this is; `None` for another tag.
    pub(crate) fn of_candidate(&self) -> Option<Tag> {
        let tag = Tag(self.0.strip_prefix(CANDIDATE)?.to_owned());
        tag.is_immutable().then_some(tag)
    }

    /// Returns whether this immutable tag is one of images with these inputs.
    pub(crate) fn is_of_inputs(&self, inputs: &str) -> bool {
        self.0.split_once('-').is_some_and(|(start, _)| start == short(inputs))
    }

    /// Returns the tag of layers that builds store for others: not an image's.
    pub(crate) fn of_layers() -> Tag {
        Tag(LAYERS.to_owned())
    }

    /// Returns a tag that nobody pushes.
    pub(crate) fn none() -> Tag {
        Tag("none".to_owned())
    }

    pub(crate) fn latest() -> Tag {
        Tag("latest".to_owned())
    }

    /// Returns whether this is an image's immutable tag.
    pub(crate) fn is_immutable(&self) -> bool {
        let is_short = |it: &str| it.len() == SHORT && it.bytes().all(|it| it.is_ascii_hexdigit());
        self.0.split_once('-').is_some_and(|(a, b)| is_short(a) && is_short(b))
    }

    /// Returns whether the tag is not for people: an immutable tag, a candidate's, a receipt's, one that
    /// names inputs, or that of layers.
    pub(crate) fn is_reserved(&self) -> bool {
        let of_inputs = self.0.strip_prefix(INPUTS).is_some_and(is_hex_digest);
        let is_of_image = self.is_immutable() || self.of_candidate().is_some();
        is_of_image || self.0.starts_with("sha256-") || of_inputs || self.0 == LAYERS
    }
}

impl FromStr for Tag {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Tag> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_valid = text.starts_with(word)
            && text.len() <= 128
            && text.chars().all(|c| word(c) || c == '.' || c == '-');
        ensure!(is_valid, "expected a tag of up to 128 letters, digits, `_`, `.` and `-`");
        Ok(Tag(text.to_owned()))
    }
}

text_type!(Tag);

/// A name of the form `[host[:port]/]path`, below which images have tags and digests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Repository(String);

impl Repository {
    /// Returns the repository `name` below `prefix`: a registry, or a namespace.
    pub(crate) fn below(prefix: &str, name: &str) -> Repository {
        Repository(format!("{prefix}/{name}"))
    }

    /// Returns the last part of the repository's path.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn tagged(&self, tag: &Tag) -> ImageRef {
        ImageRef { repository: self.clone(), tag: Some(tag.clone()), digest: None }
    }

    pub(crate) fn at(&self, digest: &Digest) -> ImageRef {
        ImageRef { repository: self.clone(), tag: None, digest: Some(digest.clone()) }
    }

    /// Returns the repository as docker prints it.
    fn familiar(&self) -> &str {
        let short = self.0.strip_prefix("docker.io/").unwrap_or(&self.0);
        short.strip_prefix("library/").unwrap_or(short)
    }

    /// Returns whether docker treats both as the same repository.
    pub(crate) fn is_same(&self, other: &Repository) -> bool {
        self.familiar() == other.familiar()
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Converts to an argument of docker's.
impl From<&ImageRef> for OsString {
    fn from(it: &ImageRef) -> OsString {
        it.to_string().into()
    }
}

/// A reference `[host[:port]/]name[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ImageRef {
    pub(crate) repository: Repository,
    pub(crate) tag: Option<Tag>,
    pub(crate) digest: Option<Digest>,
}

impl ImageRef {
    /// Returns whether all parts are known, so that a registry can be asked for it.
    pub(crate) fn is_known(&self) -> bool {
        !self.to_string().contains('<')
    }
}

impl FromStr for ImageRef {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<ImageRef> {
        let (name, digest) = text.split_once('@').map_or((text, None), |(a, b)| (a, Some(b)));
        let digest = digest.map(|it| {
            it.parse().ok().context(
                "expected a digest after `@`, as in debian:trixie-slim@sha256:<64 hex digits>",
            )
        });
        let digest = digest.transpose()?;
        let last = name.rfind('/').map_or(0, |it| it + 1);
        let (repository, tag) = match name[last..].split_once(':') {
            Some((rest, tag)) => (&name[..last + rest.len()], Some(tag.parse()?)),
            None => (name, None),
        };
        match repository.split_once('/') {
            Some((first, rest)) if is_host(first) => check_path(rest)?,
            _ => check_path(repository)?,
        }
        Ok(ImageRef { repository: Repository(repository.to_owned()), tag, digest })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageRef { repository, tag, digest } = self;
        write!(f, "{repository}")?;
        tag.iter().try_for_each(|it| write!(f, ":{it}"))?;
        digest.iter().try_for_each(|it| write!(f, "@{it}"))
    }
}

/// Checks a registry `host[:port][/path]`, the prefix of image names.
pub(crate) fn check_registry(registry: &str) -> anyhow::Result<()> {
    match registry.split_once('/') {
        Some((first, rest)) if is_host(first) => check_path(rest),
        None if is_host(registry) => Ok(()),
        _ => check_path(registry),
    }
}

/// Returns whether the first part of a name is a host: docker recognises one by a dot, a port or a
/// capital letter.
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

/// Returns whether `part` consists of lower-case words, joined by `.`, `_`, `__` or any number of
/// `-`.
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
        let parsed: anyhow::Result<ImageRef> = good.parse();
        assert_eq!(parsed.unwrap().to_string(), good);
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
        assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
    }
    for good in ["ghcr.io/org", "localhost:5000", "docker.io/org/team", "org", "123.dkr.ecr.x.com"]
    {
        assert!(check_registry(good).is_ok(), "{good}");
    }
    for bad in ["ghcr.io/MyOrg", "ghcr.io/org:tag", "ghcr.io//x", "ghcr.io:x", "a b", "x@y"] {
        assert!(check_registry(bad).is_err(), "{bad}");
    }
}

#[test]
fn digests_and_ids() {
    let hex = "0123456789abcdef".repeat(4);
    let digest: Digest = format!("sha256:{hex}").parse().unwrap();
    let id: ImageId = digest.to_string().parse().unwrap();
    assert_eq!(id.short(), "0123456789ab");
    assert_eq!(ImageId::unknown().short(), "<image-id>");
    assert!(digest.is_known() && !Digest::unknown().is_known());
    for bad in ["", "sha256:0", &hex, &format!("sha256:{}", hex.to_uppercase()), "<digest>"] {
        assert!(bad.parse::<Digest>().is_err(), "{bad}");
    }
}

#[test]
fn tags_that_may_be_moved() {
    let tag = |it: &str| it.parse::<Tag>();
    for it in ["v1", "2026.11", "latest-prod", "a_b", "0123456789ab"] {
        assert!(!tag(it).unwrap().is_reserved(), "{it}");
    }
    let id: ImageId = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
    let digest: Digest = format!("sha256:{}", "b".repeat(64)).parse().unwrap();
    assert_eq!(Tag::immutable(&"c".repeat(64), &id).to_string(), "cccccccccccc-aaaaaaaaaaaa");
    let inputs = Tag::of_inputs(&"c".repeat(64));
    assert!(!tag("inputs-2026").unwrap().is_reserved());
    let immutable = Tag::immutable(&"c".repeat(64), &id);
    assert_eq!(immutable.candidate().of_candidate(), Some(immutable.clone()));
    assert_eq!(immutable.of_candidate(), None);
    assert!(!tag("candidate-2026").unwrap().is_reserved());
    assert!(immutable.is_of_inputs(&"c".repeat(64)) && !immutable.is_of_inputs(&"a".repeat(64)));
    for it in [immutable.candidate(), immutable, Tag::of_receipt(&digest), inputs] {
        assert!(it.is_reserved() && tag(&it.to_string()).is_ok(), "{it}");
    }
    assert_eq!(Tag::of_receipt(&digest).image_of_receipt(), Some(digest.clone()));
    assert_eq!(tag(&format!("sha256-{}.sig", "b".repeat(64))).unwrap().image_of_receipt(), None);
    for it in ["", "-v1", ".v1", "v 1", "r/v1", "v:1", "\u{fc}", &"v".repeat(129)] {
        assert!(tag(it).is_err(), "{it}");
    }
}

#[test]
fn unknown_parts_of_a_reference() {
    let tag = Tag::immutable("<inputs>", &ImageId::unknown());
    let reference = Repository::below("127.0.0.1:<port>", "hello").tagged(&tag);
    assert_eq!(reference.to_string(), "127.0.0.1:<port>/hello:<inputs>-<image-id>");
    assert!(!reference.is_known());
}
