//! Builds the missing images of a chain, each on the one before.

mod failures;
mod fetched;
pub(crate) mod layer_cache;
mod parent_layout;
mod rootfs;
mod trial;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use self::{parent_layout::ParentLayout, trial::Trial};
use crate::{
    image::{
        build_record::BuildRecord,
        build_settings::BuildSettings,
        engine_images::EngineImages,
        recipe::{self, Layer, Make, Parent, PulledImage, Reason, Recipe},
        runner::{Log, Runner},
    },
    run::{
        files,
        lock::{self, Lock},
        printable::Shown as _,
    },
    settings::config::{Config, Mode},
    tools::{
        docker::build::{Builder, PARENT},
        docker::{Image, ImageConfig, LABEL_COMMIT, LABEL_PARENT},
        git,
        image_name::{ImageId, ImageRef, Tag},
        platform::Platform,
    },
};

/// An image that is on the engine.
#[derive(Debug, Clone)]
pub(crate) struct BuiltImage {
    pub(crate) name: String,
    pub(crate) image: Image,
    /// Name of the form `science-platform/<name>:<immutable tag>`.
    pub(crate) reference: ImageRef,
    /// `None` when nothing had to be built.
    pub(crate) reason: Option<Reason>,
    pub(crate) time: Duration,
}

/// Values of `DOCKER` and `BUILDER`.
type BuilderName = (Option<PathBuf>, Option<String>);

/// Shared state of the builds of one run, whose threads may build at the same time.
pub(crate) struct Builds<'a> {
    runner: &'a Runner,
    missing: BuildPolicy,
    /// Whether parts of the tests run on several machines, which must have the same image.
    for_parts: bool,
    images: Mutex<Arc<EngineImages>>,
    /// Built images by [`key`]: the chains of several missions have a common start.
    done: Mutex<BTreeMap<String, BuiltImage>>,
    /// Remote images that chains start from, pulled one after the other.
    bases: Mutex<BTreeMap<String, Option<Image>>>,
    /// CLIs that build, by the settings that name them.
    builders: Mutex<BTreeMap<BuilderName, Builder>>,
    /// State of the checkout before the first build, as [`git::state`] returns it.
    commit: Mutex<Option<Option<String>>>,
    /// Held while an image below the missions' is built: those of one name have one folder.
    shared: Mutex<()>,
}

/// Policy for missing images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildPolicy {
    /// Fail with an error that names the command to build it.
    Refuse,
    Build,
    /// Build mission images again, even existing ones.
    Refresh,
    /// Use the newest image of the mission, whatever it was made from.
    TakeNewest,
}

impl<'a> Builds<'a> {
    /// Lists the images on the engine.
    pub(crate) fn new(runner: &'a Runner, missing: BuildPolicy) -> anyhow::Result<Builds<'a>> {
        let images = Arc::new(EngineImages::read(&runner.docker)?);
        Ok(Builds::knowing(runner, missing, images))
    }

    /// Returns the state of builds on an engine with these images.
    pub(crate) fn knowing(
        runner: &'a Runner,
        missing: BuildPolicy,
        images: Arc<EngineImages>,
    ) -> Builds<'a> {
        Builds {
            runner,
            missing,
            for_parts: false,
            images: Mutex::new(images),
            done: Mutex::default(),
            bases: Mutex::default(),
            builders: Mutex::default(),
            commit: Mutex::default(),
            shared: Mutex::default(),
        }
    }

    /// Returns the state of builds for parts of the tests, for which a missing image is not to be built here.
    pub(crate) fn for_parts(self, for_parts: bool) -> Builds<'a> {
        Builds { for_parts, ..self }
    }

    /// Builds the missing images of `chain`, and returns all of its images.
    ///
    /// # Errors
    /// A build fails; images built before it stay.
    pub(crate) fn chain(
        &self,
        config: &Config,
        chain: &[Recipe],
    ) -> anyhow::Result<Vec<BuiltImage>> {
        if self.missing == BuildPolicy::TakeNewest {
            return Ok(vec![self.newest(chain)?]);
        }
        self.chain_by(self.missing, config, chain)
    }

    /// Builds like [`Builds::chain`], whatever the policy of this run is.
    pub(crate) fn chain_by(
        &self,
        missing: BuildPolicy,
        config: &Config,
        chain: &[Recipe],
    ) -> anyhow::Result<Vec<BuiltImage>> {
        let chain: &[Recipe] = &self.on_base(missing, chain)?;
        let place = |it| Place { config, chain, position: it, missing };
        (0..chain.len()).map(|it| self.in_chain(&place(it))).collect()
    }

    /// Builds the image at `position` in `chain` if it is missing; those before it were built.
    pub(crate) fn image(
        &self,
        config: &Config,
        chain: &[Recipe],
        position: usize,
    ) -> anyhow::Result<BuiltImage> {
        let missing = self.missing;
        if missing == BuildPolicy::TakeNewest {
            return self.newest(chain);
        }
        let chain: &[Recipe] = &self.on_base(missing, chain)?;
        self.in_chain(&Place { config, chain, position, missing })
    }

    fn in_chain(&self, place: &Place<'_>) -> anyhow::Result<BuiltImage> {
        let recipe = place.recipe();
        let done = |it: &Recipe| locked(&self.done).get(&key(place.chain, it)).cloned();
        if let Some(built) = done(recipe) {
            return Ok(built);
        }
        let previous = place.position.checked_sub(1).and_then(|it| done(&place.chain[it]));
        let built = self
            .one(place, previous.as_ref())
            .map_err(|err| failures::in_checkout(err, &self.runner.checkout.root, recipe))
            .with_context(|| format!("image {}", recipe.name))?;
        locked(&self.done).insert(key(place.chain, recipe), built.clone());
        Ok(built)
    }

    /// Returns `chain` with the digest of the remote image that it starts from, which is pulled if
    /// it is missing. A dry run, or a run that builds nothing, may not know the digest.
    fn on_base<'c>(
        &self,
        missing: BuildPolicy,
        chain: &'c [Recipe],
    ) -> anyhow::Result<Cow<'c, [Recipe]>> {
        let Some(pulled) = recipe::pulled(chain) else { return Ok(Cow::Borrowed(chain)) };
        let mut bases = locked(&self.bases);
        let key = format!("{} {}", chain[0].platform, pulled.reference);
        let base = match bases.get(&key) {
            Some(base) => base.clone(),
            None => self.base(missing, &chain[0].platform, &pulled.reference)?,
        };
        if base.is_some() {
            bases.insert(key, base.clone());
        }
        drop(bases);
        Ok(recipe::on_base(chain, base.as_ref()))
    }

    /// Returns a remote image, pulled if it is missing.
    fn base(
        &self,
        missing: BuildPolicy,
        platform: &Platform,
        reference: &ImageRef,
    ) -> anyhow::Result<Option<Image>> {
        let docker = &self.runner.docker;
        let is_tag = reference.digest.is_none();
        let refreshes = missing == BuildPolicy::Refresh && is_tag;
        // The image that a tag names now may differ from the one that was built on.
        let may_pull = missing != BuildPolicy::Refuse || !is_tag;
        let mut present = docker.image(reference)?;
        if may_pull && (present.is_none() || refreshes) {
            let mut log = self.runner.log("pull")?;
            self.runner.talk(&docker.pull_for(platform, reference), &mut log)?;
            present = docker.image(reference)?;
            if present.is_none() && self.runner.permit.is_some() {
                bail!("{reference} was pulled, but is not on the engine");
            }
        }
        Ok(present)
    }

    /// Returns the newest image of the mission at the end of `chain`.
    fn newest(&self, chain: &[Recipe]) -> anyhow::Result<BuiltImage> {
        let name = &chain.last().context("a chain has an image")?.name;
        let images = self.images();
        let of_name =
            images.named(name).filter_map(|it| Some((recipe::immutable_tag(name, it)?, it)));
        let newest = of_name.max_by(|a, b| a.1.created.cmp(&b.1.created));
        let (reference, image) = newest.with_context(|| {
            format!("no image of {name} yet; run `cargo xtask image-build {name}`")
        })?;
        let (name, image) = (name.clone(), image.clone());
        Ok(BuiltImage { name, image, reference, reason: None, time: Duration::ZERO })
    }

    /// Returns the images on the engine, as they were listed last.
    fn images(&self) -> Arc<EngineImages> {
        Arc::clone(&locked(&self.images))
    }

    fn one(&self, place: &Place<'_>, previous: Option<&BuiltImage>) -> anyhow::Result<BuiltImage> {
        let started = Instant::now();
        let Place { missing, config, chain, .. } = *place;
        let recipe = place.recipe();
        let parent = self.parent(recipe, previous)?;
        let refresh = missing == BuildPolicy::Refresh && recipe.mode.is_some();
        let find = || recipe::find(recipe, Some(&parent.label()), &self.images()).cloned();
        let mut found = if refresh { Err(Reason::Refresh) } else { find() };
        let builds_shared =
            found.is_err() && recipe.mode.is_none() && missing != BuildPolicy::Refuse;
        let alone = builds_shared.then(|| locked(&self.shared));
        let lock = if builds_shared { self.lock_shared()? } else { None };
        if lock.is_some() && self.is_outdated(recipe)? {
            *locked(&self.images) = Arc::new(EngineImages::read(&self.runner.docker)?);
            found = find();
        }
        let pulls = matches!(recipe.make, Make::Pull(_));
        let (image, reason) = match found {
            Ok(image) => (image, None),
            Err(reason) if missing == BuildPolicy::Refuse && !pulls => {
                let fix = what_builds(config, recipe, self.for_parts);
                bail!("not built ({}); {fix}", reason.text())
            }
            Err(reason) => {
                let reason = if pulls { Reason::Published } else { reason };
                let step = Step { config, chain, recipe, parent: &parent, refresh };
                (self.make(&step, reason)?, Some(reason))
            }
        };
        drop((lock, alone));
        let name = recipe.name.clone();
        let reference = reference(recipe, &image.id);
        Ok(BuiltImage { name, image, reference, reason, time: started.elapsed() })
    }

    /// Returns whether another run has made an image of this name since the images were listed: that one is
    /// the latest.
    fn is_outdated(&self, recipe: &Recipe) -> anyhow::Result<bool> {
        let latest = recipe::local(&recipe.name).tagged(&Tag::latest());
        let latest = self.runner.docker.image(&latest)?;
        let images = self.images();
        let names = |it: &Image| images.with_id(&it.id.to_string()).map(|it| it.repo_tags.clone());
        Ok(latest.is_some_and(|it| names(&it) != Some(it.repo_tags)))
    }

    /// Waits for other runs that build an image which missions share.
    fn lock_shared(&self) -> anyhow::Result<Option<Lock>> {
        let (target, ui) = (self.runner.target(), self.runner.ui);
        self.runner.permit.map(|it| lock::take(it, &target, "images", ui)).transpose()
    }

    /// Returns the parent image of `recipe`.
    fn parent(
        &self,
        recipe: &Recipe,
        previous: Option<&BuiltImage>,
    ) -> anyhow::Result<ParentImage> {
        Ok(match &recipe.parent {
            Parent::None => ParentImage::default(),
            Parent::Known(label) => ParentImage { id: label.parse().ok(), reference: None },
            Parent::Previous => {
                let built = previous.context("a chain starts with an image of its own")?;
                let reference = Some(built.reference.clone());
                ParentImage { id: Some(built.image.id.clone()), reference }
            }
            Parent::Pulled(PulledImage { reference, .. }) => {
                let present = self.runner.docker.image(reference)?;
                let id = present.map_or_else(ImageId::unknown, |it| it.id);
                ParentImage { id: Some(id), reference: Some(reference.clone()) }
            }
        })
    }

    fn make(&self, step: &Step<'_>, reason: Reason) -> anyhow::Result<Image> {
        let recipe = step.recipe;
        if reason != Reason::Published {
            // Before the first image is made, which takes long.
            self.look_ahead(step)?;
        }
        let what = if reason == Reason::Published { "pull" } else { "build" };
        let mut log = self.runner.log(&format!("image-{what}-{}", recipe.name))?;
        log.step(reason.text());
        let started = Instant::now();
        if reason != Reason::Published {
            log.expect(BuildRecord::read(&self.runner.checkout, recipe)?.map(|it| it.seconds));
        }
        let id = match &recipe.make {
            Make::Import => self.import(step, &mut log)?,
            Make::Build(dockerfile) => self.build(step, dockerfile, None, &mut log)?,
            Make::Pull(published) => self.fetch(step, published, &mut log)?,
        };
        let tag = reference(recipe, &id);
        let latest = recipe::local(&recipe.name).tagged(&Tag::latest());
        for name in [&tag, &latest] {
            self.runner.run(&self.runner.docker.tag(&id, name), &mut log)?;
        }
        let Some(permit) = self.runner.permit else { return Ok(unknown_image()) };
        let image = self.runner.docker.image(&tag)?;
        let image = image.with_context(|| format!("{tag} was built, but is not there"))?;
        let has = |name: &ImageRef| {
            image.repo_tags.as_ref().is_some_and(|it| it.contains(&name.to_string()))
        };
        if image.id != id || !has(&tag) || !has(&latest) {
            bail!("{tag} and {latest} were given to {id}, but it does not have them");
        }
        if reason != Reason::Published {
            let record = BuildRecord::new(recipe, started.elapsed());
            record.write(permit, &self.runner.checkout, recipe)?;
        }
        Ok(image)
    }

    fn build(
        &self,
        step: &Step<'_>,
        dockerfile: &str,
        trial: Option<&Trial>,
        log: &mut Log,
    ) -> anyhow::Result<ImageId> {
        let place = Folder::new(self.runner, &step.recipe.name);
        if let Some(permit) = self.runner.permit {
            step.recipe.context.stage(permit, &place.context)?;
            files::write(permit, &place.dockerfile, dockerfile.as_bytes())?;
        }
        let settings = BuildSettings::new(step.config)?;
        let builder = self.builder(step.config)?;
        let layout = match &step.parent.id {
            Some(id) if builder.is_separate() => {
                Some(ParentLayout::new(self.runner, id, &place.parent, log)?)
            }
            _ => None,
        };
        let mut build = builder.build().plain_progress().platform(&step.recipe.platform);
        for (name, value) in self.labels(step)? {
            build = build.label(&format!("{name}={value}"));
        }
        for (name, value) in build_args(step, layout.is_some())? {
            build = build.arg(name, &value);
        }
        if let Some(layout) = &layout {
            let dir = place.parent.strip_prefix(&self.runner.checkout.root)?;
            build = build.parent(dir, &layout.manifest);
        }
        build = match trial {
            Some(Trial { label, reference }) => build.label(label).tag(reference),
            None => layer_cache::add(build, step),
        };
        let build = settings.add_to(build);
        let cmd = build.context(&place.id, Some(&place.dockerfile), &place.context);
        self.runner.run(&cmd, log)?;
        if self.runner.permit.is_none() {
            return Ok(ImageId::unknown());
        }
        let stores = trial.is_none() && layer_cache::stores(step);
        if let Some(said) = log.failed_export().filter(|_| stores) {
            let name = &step.recipe.name;
            self.runner.ui.say(format!(
                "warning: {name}: its layers were not stored for other builds: {said}"
            ));
        }
        let id = fs_err::read_to_string(&place.id)?;
        id.trim().parse().with_context(|| format!("{}: not an image id", place.id.shown()))
    }

    /// Returns the labels of the image; a mission's names the commit, which is not an input: the same
    /// inputs are the same image at any commit.
    fn labels(&self, step: &Step<'_>) -> anyhow::Result<Vec<(&'static str, String)>> {
        let mut res = step.recipe.labels();
        res.push((LABEL_PARENT, step.parent.label()));
        if step.recipe.mode.is_some() {
            let commit = self.commit()?;
            res.extend(commit.map(|it| (LABEL_COMMIT, it)));
        }
        Ok(res)
    }

    fn commit(&self) -> anyhow::Result<Option<String>> {
        let mut known = locked(&self.commit);
        if let Some(commit) = &*known {
            return Ok(commit.clone());
        }
        let commit = git::state(&self.runner.checkout.root)?;
        Ok(known.insert(commit).clone())
    }

    /// Asks at once what the first build by these settings needs to know; an error comes again then.
    pub(crate) fn prepare(&self, config: &Config) {
        thread::scope(|scope| {
            scope.spawn(|| self.commit());
            let _ = self.builder(config);
        });
    }

    /// Checks that builds can begin, while git tells the commit to a chain whose last image names it.
    fn look_ahead(&self, step: &Step<'_>) -> anyhow::Result<()> {
        thread::scope(|scope| {
            if step.chain.iter().any(|it| it.mode.is_some()) {
                // The label's build asks again after an error.
                scope.spawn(|| self.commit());
            }
            self.check_builder(step.config)
        })
    }

    /// Checks that builds by these settings can begin.
    ///
    /// # Errors
    /// The machine lacks a builder, or what it needs to store layers.
    pub(crate) fn check_builder(&self, config: &Config) -> anyhow::Result<()> {
        layer_cache::check(config, &self.builder(config)?)
    }

    /// Returns the CLI that builds by these settings, which is looked for once.
    pub(crate) fn builder(&self, config: &Config) -> anyhow::Result<Builder> {
        let mut known = locked(&self.builders);
        let name = (config.docker.clone(), config.builder.clone());
        if let Some(builder) = known.get(&name) {
            return Ok(builder.clone());
        }
        let builder = self.runner.docker.builder(name.0.as_deref(), name.1.as_deref())?;
        Ok(known.entry(name).or_insert(builder).clone())
    }
}

/// Returns the build arguments for a recipe's Dockerfile. The builder gets the parent image as a layout, or
/// has it.
fn build_args(step: &Step<'_>, has_layout: bool) -> anyhow::Result<Vec<(&'static str, String)>> {
    let parent = match &step.parent.reference {
        _ if has_layout => PARENT.to_owned(),
        parent => parent.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    Ok(match step.recipe.layer {
        Layer::Rootfs => Vec::new(),
        Layer::Base | Layer::Registry | Layer::Hub => vec![("ROOTFS", parent)],
        Layer::Common => {
            let digest = recipe::base_digest(step.chain);
            let digest = digest.unwrap_or_else(|| "<digest>".to_owned());
            vec![("BASE_IMAGE", parent), ("BASE_DIGEST", digest)]
        }
        Layer::Mission => {
            let mode = step.recipe.mode.context("a mission image has a mode")?;
            vec![("BASE_IMAGE", parent), ("USE_FROZEN", mode.flag().to_owned())]
        }
    })
}

/// Returns the value of `mutex`, also after a panic of another thread: no value is left half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the key of `recipe`'s image within a run.
pub(crate) fn key(chain: &[Recipe], recipe: &Recipe) -> String {
    let unknown = recipe.inputs == recipe::UNKNOWN_INPUTS;
    let pulled = recipe::pulled(chain).filter(|_| unknown);
    let base = pulled.map(|it| it.reference.to_string()).unwrap_or_default();
    format!("{} {} {} {base}", recipe.name, recipe.platform, recipe.inputs)
}

/// An image in a chain, whose remote image is known.
struct Place<'a> {
    config: &'a Config,
    chain: &'a [Recipe],
    position: usize,
    missing: BuildPolicy,
}

impl<'a> Place<'a> {
    fn recipe(&self) -> &'a Recipe {
        &self.chain[self.position]
    }
}

/// An image to build.
struct Step<'a> {
    config: &'a Config,
    chain: &'a [Recipe],
    recipe: &'a Recipe,
    parent: &'a ParentImage,
    refresh: bool,
}

#[derive(Debug, Default)]
struct ParentImage {
    id: Option<ImageId>,
    reference: Option<ImageRef>,
}

impl ParentImage {
    /// Returns the value of its child's label.
    fn label(&self) -> String {
        self.id.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// Context folder and id file of a build.
struct Folder {
    context: PathBuf,
    dockerfile: PathBuf,
    id: PathBuf,
    /// Folder for the image below.
    parent: PathBuf,
}

impl Folder {
    fn new(runner: &Runner, name: &str) -> Folder {
        let dir = runner.target().join("build");
        Folder {
            context: dir.join(name),
            dockerfile: dir.join(format!("{name}.Dockerfile")),
            id: dir.join(format!("{name}.iid")),
            parent: dir.join(format!("{name}.parent")),
        }
    }
}

/// Returns the command that builds the image, with a hint for users who just built the floating
/// image. Parts of the tests need the image of the machine that built it.
fn what_builds(config: &Config, recipe: &Recipe, for_parts: bool) -> String {
    let name = &config.mission;
    let build = format!("run `cargo xtask image-build {name}`");
    match recipe.mode {
        _ if for_parts => {
            format!("run `cargo xtask image-push {name} --candidate` where the image is built")
        }
        Some(Mode::Frozen) => build + ", or take the floating image by `--floating`",
        _ => build,
    }
}

fn reference(recipe: &Recipe, id: &ImageId) -> ImageRef {
    recipe::local(&recipe.name).tagged(&Tag::immutable(&recipe.inputs, id))
}

fn unknown_image() -> Image {
    Image {
        id: ImageId::unknown(),
        repo_tags: None,
        repo_digests: None,
        size: 0,
        created: String::new(),
        os: String::new(),
        architecture: String::new(),
        config: ImageConfig::default(),
    }
}
