//! Images that a mission has published: immutable tags, the human tags that name the same images,
//! and the receipts beside them. Nothing is pulled.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

use super::{
    Host,
    api::{self, Access, Api, Manifest},
    receipts::{self, FILE},
};
use crate::{
    image::build_settings::ca_bundle,
    settings::config::Config,
    testing::receipt::Receipt,
    tools::{
        curl::Network,
        docker::{self, Image, LABEL_COMMIT, LABEL_INPUTS, LABEL_PARENT, RemoteImage},
        git,
        image_name::{Digest, ImageId, Tag},
    },
};

/// Limit of a receipt in bytes.
const LARGEST: u64 = 64_000_000;

/// Why nothing certifies an image of which nothing is known.
pub(crate) const NO_RECEIPT: &str = "no receipt";

/// Why nothing certifies a candidate.
const UNTESTED: &str = "candidate, not tested";

/// An image under an immutable tag, or a candidate.
#[derive(Debug, Serialize)]
pub(crate) struct ListedImage {
    pub(crate) tag: Tag,
    pub(crate) digest: Digest,
    pub(crate) image: ImageId,
    /// Time of the build, RFC 3339.
    pub(crate) created: String,
    /// Commit that it was built at, with `-dirty` if files differed; empty if unknown.
    pub(crate) commit: String,
    /// Human tags of the same image.
    pub(crate) tags: Vec<Tag>,
    /// Number of passed tests, if a receipt certifies the image.
    pub(crate) passed: Option<usize>,
    /// Reason why no receipt certifies it; empty if one does.
    pub(crate) problem: String,
    #[serde(skip)]
    pub(crate) receipt: Option<Receipt>,
    /// Image that it was built on, by its label.
    #[serde(skip)]
    pub(crate) parent: Option<ImageId>,
    /// Whether the tag is the one that its label and its id determine.
    #[serde(skip)]
    pub(crate) is_own: bool,
}

/// A repository with the images of one name.
pub(crate) struct Listing {
    /// Images, newest first.
    pub(crate) images: Vec<ListedImage>,
    /// Manifests of receipts, by the digest of their image.
    pub(crate) receipts: BTreeMap<Digest, Digest>,
}

/// Part of an image's config: <https://github.com/opencontainers/image-spec/blob/main/config.md>.
#[derive(Debug, Default, Deserialize)]
struct ImageConfig {
    #[serde(default)]
    created: String,
    os: String,
    architecture: String,
    #[serde(default)]
    config: Labels,
}

/// The part of a config that says how a container starts.
#[derive(Debug, Deserialize)]
struct Starts {
    #[serde(default)]
    config: docker::ImageConfig,
}

#[derive(Debug, Default, Deserialize)]
struct Labels {
    #[serde(default, rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

/// Returns the interface of the repository of the images called `name`.
pub(crate) fn api(config: &Config, host: &Host, name: &str, access: Access) -> anyhow::Result<Api> {
    Api::new(host, network(config, host)?, &host.repository(name), access)
}

/// Returns how requests to `host` go.
pub(super) fn network(config: &Config, host: &Host) -> anyhow::Result<Network> {
    Ok(Network {
        dir: host.docker.root.clone(),
        ca_bundle: ca_bundle(&config.ca_bundle)?,
        proxies: config.proxies.clone(),
    })
}

/// Returns the description of a published image by its config.
pub(super) fn image(manifest: &Manifest, config: &[u8]) -> anyhow::Result<Image> {
    let starts: Starts = serde_json::from_slice(config).context("damaged config")?;
    let config: ImageConfig = serde_json::from_slice(config).context("damaged config")?;
    Ok(Image {
        id: manifest.config.clone(),
        repo_tags: None,
        repo_digests: None,
        size: 0,
        created: config.created,
        os: config.os,
        architecture: config.architecture,
        config: starts.config,
    })
}

/// Returns the text of the receipt in a layer.
pub(super) fn receipt_in(layer: &[u8]) -> anyhow::Result<String> {
    api::file(layer, FILE, LARGEST)
}

/// Returns the images of `mission` in the registry, newest first.
pub(crate) fn images(
    config: &Config,
    host: &Host,
    mission: &str,
) -> anyhow::Result<Vec<ListedImage>> {
    Ok(listing(&api(config, host, mission, Access::Read)?, mission)?.images)
}

/// Returns the published image of `images` that another one, `image`, is compared with: the one that
/// the human tag names, or else the newest certified one.
pub(crate) fn to_compare<'a>(
    images: &'a [ListedImage],
    image: &ImageId,
    human: &Tag,
) -> Option<&'a ListedImage> {
    let others = || images.iter().filter(|it| it.image != *image && it.receipt.is_some());
    others().find(|it| it.tags.contains(human)).or_else(|| others().next())
}

/// Returns the images and receipts of `mission`.
pub(crate) fn listing(api: &Api, mission: &str) -> anyhow::Result<Listing> {
    let tags = api.tags()?;
    let is_of_image = |it: &Tag| it.is_immutable() || it.of_candidate().is_some();
    let (of_images, others): (Vec<Tag>, Vec<Tag>) = tags.into_iter().partition(is_of_image);
    let (stored, human): (Vec<Tag>, Vec<Tag>) = others.into_iter().partition(Tag::is_reserved);
    let humans: Vec<(&Tag, BTreeSet<Digest>)> = human.iter().zip(api.targets(&human)?).collect();
    let found = listed(api, of_images)?;
    let configs = api.blobs(found.iter().map(|(_, it)| it.config.to_string()))?;
    let carriers = carriers(api, &stored)?;
    let receipts = texts(api, &found, &carriers)?;
    let mut res = Vec::new();
    for ((tag, manifest), config) in found.into_iter().zip(configs) {
        let config = config.and_then(|it| Ok(serde_json::from_slice::<ImageConfig>(&it)?));
        let names = humans.iter().filter(|(_, it)| it.contains(&manifest.digest));
        let tags = names.map(|(tag, _)| (*tag).clone()).collect();
        let read = match receipts.get(&manifest.digest) {
            Some(text) => text.as_ref().map_err(|err| anyhow!("damaged receipt: {err}")),
            None if tag.of_candidate().is_some() => Err(anyhow!(UNTESTED)),
            None => Err(anyhow!(NO_RECEIPT)),
        };
        // One damaged image does not hide the others.
        let (config, receipt) = match config {
            Ok(it) => {
                let receipt = read.and_then(|text| certifying(text, mission, &manifest, &it));
                (it, receipt)
            }
            Err(err) => (ImageConfig::default(), Err(err.context("damaged config of the image"))),
        };
        res.push(ListedImage::new(tag, manifest, config, tags, receipt));
    }
    res.sort_by(|a, b| (&b.created, &b.tag).cmp(&(&a.created, &a.tag)));
    let receipts = carriers.into_iter().map(|(digest, it)| (digest, it.digest)).collect();
    Ok(Listing { images: res, receipts })
}

/// An image that was asked for by its digest.
#[derive(Debug)]
pub(crate) struct Found {
    /// Platform, like `linux/amd64`.
    pub(crate) platform: String,
    /// The receipt that certifies it and the text of that receipt, or why none does.
    pub(crate) receipt: Result<(Receipt, String), String>,
}

/// Returns the images of `mission` with these digests; those that the registry lacks are missing.
pub(crate) fn of_digests(
    api: &Api,
    mission: &str,
    digests: &[Digest],
) -> anyhow::Result<BTreeMap<Digest, Found>> {
    let manifests = api.manifests(digests)?.into_iter().zip(digests);
    // A registry may answer with another manifest.
    let found: Vec<(Tag, Manifest)> = manifests
        .filter_map(|(it, digest)| it.filter(|it| it.digest == *digest))
        .map(|it| (Tag::of_receipt(&it.digest), it))
        .collect();
    let stored: Vec<Tag> = found.iter().map(|(tag, _)| tag.clone()).collect();
    let mut receipts = texts(api, &found, &carriers(api, &stored)?)?;
    let configs = api.blobs(found.iter().map(|(_, it)| it.config.to_string()))?;
    let mut res = BTreeMap::new();
    for ((_, manifest), config) in found.into_iter().zip(configs) {
        let config: ImageConfig = serde_json::from_slice(&config?)?;
        let text = receipts.remove(&manifest.digest).unwrap_or_else(|| Err(NO_RECEIPT.to_owned()));
        let receipt = text.and_then(|text| {
            let receipt = certifying(&text, mission, &manifest, &config);
            receipt.map(|it| (it, text)).map_err(|err| format!("{err:#}"))
        });
        let platform = format!("{}/{}", config.os, config.architecture);
        res.insert(manifest.digest, Found { platform, receipt });
    }
    Ok(res)
}

/// Returns the manifests of receipts among `stored`, by the digest of their image.
fn carriers(api: &Api, stored: &[Tag]) -> anyhow::Result<BTreeMap<Digest, Manifest>> {
    let of_image = |it: &Tag| Some((it.clone(), it.image_of_receipt()?));
    let (tags, digests): (Vec<Tag>, Vec<Digest>) = stored.iter().filter_map(of_image).unzip();
    let manifests = api.manifests(&tags)?;
    Ok(digests.into_iter().zip(manifests).filter_map(|(digest, it)| Some((digest, it?))).collect())
}

/// Returns the images under `tags`, immutable ones and candidates', each once.
fn listed(api: &Api, tags: Vec<Tag>) -> anyhow::Result<Vec<(Tag, Manifest)>> {
    let (immutable, candidates): (Vec<Tag>, Vec<Tag>) =
        tags.into_iter().partition(Tag::is_immutable);
    let mut res = named(api, &immutable)?;
    let published: BTreeSet<Digest> = res.iter().map(|(_, it)| it.digest.clone()).collect();
    let candidates = named(api, &candidates)?.into_iter();
    res.extend(candidates.filter(|(_, it)| !published.contains(&it.digest)));
    Ok(res)
}

/// Returns the tags that name an image, with its manifest.
fn named(api: &Api, tags: &[Tag]) -> anyhow::Result<Vec<(Tag, Manifest)>> {
    let manifests = api.manifests(tags)?;
    Ok(tags.iter().cloned().zip(manifests).filter_map(|(tag, it)| Some((tag, it?))).collect())
}

/// Returns the texts of the receipts of `found`, by the digest of their image, or why one cannot be
/// read.
fn texts(
    api: &Api,
    found: &[(Tag, Manifest)],
    carriers: &BTreeMap<Digest, Manifest>,
) -> anyhow::Result<BTreeMap<Digest, Result<String, String>>> {
    let known = found.iter().filter_map(|(_, it)| carriers.get_key_value(&it.digest));
    let (digests, carriers): (Vec<Digest>, Vec<Manifest>) =
        known.map(|(digest, it)| (digest.clone(), it.clone())).unzip();
    let files = api.files(&carriers, FILE, LARGEST)?;
    let texts = files.into_iter().map(|it| it.map_err(|err| format!("{err:#}")));
    Ok(digests.into_iter().zip(texts).collect())
}

fn certifying(
    text: &str,
    mission: &str,
    manifest: &Manifest,
    config: &ImageConfig,
) -> anyhow::Result<Receipt> {
    let receipt = Receipt::parse(text)?;
    let remote = RemoteImage {
        digest: manifest.digest.clone(),
        config: manifest.config.clone(),
        platform: format!("{}/{}", config.os, config.architecture),
    };
    receipts::check(&receipt, mission, &manifest.digest, &remote)?;
    Ok(receipt)
}

impl ListedImage {
    /// Returns whether it is in the registry only to be tested.
    pub(crate) fn is_candidate(&self) -> bool {
        self.tag.of_candidate().is_some()
    }

    fn new(
        tag: Tag,
        manifest: Manifest,
        config: ImageConfig,
        tags: Vec<Tag>,
        receipt: anyhow::Result<Receipt>,
    ) -> ListedImage {
        // A label may be any text.
        let labels = config.config.labels.unwrap_or_default();
        let commit = labels.get(LABEL_COMMIT).filter(|it| git::is_state(it)).cloned();
        let own = labels.get(LABEL_INPUTS).map(|it| Tag::immutable(it, &manifest.config));
        ListedImage {
            parent: labels.get(LABEL_PARENT).and_then(|it| it.parse().ok()),
            is_own: own.is_some_and(|it| it == tag.of_candidate().unwrap_or_else(|| tag.clone())),
            tag,
            digest: manifest.digest,
            image: manifest.config,
            created: config.created,
            commit: commit.unwrap_or_default(),
            tags,
            passed: receipt.as_ref().ok().map(|it| it.tests.len()),
            problem: receipt.as_ref().err().map(|err| format!("{err:#}")).unwrap_or_default(),
            receipt: receipt.ok(),
        }
    }
}
