//! Inputs of each image, and whether an image on the engine matches them. Pure.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use crate::{
    image::{
        build_context::{BuildContext, Entry},
        engine_images::EngineImages,
        short_chain::Published,
    },
    settings::config::{Base, Config, Mode},
    tools::{
        docker::{Image, LABEL_FROZEN, LABEL_INPUTS, LABEL_MISSION, LABEL_PARENT, NAMESPACE},
        image_name::{ImageRef, Repository, Tag},
        platform::Platform,
    },
};

/// All inputs of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) layer: Layer,
    /// Name `base`, `common`, or the mission's: the repository below this tool's namespace.
    pub(crate) name: String,
    pub(crate) make: Make,
    pub(crate) parent: Parent,
    pub(crate) platform: Platform,
    /// Value of `USE_FROZEN`, if the image depends on it.
    pub(crate) mode: Option<Mode>,
    pub(crate) context: Arc<BuildContext>,
    /// Digest of all fields above and the parent's digest, 64 hex digits.
    pub(crate) inputs: String,
    /// Published image, named by digest, whose layers the build may take. Not an input.
    pub(crate) cache: Option<ImageRef>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Make {
    /// The output of the script `common/base/rootfs`, a root file system, is imported.
    Import,
    /// A Dockerfile with this text is built.
    Build(Arc<str>),
    /// The image is pulled from a registry.
    Pull(Box<Published>),
}

/// A layer of the chain of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Root file system of the embedded base, of the registry and of the hub on this machine.
    Rootfs,
    Base,
    Registry,
    Hub,
    Common,
    Mission,
}

/// Name of the image below all missions'.
pub(crate) const COMMON: &str = "common";

impl Layer {
    /// Returns the name of the image; a mission's has the mission's name.
    fn name(self) -> &'static str {
        match self {
            Layer::Rootfs => "rootfs",
            Layer::Base => "base",
            Layer::Registry => "registry",
            Layer::Hub => "hub",
            Layer::Common => COMMON,
            Layer::Mission => "mission",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parent {
    None,
    /// The previous recipe of the same chain.
    Previous,
    Pulled(PulledImage),
    /// The image that this label names, which is not needed on the engine.
    Known(String),
}

/// An image of another registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PulledImage {
    pub(crate) reference: ImageRef,
    /// Digest of its manifest, or the id of an image built on this machine; `None` for a tag until
    /// the engine was asked.
    pub(crate) digest: Option<String>,
}

impl PulledImage {
    fn new(reference: &ImageRef) -> PulledImage {
        let digest = reference.digest.as_ref().map(ToString::to_string);
        PulledImage { reference: reference.clone(), digest }
    }
}

/// Text files of recipes, as read from the working tree.
pub(crate) struct Parts {
    pub(crate) rootfs: BuildContext,
    pub(crate) registry: (String, BuildContext),
    pub(crate) hub: (String, BuildContext),
    pub(crate) base: (String, BuildContext),
    pub(crate) common: (String, BuildContext),
}

/// Sources of a mission's image, as read from its folder.
pub(crate) struct MissionParts {
    pub(crate) name: String,
    /// Text of the generated Dockerfile, or of the mission's own.
    pub(crate) dockerfile: String,
    /// Files that the `.dockerignore` includes.
    pub(crate) context: BuildContext,
    /// Lists of packages, relative to `environments/`, with the modes of the images that have them.
    pub(crate) spec_files: BTreeMap<PathBuf, &'static [Mode]>,
}

/// Returns the recipes up to the embedded base, or the reference of a remote one.
fn base_chain(config: &Config, platform: Platform, parts: &Parts) -> (Vec<Recipe>, Parent) {
    match &config.base {
        Base::Remote(reference) => (Vec::new(), Parent::Pulled(PulledImage::new(reference))),
        Base::Embedded => {
            let (mut chain, parent) = rootfs_chain(config, platform, parts);
            chain.push(recipe(
                Layer::Base,
                Layer::Base.name(),
                &parts.base,
                parent,
                platform,
                None,
                chain.last(),
            ));
            (chain, Parent::Previous)
        }
    }
}

/// Returns the recipes of the root file system, or the reference of a pulled one.
fn rootfs_chain(config: &Config, platform: Platform, parts: &Parts) -> (Vec<Recipe>, Parent) {
    if let Some(reference) = &config.debian_image {
        return (Vec::new(), Parent::Pulled(PulledImage::new(reference)));
    }
    let rootfs = (String::new(), parts.rootfs.clone());
    let mut rootfs =
        recipe(Layer::Rootfs, Layer::Rootfs.name(), &rootfs, Parent::None, platform, None, None);
    rootfs.make = Make::Import;
    (vec![rootfs], Parent::Previous)
}

/// Returns the recipes of the embedded base, whatever `BASE_IMAGE` says.
pub(crate) fn embedded_base(config: &Config, platform: Platform, parts: &Parts) -> Vec<Recipe> {
    let config = Config { base: Base::Embedded, ..config.clone() };
    base_chain(&config, platform, parts).0
}

/// Returns the recipes of the registry on this machine.
pub(crate) fn registry(config: &Config, platform: Platform, parts: &Parts) -> Vec<Recipe> {
    on_rootfs(config, platform, parts, Layer::Registry, &parts.registry)
}

/// Returns the recipes of the hub on this machine.
pub(crate) fn hub(config: &Config, platform: Platform, parts: &Parts) -> Vec<Recipe> {
    on_rootfs(config, platform, parts, Layer::Hub, &parts.hub)
}

fn on_rootfs(
    config: &Config,
    platform: Platform,
    parts: &Parts,
    layer: Layer,
    own: &(String, BuildContext),
) -> Vec<Recipe> {
    let (mut chain, parent) = rootfs_chain(config, platform, parts);
    chain.push(recipe(layer, layer.name(), own, parent, platform, None, chain.last()));
    chain
}

/// Returns the recipes of the common image in build order; its own is the last.
pub(crate) fn common(config: &Config, platform: Platform, parts: &Parts) -> Vec<Recipe> {
    let (mut chain, parent) = base_chain(config, platform, parts);
    chain.push(recipe(
        Layer::Common,
        Layer::Common.name(),
        &parts.common,
        parent,
        platform,
        None,
        chain.last(),
    ));
    chain
}

/// Returns the recipes of a mission's image in build order, on `below`, those up to the common image;
/// its own is the last.
pub(crate) fn mission(
    below: &[Recipe],
    mode: Mode,
    platform: Platform,
    mission: &MissionParts,
) -> Vec<Recipe> {
    let mut chain = below.to_vec();
    let is_of_other_mode = |path: &Path| {
        let path = path.strip_prefix("environments").unwrap_or(path);
        mission.spec_files.get(path).is_some_and(|modes| !modes.contains(&mode))
    };
    let context = mission.context.clone().without(is_of_other_mode);
    let own = (mission.dockerfile.clone(), context);
    chain.push(recipe(
        Layer::Mission,
        &mission.name,
        &own,
        Parent::Previous,
        platform,
        Some(mode),
        chain.last(),
    ));
    chain
}

/// Returns the recipe of an image on top of a mission's.
pub(crate) fn on_mission(
    name: &str,
    dockerfile: String,
    context: BuildContext,
    platform: Platform,
    mode: Mode,
) -> Recipe {
    let own = (dockerfile, context);
    recipe(Layer::Mission, name, &own, Parent::Previous, platform, Some(mode), None)
}

fn recipe(
    layer: Layer,
    name: &str,
    (dockerfile, context): &(String, BuildContext),
    parent: Parent,
    platform: Platform,
    mode: Option<Mode>,
    previous: Option<&Recipe>,
) -> Recipe {
    let mut res = Recipe {
        layer,
        name: name.to_owned(),
        make: Make::Build(dockerfile.as_str().into()),
        parent,
        platform,
        mode,
        context: Arc::new(context.clone()),
        inputs: String::new(),
        cache: None,
    };
    res.inputs = res.digest(previous);
    res
}

/// Inputs digest of images on a remote image that is not on the engine.
pub(crate) const UNKNOWN_INPUTS: &str = "<inputs>";

impl Recipe {
    /// Returns the labels of its image, except the one that names the parent.
    pub(crate) fn labels(&self) -> Vec<(&'static str, String)> {
        let mut res = vec![(LABEL_INPUTS, self.inputs.clone())];
        if let Some(mode) = self.mode {
            let frozen = serde_json::json!(self.frozen_specs(mode)).to_string();
            res.extend([(LABEL_MISSION, self.name.clone()), (LABEL_FROZEN, frozen)]);
        }
        res
    }

    /// Returns the SHA-256 of each installed frozen spec, by environment, as sent to docker.
    fn frozen_specs<'a>(&'a self, mode: Mode) -> BTreeMap<&'a str, String> {
        if mode == Mode::Floating {
            return BTreeMap::new();
        }
        let digest = |(path, entry): (&'a PathBuf, &Entry)| match entry {
            Entry::File { bytes, .. } => Some((frozen_environment(path)?, sha256(bytes))),
            Entry::Link { .. } => None,
        };
        self.context.entries.iter().filter_map(digest).collect()
    }

    /// Returns the digest of all inputs, and its parent's. The name of a remote image does not
    /// count: a tag and its digest give the same result.
    fn digest(&self, previous: Option<&Recipe>) -> String {
        let parent = match &self.parent {
            Parent::None | Parent::Known(_) => "",
            Parent::Previous => previous.map_or("", |it| it.inputs.as_str()),
            Parent::Pulled(pulled) => pulled.digest.as_deref().unwrap_or(UNKNOWN_INPUTS),
        };
        if parent == UNKNOWN_INPUTS {
            return parent.to_owned();
        }
        let dockerfile = match &self.make {
            Make::Import | Make::Pull(_) => "",
            Make::Build(text) => text,
        };
        let mut hasher = blake3::Hasher::new();
        let mode = self.mode.map_or("", Mode::flag);
        for field in ["inputs 1", dockerfile, parent, mode, &self.platform.to_string()] {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field.as_bytes());
        }
        self.context.hash(&mut hasher);
        hasher.finalize().to_hex().to_string()
    }
}

/// Returns the environment of a frozen spec's path.
fn frozen_environment(path: &Path) -> Option<&str> {
    let parts: Vec<&str> = path.iter().filter_map(|it| it.to_str()).collect();
    match parts[..] {
        ["environments", name, file] if file.strip_suffix("-frozen.yml") == Some(name) => {
            Some(name)
        }
        _ => None,
    }
}

/// Returns the SHA-256 of `bytes` as hex digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect()
}

/// Returns the remote image that `chain` starts from.
pub(crate) fn pulled(chain: &[Recipe]) -> Option<&PulledImage> {
    match &chain.first()?.parent {
        Parent::Pulled(pulled) => Some(pulled),
        _ => None,
    }
}

/// Returns `chain` with the digest of `base`, the remote image that it starts from.
pub(crate) fn on_base<'a>(chain: &'a [Recipe], base: Option<&Image>) -> Cow<'a, [Recipe]> {
    match (pulled(chain), base) {
        (Some(PulledImage { reference, digest: None }), Some(image)) => {
            let digest = image.repo_digest(reference).map(String::from);
            Cow::Owned(with_digest(chain, &digest.unwrap_or_else(|| image.id.to_string())))
        }
        _ => Cow::Borrowed(chain),
    }
}

/// Returns the inputs digest of the last image of `chain` without asking an engine: a remote base that
/// a tag names counts by its name. For comparisons of two trees, not for labels.
pub(crate) fn inputs_by_name(chain: &[Recipe]) -> Option<String> {
    let named = match pulled(chain) {
        Some(PulledImage { reference, digest: None }) => {
            Cow::Owned(with_digest(chain, &reference.to_string()))
        }
        _ => Cow::Borrowed(chain),
    };
    named.last().map(|it| it.inputs.clone())
}

fn with_digest(chain: &[Recipe], digest: &str) -> Vec<Recipe> {
    let mut res: Vec<Recipe> = Vec::new();
    for mut recipe in chain.iter().cloned() {
        if let Parent::Pulled(pulled) = &mut recipe.parent {
            pulled.digest = Some(digest.to_owned());
        }
        recipe.inputs = recipe.digest(res.last());
        res.push(recipe);
    }
    res
}

/// Name of the embedded base in `BASE_IMAGE` and frozen specs.
pub(crate) const LOCAL: &str = "local";

/// Returns the base that the common image records: a remote base's digest, or [`LOCAL`]. `None` for
/// a remote base named by a tag, until the engine was asked.
pub(crate) fn base_digest(chain: &[Recipe]) -> Option<String> {
    match &chain.iter().find(|it| it.layer == Layer::Common)?.parent {
        Parent::Pulled(pulled) => pulled.digest.clone(),
        _ => Some(LOCAL.to_owned()),
    }
}

/// Returns the version of Python that the embedded base's packages are locked for, like 3.13.
pub(crate) fn embedded_python(parts: &Parts) -> Option<String> {
    let Entry::File { bytes, .. } = parts.base.1.entries.get(Path::new("requirements.txt"))? else {
        return None;
    };
    locked_python(std::str::from_utf8(bytes).ok()?)
}

/// Returns the version of Python that `lock`, the embedded base's `requirements.txt`, is for.
pub(crate) fn locked_python(lock: &str) -> Option<String> {
    let comments = lock.lines().take_while(|it| it.starts_with('#'));
    let mut words = comments.flat_map(str::split_whitespace);
    words.find(|it| *it == "--python-version")?;
    words.next().map(str::to_owned)
}

/// Reason to build an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    NothingYet,
    InputsChanged,
    ParentChanged,
    Refresh,
    /// It is pulled, not built.
    Published,
}

impl Reason {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Reason::NothingYet => "no image yet",
            Reason::InputsChanged => "its inputs changed",
            Reason::ParentChanged => "its parent image changed",
            Reason::Refresh => "asked for",
            Reason::Published => "published",
        }
    }
}

/// Returns the newest image on the engine that was made from this recipe on this parent, or the
/// reason to build it. `parent` is the parent's id, empty for an image without one, `None` for a
/// parent that must be built first.
pub(crate) fn find<'a>(
    recipe: &Recipe,
    parent: Option<&str>,
    images: &'a EngineImages,
) -> Result<&'a Image, Reason> {
    let of_name: Vec<&Image> = images.named(&recipe.name).collect();
    if of_name.is_empty() {
        return Err(Reason::NothingYet);
    }
    let labels = recipe.labels();
    let has_labels =
        |it: &&Image| labels.iter().all(|(name, value)| it.label(name) == Some(value.as_str()));
    let of_inputs: Vec<&Image> = of_name.into_iter().filter(has_labels).collect();
    if of_inputs.is_empty() {
        return Err(Reason::InputsChanged);
    }
    let of_parent =
        of_inputs.into_iter().filter(|it| parent.is_some() && it.label(LABEL_PARENT) == parent);
    of_parent.max_by(|a, b| a.created.cmp(&b.created)).ok_or(Reason::ParentChanged)
}

/// Returns the images of `chain` that are on the engine, up to the first one that must be built.
/// `base` is the remote image that it starts from.
pub(crate) fn present<'a>(
    chain: &[Recipe],
    base: Option<&Image>,
    images: &'a EngineImages,
) -> Vec<&'a Image> {
    let mut res: Vec<&Image> = Vec::new();
    let mut parent = base.map(|it| it.id.to_string()).unwrap_or_default();
    for recipe in on_base(chain, base).iter() {
        let Ok(image) = find(recipe, Some(&parent), images) else { break };
        parent = image.id.to_string();
        res.push(image);
    }
    res
}

/// Returns the image's name in this tool's namespace, if it has the name that its labels and id
/// determine. An image that somebody built on this tool's image inherits the labels, but cannot
/// have this name.
pub(crate) fn immutable_tag(name: &str, image: &Image) -> Option<ImageRef> {
    let res = local(name).tagged(&Tag::immutable(image.label(LABEL_INPUTS)?, &image.id));
    image.repo_tags.as_ref()?.contains(&res.to_string()).then_some(res)
}

/// Returns the engine's repository of the images called `name`.
pub(crate) fn local(name: &str) -> Repository {
    Repository::below(NAMESPACE, name)
}

#[cfg(test)]
mod tests;
