//! How reuse reads a registry: by curl, with all questions at once, or, where curl is missing, by docker, one
//! image after the other. docker shows no config and no layer of a registry, so images are pulled to
//! read them.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Once,
};

use anyhow::{Context as _, anyhow, ensure};

use super::{
    Host,
    api::{
        Access, Api, Manifest,
        each::{self, Question},
    },
    published, receipts,
};
use crate::{
    image::runner::Runner,
    run::{failure, process},
    settings::config::Config,
    tools::{
        curl,
        docker::Image,
        image_name::{ImageRef, Tag},
        retries::Unanswered,
    },
};

/// What a run that reads a registry without curl says once.
const NO_CURL: &str = "warning: curl is not on PATH: the registry is asked by docker, one image after the other, and images are pulled to look at them\n    fix: install curl";

static TOLD: Once = Once::new();

/// An image in the repository of a name.
pub(super) type Named<'a> = (&'a str, Manifest);

/// An answer to each question; an error for one that is refused, or makes no sense.
pub(super) type Answers<T> = anyhow::Result<Vec<anyhow::Result<T>>>;

pub(super) enum Reader<'a> {
    /// Interfaces of repositories, by the names of their images.
    Curl(BTreeMap<&'a str, Api>),
    Docker(ByDocker<'a>),
}

pub(super) struct ByDocker<'a> {
    runner: &'a Runner,
    host: &'a Host,
    /// Images that were not on the engine before.
    pulled: RefCell<BTreeSet<ImageRef>>,
}

impl<'a> Reader<'a> {
    /// Returns a reader of the repositories of `names`.
    pub(super) fn new(
        runner: &'a Runner,
        config: &Config,
        host: &'a Host,
        mut names: Vec<&'a str>,
    ) -> anyhow::Result<Reader<'a>> {
        if !curl::is_installed() {
            TOLD.call_once(|| runner.ui.say(NO_CURL));
            return Ok(Reader::Docker(ByDocker { runner, host, pulled: RefCell::default() }));
        }
        names.sort_unstable();
        names.dedup();
        let repositories: Vec<_> = names.iter().map(|it| host.repository(it)).collect();
        let apis =
            Api::each(host, &published::network(config, host)?, &repositories, Access::Read)?;
        Ok(Reader::Curl(names.into_iter().zip(apis).collect()))
    }

    /// Returns the manifests under tags; `None` for one that is not there.
    ///
    /// # Errors
    /// The registry does not answer.
    pub(super) fn manifests(&self, names: &[(&str, Tag)]) -> Answers<Option<Manifest>> {
        match self {
            Reader::Curl(apis) => {
                each::manifests(names.iter().map(|(name, tag)| (&apis[*name], tag)))
            }
            Reader::Docker(it) => it.each(names, |name, tag| it.manifest(name, tag)),
        }
    }

    /// Returns the descriptions of images.
    ///
    /// # Errors
    /// The registry does not answer.
    pub(super) fn images(&self, of: &[Named<'_>]) -> Answers<Image> {
        match self {
            Reader::Curl(apis) => {
                let configs =
                    each::blobs(of.iter().map(|(name, it)| (&apis[*name], it.config.to_string())))?;
                let image = |(config, (_, manifest)): (anyhow::Result<Vec<u8>>, &Named<'_>)| {
                    published::image(manifest, &config?)
                };
                Ok(configs.into_iter().zip(of).map(image).collect())
            }
            Reader::Docker(it) => it.each(of, |name, manifest| it.image(name, manifest)),
        }
    }

    /// Returns the texts of receipts, by the images that carry them.
    ///
    /// # Errors
    /// The registry does not answer.
    pub(super) fn receipts(&self, of: &[Named<'_>]) -> Answers<String> {
        match self {
            Reader::Curl(apis) => {
                let layer =
                    |(name, it): &Named<'_>| Some((&apis[*name], it.layers.first()?.to_string()));
                let asked: Vec<Option<Question<'_>>> = of.iter().map(layer).collect();
                let mut layers = each::blobs(asked.iter().flatten().cloned())?.into_iter();
                let text = |it: Option<Question<'_>>| {
                    let layer = it.and_then(|_| layers.next()).context("a layer is missing")?;
                    published::receipt_in(&layer?)
                };
                Ok(asked.into_iter().map(text).collect())
            }
            Reader::Docker(it) => it.each(of, |name, carrier| it.receipt(name, carrier)),
        }
    }

    /// Removes the images that were pulled to be read, but those of `kept`.
    pub(super) fn tidy(&self, kept: &BTreeSet<&ImageRef>) -> anyhow::Result<()> {
        let Reader::Docker(ByDocker { runner, pulled, .. }) = self else { return Ok(()) };
        let Some(permit) = runner.permit else { return Ok(()) };
        let pulled = pulled.borrow();
        for it in pulled.iter().filter(|it| !kept.contains(it)) {
            match receipts::remove(permit, runner, it) {
                // A container of another run may use it.
                Err(err) if failure::status(&err) == 1 => {
                    runner.ui.say(format!("warning: {it} stays on the engine: {err:#}"));
                }
                removed => removed?,
            }
        }
        Ok(())
    }
}

impl ByDocker<'_> {
    /// Returns the answers to questions by `ask`, until the registry does not answer.
    fn each<Q, T>(
        &self,
        questions: &[(&str, Q)],
        ask: impl Fn(&str, &Q) -> anyhow::Result<T>,
    ) -> Answers<T> {
        let mut res = Vec::new();
        for (name, question) in questions {
            process::check_interrupted()?;
            let answer = ask(name, question);
            match answer {
                Err(err) if ends_all(&err) => return Err(err),
                answer => res.push(answer),
            }
        }
        Ok(res)
    }

    fn manifest(&self, name: &str, tag: &Tag) -> anyhow::Result<Option<Manifest>> {
        let found = self.host.remote(&self.host.repository(name).tagged(tag))?;
        Ok(found.map(|it| Manifest { digest: it.digest, config: it.config, layers: Vec::new() }))
    }

    /// Returns the description of an image on the engine, pulled by its digest.
    fn image(&self, name: &str, manifest: &Manifest) -> anyhow::Result<Image> {
        let ByDocker { runner, host, pulled } = self;
        let reference = host.repository(name).at(&manifest.digest);
        let mut found = runner.docker.image(&reference)?;
        if found.is_none() {
            runner.permit.context(
                "only a pull shows whether it counts, since curl is missing, and this run pulls nothing",
            )?;
            let mut log = runner.log(&format!("image-pull-{name}"))?;
            log.step(&format!("pulling {reference} to look at it"));
            pulled.borrow_mut().insert(reference.clone());
            runner.talk(&host.pull(&reference), &mut log).map_err(of_one)?;
            found = runner.docker.image(&reference)?;
        }
        let image = found.context("pulled, but not on the engine")?;
        let (found, expected) = (&image.id, &manifest.config);
        ensure!(found == expected, "pulled, but is the image {found}; expected {expected}");
        Ok(image)
    }

    fn receipt(&self, name: &str, carrier: &Manifest) -> anyhow::Result<String> {
        let ByDocker { runner, host, .. } = self;
        let permit = runner.permit.context("only a pull shows it, and this run pulls nothing")?;
        let carrier = host.repository(name).at(&carrier.digest);
        receipts::read(permit, runner, host, &carrier).map_err(of_one)
    }
}

/// Returns the error of a pull that failed, which says nothing of other images.
fn of_one(err: anyhow::Error) -> anyhow::Error {
    match failure::status(&err) {
        1 => anyhow!("{err:#}"),
        _ => err,
    }
}

/// Returns whether other questions would end like this one.
fn ends_all(err: &anyhow::Error) -> bool {
    let unanswered = err.downcast_ref::<Unanswered>();
    failure::status(err) != 1 || unanswered.is_some_and(|it| !it.is_refusal())
}

#[test]
fn what_one_repository_refuses_others_may_not() {
    let unanswered = |said: &str| anyhow::Error::from(Unanswered(said.to_owned()));
    assert!(ends_all(&unanswered("no such host").context("a")));
    assert!(!ends_all(&unanswered("unauthorized: a")));
    assert!(!ends_all(&anyhow!("damaged config")));
    assert!(!ends_all(&of_one(unanswered("no such host"))));
    assert!(ends_all(&failure::Failure::Interrupted.into()));
}
