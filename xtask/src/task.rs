//! Tasks, one module each. Input is read first, and an error in it is status 2; then the work
//! starts.

pub(crate) mod args;
pub(crate) mod shared;
pub(crate) mod secrets;
pub(crate) mod images;
pub(crate) mod packages;
pub(crate) mod machine;
pub(crate) mod repository;
pub(crate) mod hubs;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::bail;
use fs_err as fs;

use crate::{
    check::{self as check_rules, Refusals},
    image::{
        build_context::{self, BuildContext, Shared},
        build_settings::BuildSettings,
        leftovers,
        mission_images::MissionImages,
        pinning,
        recipe::{self, MissionParts, Parts},
        runner::Runner,
        shared_chains::SharedChains,
    },
    mission::{
        checkout::{self, Checkout, Mission},
        dockerfile::{self, update},
    },
    run::{
        failure::{self, Failure},
        finding::{self, Finding},
        lock::{self, Lock},
        printable::Shown as _,
        process::{self, Permit},
        terminal, text_file,
        ui::Ui,
    },
    settings::{
        config::{Config, Mode},
        layers::Sources,
    },
    specs::{self, frozen},
    task::args::{Flags, Missions, Package},
    tools::docker::Docker,
};

/// Starting point of every task.
pub(crate) struct Session {
    pub(crate) flags: Flags,
    /// `None` in a dry run.
    pub(crate) permit: Option<Permit>,
    pub(crate) checkout: Checkout,
    pub(crate) sources: Sources,
    pub(crate) ui: Ui,
    pub(crate) started: Instant,
}

/// A mission with its typed settings.
#[derive(Debug, Clone)]
pub(crate) struct MissionConfig {
    pub(crate) mission: Mission,
    pub(crate) config: Config,
}

impl Session {
    /// Reads the checkout around the current folder, and its settings.
    pub(crate) fn read(flags: Flags, permit: Option<Permit>) -> anyhow::Result<Session> {
        let started = Instant::now();
        let root = checkout::find_root(&env::current_dir()?)?;
        let environment = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Ok(Session {
            permit,
            sources: Sources::read(&root, &flags.set, environment.collect())?,
            checkout: Checkout::read(&root)?,
            ui: Ui::new(flags.verbose),
            started,
            flags,
        })
    }

    /// Returns the missions that `missions` selects, each with its own settings.
    pub(crate) fn named(&self, missions: &Missions) -> anyhow::Result<Vec<MissionConfig>> {
        self.checkout.check_names()?;
        let mut names = missions.missions.clone();
        if missions.all {
            names = self.checkout.missions.iter().map(|it| it.name.clone()).collect();
        }
        if names.is_empty() {
            names.push(Config::read(&self.sources, None)?.0.mission);
        }
        let mut seen = BTreeSet::new();
        names.retain(|it| seen.insert(it.clone()));
        names.iter().map(|it| self.one(it)).collect()
    }

    /// Prints findings, and returns status 1 if there are any.
    pub(crate) fn report(&self, findings: Vec<Finding>) -> anyhow::Result<u8> {
        let status = u8::from(!findings.is_empty());
        if self.flags.json {
            terminal::json(&findings)?;
        } else if !findings.is_empty() {
            terminal::print(finding::text(findings));
        }
        Ok(status)
    }

    /// Returns the missions that a task about a package selects.
    pub(crate) fn named_for(&self, package: &Package) -> anyhow::Result<Vec<MissionConfig>> {
        let missions = package.missions.clone();
        self.named(&Missions { missions, all: package.all })
    }

    fn one(&self, name: &str) -> anyhow::Result<MissionConfig> {
        let mission = self.checkout.mission(name)?.clone();
        let (config, warnings) = Config::read(&self.sources, Some(name))?;
        warnings.iter().for_each(|it| self.ui.say(format!("warning: {it}")));
        Ok(MissionConfig { mission, config })
    }

    /// Returns the context of tasks about images, with the docker CLI of the first mission. Removes
    /// the objects that earlier runs left on the engine.
    pub(crate) fn runner(&self, config: &Config) -> anyhow::Result<Runner> {
        let runner = Runner {
            checkout: self.checkout.clone(),
            docker: Docker::find(config.docker.as_deref(), &self.checkout.root)?,
            ui: self.ui,
            permit: self.permit,
        };
        if let Some(permit) = self.permit {
            leftovers::sweep(permit, &runner.docker, &runner.target())?;
        }
        Ok(runner)
    }

    /// Refuses frozen builds on a tag; a dry run only reports them, and floating builds warn.
    pub(crate) fn require_digests(
        &self,
        runner: &Runner,
        named: &[MissionConfig],
    ) -> anyhow::Result<()> {
        match pinning::require(&runner.docker, named.iter().map(|it| &it.config)) {
            Err(refusal) if self.permit.is_none() => self.ui.say(format!("warning: {refusal}")),
            res => res.map_err(failure::request)?,
        }
        let floating = named.iter().map(|it| &it.config).filter(|it| it.mode == Mode::Floating);
        let unpinned: BTreeSet<_> = floating.filter_map(|it| it.unpinned.as_ref()).collect();
        unpinned
            .into_iter()
            .for_each(|it| self.ui.say(format!("warning: {}", pinning::warning(it))));
        Ok(())
    }

    /// Refuses frozen builds of floating content; a dry run only reports them, and floating builds
    /// warn.
    ///
    /// # Errors
    /// A step of a frozen image installs or copies floating content.
    pub(crate) fn require_pinned(&self, chosen: &[MissionImages]) -> anyhow::Result<()> {
        for MissionImages { mission, config, floats, .. } in chosen {
            if config.mode == Mode::Frozen && !floats.is_empty() && self.permit.is_some() {
                return Err(not_built(&mission.name, floats.clone()));
            }
            self.warn_of(floats);
        }
        Ok(())
    }

    pub(crate) fn warn_of(&self, floats: &[Finding]) {
        floats.iter().for_each(|it| self.ui.say(format!("warning: {it}")));
    }

    /// Reads all sources of the missions' images.
    pub(crate) fn choose(
        &self,
        runner: &Runner,
        named: Vec<MissionConfig>,
    ) -> anyhow::Result<Vec<MissionImages>> {
        let chosen = self.choose_each(runner, named)?.into_iter();
        chosen.collect::<anyhow::Result<_>>().map_err(failure::request)
    }

    /// Reads all sources of the missions' images; an error of a mission is its own. What missions share
    /// is read once.
    pub(crate) fn choose_each(
        &self,
        runner: &Runner,
        named: Vec<MissionConfig>,
    ) -> anyhow::Result<Vec<anyhow::Result<MissionImages>>> {
        let platform = named.iter().find_map(|it| it.config.platform);
        let engines = match platform {
            Some(platform) => platform,
            None => runner.docker.engine_platform()?,
        };
        let parts = read_parts(&self.checkout).map_err(failure::request)?;
        let context = |it: &MissionConfig| {
            BuildContext::read(&it.mission.dir, &it.mission.dir.join(".dockerignore"))
        };
        let contexts: Vec<_> = named.iter().map(context).collect();
        let read =
            named.iter().zip(&contexts).filter_map(|(it, own)| Some((it, own.as_ref().ok()?)));
        let refusals = refusals(&self.checkout, &read.collect::<Vec<_>>(), &parts)
            .map_err(failure::request)?;
        let mut shared = SharedChains::new(&parts);
        let choose = |(it, context): (MissionConfig, anyhow::Result<BuildContext>)| {
            let platform = it.config.platform.unwrap_or(engines);
            let dir = self.checkout.relative(&it.mission.dir);
            let floats = unless_refused(&it.mission.name, refusals.of(dir))?;
            let own = sources(&self.checkout, &it.mission, context?)?;
            if it.config.mode == Mode::Frozen {
                check_frozen(&self.checkout, &it.mission).inspect_err(|_| self.warn_of(&floats))?;
            }
            // Errors in them are reported before anything is built.
            BuildSettings::new(&it.config)?;
            let shared = shared.of(&it.config, platform);
            Ok(MissionImages {
                chain: recipe::mission(&shared.common, it.config.mode, platform, &own),
                shared,
                mission: it.mission,
                config: it.config,
                platform,
                floats,
            })
        };
        Ok(named.into_iter().zip(contexts).map(choose).collect())
    }

    /// Asks the person at the terminal whether to `verb` what was printed; without a terminal, tells
    /// that `--yes` does `what`.
    pub(crate) fn agrees(&self, verb: &str, what: &str) -> anyhow::Result<bool> {
        if !io::stdin().is_terminal() {
            self.ui.say(format!("stdin is not a terminal; pass `--yes` to {what}"));
            return Ok(false);
        }
        self.ui.say(format!("{verb} them? [y/N]"));
        Ok(matches!(process::read_line()?.trim(), "y" | "Y" | "yes"))
    }

    /// Waits for other runs that write images, results or tracked files of these missions.
    pub(crate) fn lock_missions<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
    ) -> anyhow::Result<Vec<Lock>> {
        // In one order: two runs never wait for each other.
        let names: BTreeSet<&String> = names.collect();
        let locks = names.into_iter().map(|it| self.lock(&format!("missions/{it}")));
        Ok(locks.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Waits for other runs that move tags in registries. Locked after missions.
    pub(crate) fn lock_registry(&self) -> anyhow::Result<Option<Lock>> {
        self.lock("registry")
    }

    /// Waits for other runs that start, replace or stop the hub on this machine.
    pub(crate) fn lock_hub(&self) -> anyhow::Result<Option<Lock>> {
        self.lock("hub")
    }

    /// Waits for other smoke tests, which have one user.
    pub(crate) fn lock_smoke(&self) -> anyhow::Result<Option<Lock>> {
        self.lock("hub-smoke")
    }

    /// Waits for other runs that write in secrets/.
    pub(crate) fn lock_secrets(&self) -> anyhow::Result<Option<Lock>> {
        self.lock("secrets")
    }

    /// Waits for other runs that hold the lock of `part`.
    pub(crate) fn lock(&self, part: &str) -> anyhow::Result<Option<Lock>> {
        let target = self.checkout.root.join("target/xtask");
        self.permit.map(|permit| lock::take(permit, &target, part, self.ui)).transpose()
    }
}

/// Reads the common parts of all chains.
pub(crate) fn read_parts(checkout: &Checkout) -> anyhow::Result<Parts> {
    let build = |shared: Shared| {
        let text = fs::read_to_string(checkout.root.join(shared.dockerfile))?;
        let context = BuildContext::read(
            &checkout.root.join(shared.dir),
            &checkout.root.join(shared.ignore),
        )?;
        anyhow::Ok((text, context))
    };
    let rootfs = ["rootfs", "rootfs-packages.txt", "debian.sources"];
    Ok(Parts {
        rootfs: BuildContext::read_files(&checkout.root.join(build_context::BASE.dir), &rootfs)?,
        registry: build(build_context::REGISTRY)?,
        hub: build(build_context::HUB)?,
        base: build(build_context::BASE)?,
        common: build(build_context::COMMON)?,
    })
}

/// Checks that the frozen specs exist, complete, as a floating build writes them.
fn check_frozen(checkout: &Checkout, mission: &Mission) -> anyhow::Result<()> {
    for it in crate::mission::frozen_environments::of(mission) {
        let path = it.frozen_spec();
        let file = checkout.relative(&path);
        if !path.is_file() {
            bail!(
                "{}: file not found; `cargo xtask image-all {} --floating` writes it",
                file.shown(),
                mission.name
            );
        }
        frozen::canonical(file, &text_file::read_text(&checkout.root, file)?, &it.name)?;
    }
    Ok(())
}

/// Returns the sources of the image of `mission`, whose context was read.
pub(crate) fn sources(
    checkout: &Checkout,
    mission: &Mission,
    context: BuildContext,
) -> anyhow::Result<MissionParts> {
    let sources = dockerfile::Sources::read(checkout, mission)?;
    let modes = |it: PathBuf| (it.clone(), specs::modes(&it, &sources.files));
    let spec_files = match &sources.custom {
        Some(_) => sources.specs().into_iter().map(modes).collect(),
        None => BTreeMap::new(),
    };
    let dockerfile = update::text(checkout, mission)?;
    Ok(MissionParts { name: mission.name.clone(), dockerfile, context, spec_files })
}

/// Returns the reasons not to build the images of `missions`, whose contexts are given, or those below
/// all missions'.
fn refusals(
    checkout: &Checkout,
    missions: &[(&MissionConfig, &BuildContext)],
    parts: &Parts,
) -> anyhow::Result<Refusals> {
    let mut sent = vec![
        (Path::new(build_context::BASE.dir), &parts.rootfs),
        (Path::new(build_context::BASE.dir), &parts.base.1),
        (Path::new(build_context::REGISTRY.dir), &parts.registry.1),
        (Path::new(build_context::HUB.dir), &parts.hub.1),
        (Path::new(build_context::COMMON.dir), &parts.common.1),
    ];
    sent.extend(missions.iter().map(|(it, own)| (checkout.relative(&it.mission.dir), *own)));
    let missions: Vec<_> = missions.iter().map(|(it, _)| (&it.mission, &it.config)).collect();
    check_rules::refusals(checkout, &missions, &sent)
}

/// Refuses to build the image `name` if something must not be built. Returns the findings that refuse
/// only frozen images.
fn unless_refused(name: &str, refusals: Refusals) -> anyhow::Result<Vec<Finding>> {
    let Refusals { always, frozen } = refusals;
    match always.is_empty() {
        true => Ok(frozen),
        false => Err(not_built(name, always)),
    }
}

fn not_built(name: &str, refusals: Vec<Finding>) -> anyhow::Error {
    Failure::Request(format!("{name} cannot be built:\n{}", crate::run::finding::text(refusals)))
        .into()
}
