//! Builds the missing images of a chain, each on the one before.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};

use crate::{
    image::{
        build_record::BuildRecord,
        build_settings::BuildSettings,
        leftovers::{self, Kind},
        recipe::{self, Layer, Make, Parent, PulledImage, Reason, Recipe},
        runner::{Log, Runner},
    },
    mission::dockerfile::calls::ENVIRONMENTS,
    run::{
        failure, files,
        lock::{self, Lock},
        printable::Shown as _,
        process::{self, Patience, cmd},
        random::random_hex,
        redact::redact,
        terminal,
    },
    settings::config::{Config, Mode},
    tools::{
        docker::{Builder, Image, ImageConfig, LABEL_COMMIT, LABEL_PARENT, LABEL_RUN},
        git,
        image_name::{ImageId, ImageRef, Tag},
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

/// An image that only this run uses; removed from the engine with this value.
pub(crate) struct TemporaryImage<'a> {
    runner: &'a Runner,
    pub(crate) built: BuiltImage,
}

impl Drop for TemporaryImage<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.runner.permit {
            let id = self.built.image.id.to_string();
            leftovers::remove(permit, &self.runner.docker, Kind::Image, &id);
        }
    }
}

/// Shared state of the builds of one run.
pub(crate) struct Builds<'a> {
    runner: &'a Runner,
    images: Vec<Image>,
    /// Built images by [`key`]: the chains of several missions have a common start.
    done: BTreeMap<String, BuiltImage>,
    builder: Option<Builder>,
    missing: BuildPolicy,
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
        let images = runner.docker.images()?;
        Ok(Builds { runner, images, done: BTreeMap::new(), builder: None, missing })
    }

    /// Sets the policy for missing images from here on.
    pub(crate) fn missing(&mut self, missing: BuildPolicy) -> &mut Self {
        self.missing = missing;
        self
    }

    /// Builds the missing images of `chain`, and returns all of its images.
    ///
    /// # Errors
    /// A build fails; images built before it stay.
    pub(crate) fn chain(
        &mut self,
        config: &Config,
        chain: &[Recipe],
    ) -> anyhow::Result<Vec<BuiltImage>> {
        if self.missing == BuildPolicy::TakeNewest {
            return Ok(vec![self.newest(chain)?]);
        }
        let chain: &[Recipe] = &self.on_base(chain)?;
        let mut res: Vec<BuiltImage> = Vec::new();
        for recipe in chain {
            let key = key(chain, recipe);
            let built = match self.done.get(&key) {
                Some(built) => built.clone(),
                None => self
                    .one(config, chain, recipe, res.last())
                    .map_err(|err| in_checkout(err, recipe))
                    .with_context(|| format!("image {}", recipe.name))?,
            };
            self.done.insert(key, built.clone());
            res.push(built);
        }
        Ok(res)
    }

    /// Returns `chain` with the digest of the remote image that it starts from, which is pulled if
    /// it is missing. A dry run, or a run that builds nothing, may not know the digest.
    fn on_base<'c>(&self, chain: &'c [Recipe]) -> anyhow::Result<Cow<'c, [Recipe]>> {
        let Some(pulled) = recipe::pulled(chain) else { return Ok(Cow::Borrowed(chain)) };
        let reference = &pulled.reference;
        let docker = &self.runner.docker;
        let is_tag = reference.digest.is_none();
        let refreshes = self.missing == BuildPolicy::Refresh && is_tag;
        // The image that a tag names now may differ from the one that was built on.
        let may_pull = self.missing != BuildPolicy::Refuse || !is_tag;
        let mut present = docker.image(reference)?;
        if may_pull && (present.is_none() || refreshes) {
            let mut log = self.runner.log("pull")?;
            let platform = chain[0].platform.to_string();
            let pull = docker.change(["pull", "--platform", &platform, &reference.to_string()]);
            self.runner.talk(&pull, &mut log)?;
            present = docker.image(reference)?;
            if present.is_none() && self.runner.permit.is_some() {
                bail!("{reference} was pulled, but is not on the engine");
            }
        }
        Ok(recipe::on_base(chain, present.as_ref()))
    }

    /// Returns the newest image of the mission at the end of `chain`.
    fn newest(&self, chain: &[Recipe]) -> anyhow::Result<BuiltImage> {
        let name = &chain.last().context("a chain has an image")?.name;
        let of_name =
            self.images.iter().filter_map(|it| Some((recipe::immutable_tag(name, it)?, it)));
        let newest = of_name.max_by(|a, b| a.1.created.cmp(&b.1.created));
        let (reference, image) = newest.with_context(|| {
            format!("no image of {name} yet; run `cargo xtask image-build {name}`")
        })?;
        let (name, image) = (name.clone(), image.clone());
        Ok(BuiltImage { name, image, reference, reason: None, time: Duration::ZERO })
    }

    fn one(
        &mut self,
        config: &Config,
        chain: &[Recipe],
        recipe: &Recipe,
        previous: Option<&BuiltImage>,
    ) -> anyhow::Result<BuiltImage> {
        let started = Instant::now();
        let parent = self.parent(recipe, previous)?;
        let refresh = self.missing == BuildPolicy::Refresh && recipe.mode.is_some();
        let mut found = match refresh {
            true => Err(Reason::Refresh),
            false => recipe::find(recipe, Some(&parent.label()), &self.images).cloned(),
        };
        let lock = if found.is_err() { self.lock_shared(recipe)? } else { None };
        if lock.is_some() {
            // Another run may have made the image meanwhile.
            self.images = self.runner.docker.images()?;
            found = recipe::find(recipe, Some(&parent.label()), &self.images).cloned();
        }
        let (image, reason) = match found {
            Ok(image) => (image, None),
            Err(reason) if self.missing == BuildPolicy::Refuse => {
                bail!("not built ({}); {}", reason.text(), what_builds(config, recipe))
            }
            Err(reason) => {
                let step = Step { config, chain, recipe, parent: &parent, refresh };
                (self.make(&step, reason)?, Some(reason))
            }
        };
        drop(lock);
        let name = recipe.name.clone();
        let reference = reference(recipe, &image.id);
        Ok(BuiltImage { name, image, reference, reason, time: started.elapsed() })
    }

    /// Waits for other runs that build an image which missions share; `None` if nothing is built.
    fn lock_shared(&self, recipe: &Recipe) -> anyhow::Result<Option<Lock>> {
        let builds = recipe.mode.is_none() && self.missing != BuildPolicy::Refuse;
        let permit = self.runner.permit.filter(|_| builds);
        let (target, ui) = (self.runner.target(), self.runner.ui);
        permit.map(|it| lock::take(it, &target, "images", ui)).transpose()
    }

    /// Returns the parent image of `recipe`.
    fn parent(
        &self,
        recipe: &Recipe,
        previous: Option<&BuiltImage>,
    ) -> anyhow::Result<ParentImage> {
        Ok(match &recipe.parent {
            Parent::None => ParentImage::default(),
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

    fn make(&mut self, step: &Step<'_>, reason: Reason) -> anyhow::Result<Image> {
        let recipe = step.recipe;
        let mut log = self.runner.log(&format!("image-build-{}", recipe.name))?;
        log.step(reason.text());
        let started = Instant::now();
        log.expect(BuildRecord::read(&self.runner.checkout, recipe)?.map(|it| it.seconds));
        let id = match &recipe.make {
            Make::Import => self.import(step, &mut log)?,
            Make::Build(dockerfile) => self.build(step, dockerfile, &[], &mut log)?,
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
        BuildRecord::new(recipe, started.elapsed()).write(permit, &self.runner.checkout, recipe)?;
        Ok(image)
    }

    /// Pipes the root file system into `docker import`.
    fn import(&self, step: &Step<'_>, log: &mut Log) -> anyhow::Result<ImageId> {
        let root = &self.runner.checkout.root;
        let mut from = cmd!(root, "common/base/rootfs").patience(Patience::Work);
        if let Some(mirror) = &step.config.indexes.debian {
            let security = format!("{}-security", mirror.trim_end_matches('/'));
            from = from.args(["--mirror", mirror, "--security-mirror", &security]);
        }
        for (name, value) in &step.config.proxies {
            from = from.secret_env(name, value);
        }
        let labels = self.labels(step)?.into_iter();
        let labels: Vec<String> =
            labels.map(|(name, value)| format!("LABEL {name}={value}")).collect();
        let changes = labels.iter().flat_map(|it| ["--change", it.as_str()]);
        let platform = step.recipe.platform.to_string();
        let to = self
            .runner
            .docker
            .change(["import", "--platform", &platform])
            .args(changes)
            .args(["-"]);
        let Some(permit) = self.runner.permit else {
            terminal::print(redact(&format!("{from} | {to}")));
            return Ok(ImageId::unknown());
        };
        log.line(&redact(&format!("$ {from} | {to}")));
        // Removed with the remains of an interrupted mmdebstrap; apt's own user reads there, too.
        let tmp = files::temporary(permit, None, "rootfs-", 0o755)?;
        let from = from.env("TMPDIR", &tmp.path().to_string_lossy());
        match process::pipe(&from.permitted(permit), &to.permitted(permit), &mut |line| {
            log.line(line)
        }) {
            Ok(id) => id.trim().parse().context("`docker import` printed no image id"),
            Err(err) => Err(import_failed(err, log)),
        }
    }

    /// Builds `recipe` on `parent`, a mission's image, for this run alone: the image has no lasting
    /// name, and is removed with the returned value.
    ///
    /// # Errors
    /// The build fails.
    pub(crate) fn temporary(
        &mut self,
        config: &Config,
        recipe: &Recipe,
        parent: &BuiltImage,
        log: &mut Log,
    ) -> anyhow::Result<TemporaryImage<'a>> {
        let started = Instant::now();
        let Make::Build(dockerfile) = &recipe.make else { bail!("{}: not a build", recipe.name) };
        let id = Some(parent.image.id.clone());
        let on = ParentImage { id, reference: Some(parent.reference.clone()) };
        let chain = std::slice::from_ref(recipe);
        let step = Step { config, chain, recipe, parent: &on, refresh: false };
        let (tag, label) = match self.runner.permit {
            Some(permit) => {
                let label = leftovers::label(permit, &self.runner.target())?;
                (format!("try-{}", random_hex()?), label)
            }
            None => ("try".to_owned(), format!("{LABEL_RUN}=<run>")),
        };
        let reference = recipe::local(&parent.name).tagged(&tag.parse()?);
        let flags = ["--label".to_owned(), label, "--tag".to_owned(), reference.to_string()];
        let id = self.build(&step, dockerfile, &flags, log).inspect_err(|_| {
            // The engine may have made the image even so.
            if let Some(permit) = self.runner.permit {
                leftovers::remove_all(permit, &self.runner.docker, Kind::Image);
            }
        })?;
        let (name, reason) = (parent.name.clone(), Some(Reason::NothingYet));
        let image = Image { id: id.clone(), ..unknown_image() };
        let built = BuiltImage { name, image, reference, reason, time: started.elapsed() };
        let mut res = TemporaryImage { runner: self.runner, built };
        if self.runner.permit.is_some() {
            let image = self.runner.docker.image(&res.built.reference)?.filter(|it| it.id == id);
            res.built.image = image.context("the trial was built, but is not on the engine")?;
        }
        Ok(res)
    }

    fn build(
        &mut self,
        step: &Step<'_>,
        dockerfile: &str,
        flags: &[String],
        log: &mut Log,
    ) -> anyhow::Result<ImageId> {
        let place = Place::new(self.runner, &step.recipe.name);
        if let Some(permit) = self.runner.permit {
            step.recipe.context.stage(permit, &place.context)?;
            files::write(permit, &place.dockerfile, dockerfile.as_bytes())?;
        }
        let settings = BuildSettings::new(step.config)?;
        let builder = self.builder(step.config)?;
        let mut cmd = builder.build().args(["--progress", "plain"]);
        cmd = cmd.args(["--platform".to_owned(), step.recipe.platform.to_string()]);
        for (name, value) in self.labels(step)? {
            cmd = cmd.args(["--label".to_owned(), format!("{name}={value}")]);
        }
        for (name, value) in self.build_args(step)? {
            cmd = cmd.args(["--build-arg".to_owned(), format!("{name}={value}")]);
        }
        if step.refresh {
            cmd = cmd.args(["--no-cache"]);
        }
        cmd = settings
            .add_to(cmd.args(flags))
            .args(["--iidfile".into(), place.id.clone().into_os_string()]);
        cmd = cmd.args(["--file".into(), place.dockerfile.into_os_string()]);
        self.runner.run(&cmd.args([place.context]), log)?;
        if self.runner.permit.is_none() {
            return Ok(ImageId::unknown());
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
            let commit = git::state(&self.runner.checkout.root)?;
            res.extend(commit.map(|it| (LABEL_COMMIT, it)));
        }
        Ok(res)
    }

    /// Returns the build arguments for a recipe's Dockerfile.
    fn build_args(&self, step: &Step<'_>) -> anyhow::Result<Vec<(&'static str, String)>> {
        let parent = step.parent.reference.as_ref().map(ToString::to_string).unwrap_or_default();
        Ok(match step.recipe.layer {
            Layer::Rootfs => Vec::new(),
            Layer::Base | Layer::Registry => vec![("ROOTFS", parent)],
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

    fn builder(&mut self, config: &Config) -> anyhow::Result<Builder> {
        if self.builder.is_none() {
            self.builder = Some(self.runner.docker.builder(config.docker.as_deref())?);
        }
        self.builder.clone().context("a builder was just found")
    }
}

/// Returns the key of `recipe`'s image within a run.
fn key(chain: &[Recipe], recipe: &Recipe) -> String {
    let unknown = recipe.inputs == recipe::UNKNOWN_INPUTS;
    let pulled = recipe::pulled(chain).filter(|_| unknown);
    let base = pulled.map(|it| it.reference.to_string()).unwrap_or_default();
    format!("{} {} {base}", recipe.name, recipe.inputs)
}

fn import_failed(err: anyhow::Error, log: &Log) -> anyhow::Error {
    let Some(failed) = err.downcast_ref::<process::Failed>() else { return err };
    let text = log.failure(&failed.cmd, failed.status);
    // The script's status for a machine that lacks something.
    if failed.status == 3 { failure::machine("rootfs", text) } else { anyhow!(text) }
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
struct Place {
    context: PathBuf,
    dockerfile: PathBuf,
    id: PathBuf,
}

impl Place {
    fn new(runner: &Runner, name: &str) -> Place {
        let dir = runner.target().join("build");
        Place {
            context: dir.join(name),
            dockerfile: dir.join(format!("{name}.Dockerfile")),
            id: dir.join(format!("{name}.iid")),
        }
    }
}

/// Returns a build's failure with the paths of a mission's lists in the checkout in place of those in
/// the image.
fn in_checkout(err: anyhow::Error, recipe: &Recipe) -> anyhow::Error {
    if recipe.mode.is_none() || failure::status(&err) != 1 {
        return err;
    }
    let own = format!("missions/{}/environments/", recipe.name);
    anyhow!(format!("{err:#}").replace(&format!("{ENVIRONMENTS}/"), &own))
}

/// Returns the command that builds the image, with a hint for users who just built the floating
/// image.
fn what_builds(config: &Config, recipe: &Recipe) -> String {
    let build = format!("run `cargo xtask image-build {}`", config.mission);
    match recipe.mode {
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
