//! JupyterHub on this machine, with the tested images of missions.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};

use crate::{
    hub::{
        local::{
            Hub,
            choices::{self, Bind, Choice, OfMission},
            socket,
            start::{self, Plan},
        },
        values::LOCAL,
    },
    image::{
        build::{BuildPolicy, Builds, BuiltImage},
        leftovers::{self, Record},
        mission_images::MissionImages,
        runner::Runner,
    },
    registry::receipts,
    run::{
        failure,
        process::{self, Permit},
        terminal,
    },
    task::{
        MissionConfig, Session,
        args::{self, Missions},
        shared::{
            hub_values::{self, Secrets},
            local_smoke::{self, Smoked},
            reuse::{self, Place},
        },
    },
    testing::receipt,
    tools::{docker::hub::HubContainer, image_name::ImageRef},
};

/// Time that the hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Seconds that a server may take to start, unless the values have another number.
const START_TIMEOUT: u64 = 300;

/// A hub that answers.
struct Started {
    hub: Hub,
    plan: Plan,
    container: HubContainer,
    /// `None` for a hub that was unchanged.
    record: Option<Record>,
}

/// Starts a hub, and without `--detach` stops it when this run is interrupted.
pub(crate) fn up(session: &Session, args: &args::HubUp) -> anyhow::Result<u8> {
    let runner = runner(session)?;
    let lock = session.lock_hub()?;
    let Some(started) = start(session, &runner, args)? else { return Ok(0) };
    let Started { hub, plan, container, record } = started;
    say_old(session, &hub, &runner, &plan.choices)?;
    say_address(session, &plan, &container);
    match session.permit {
        Some(permit) if !args.detach => {
            drop(lock);
            // The run may go on for days.
            leftovers::check();
            attend(session, permit, &runner, &hub, &container, record)
        }
        _ => {
            record.into_iter().for_each(Record::keep);
            session.ui.say("`cargo xtask hub-down` stops the hub; homes stay");
            Ok(0)
        }
    }
}

/// Runs the smoke test of each mission on a hub. One that runs gets their images and stays; else a
/// hub is started for this, and removed.
pub(crate) fn smoke(session: &Session, named: &Missions) -> anyhow::Result<u8> {
    let runner = runner(session)?;
    let lock = session.lock_hub()?;
    let hub = Hub::of(&session.checkout.root);
    let running = hub.container(&runner.docker)?;
    let named: Vec<String> =
        session.named(named)?.iter().map(|it| it.mission.name.clone()).collect();
    let mut missions: BTreeSet<String> = named.iter().cloned().collect();
    if let Some(it) = &running {
        missions.extend(local_smoke::missions(it)?);
    }
    let args = args::HubUp {
        missions: missions.into_iter().collect(),
        detach: true,
        dev: false,
        bind: args::LOOPBACK.to_owned(),
        insecure: false,
    };
    let (Some(started), Some(permit)) = (start(session, &runner, &args)?, session.permit) else {
        named.iter().for_each(|it| session.ui.say(format!("hub-smoke {it}")));
        return Ok(0);
    };
    drop(lock);
    let smoked = smoke_all(session, &named);
    if running.is_some() || hub.remove(permit, &runner.docker)? {
        started.record.into_iter().for_each(Record::keep);
    }
    let smoked = smoked?;
    session.ui.say(local_smoke::table(&smoked.rows));
    smoked.failed.map_or(Ok(0), |it| bail!("hub-smoke: {it}"))
}

/// Runs the smoke tests of missions until one fails.
fn smoke_all(session: &Session, missions: &[String]) -> anyhow::Result<Smoked> {
    let mut res = Smoked { rows: Vec::new(), failed: None };
    for it in missions {
        let of = local_smoke::run(session, Some(it))?;
        res.rows.extend(of.rows);
        res.failed = of.failed;
        if res.failed.is_some() {
            break;
        }
    }
    Ok(res)
}

fn runner(session: &Session) -> anyhow::Result<Runner> {
    let config = session.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    session.runner(&config)
}

/// Starts a hub, or takes the one that runs if nothing has changed. `None` in a dry run.
fn start(
    session: &Session,
    runner: &Runner,
    args: &args::HubUp,
) -> anyhow::Result<Option<Started>> {
    socket::check_bind(&args.bind, args.insecure).map_err(failure::request)?;
    let all = args.missions.is_empty();
    let missions = Missions { missions: args.missions.clone(), all };
    let named = session.named(&missions).map_err(failure::request)?;
    let found = found(session, runner, named, args)?;
    let hub = Hub::of(&session.checkout.root);
    let running = hub.container(&runner.docker)?;
    let plan = plan(session, runner, args, found, hub.clone())?;
    if let Some(container) = running.as_ref().filter(|it| plan.is(it)) {
        session.ui.say("the hub runs already, and nothing has changed");
        return Ok(Some(Started { hub, plan, container: container.clone(), record: None }));
    }
    let mut log = runner.log("hub-up")?;
    let started = start::start(runner, &plan, running.as_ref(), &mut log).inspect_err(|err| {
        say_of_servers(session, runner, &hub, err);
        // Those of a hub that is replaced serve the next one.
        let permit = session.permit.filter(|_| running.is_none());
        let _ = permit.map(|it| hub.remove_secrets(it));
    })?;
    Ok(started.map(|(container, record)| Started { hub, plan, container, record: Some(record) }))
}

/// Missions that the hub can serve.
struct Found {
    /// Sources of the first mission's images, and of the hub's.
    first: MissionImages,
    choices: Vec<Choice>,
    unused: BTreeSet<String>,
    start_timeout: u64,
}

/// Returns the choices of `named`. Without missions on the command line those that cannot be served are left
/// out, with the reason.
fn found(
    session: &Session,
    runner: &Runner,
    named: Vec<MissionConfig>,
    args: &args::HubUp,
) -> anyhow::Result<Found> {
    let policy = if args.dev { BuildPolicy::TakeNewest } else { BuildPolicy::Refuse };
    let builds = Builds::new(runner, policy)?;
    let mut res: Option<Found> = None;
    let mut reasons = Vec::new();
    let mut is_request = true;
    for of in named {
        let name = of.mission.name.clone();
        match served(session, runner, &builds, of, args.dev) {
            Ok((images, own)) => {
                let found = res.get_or_insert_with(|| Found {
                    first: images,
                    choices: Vec::new(),
                    unused: BTreeSet::new(),
                    start_timeout: START_TIMEOUT,
                });
                found.choices.extend(own.choices);
                found.unused.extend(own.unused);
                let limit = own.start_timeout.unwrap_or_default();
                found.start_timeout = found.start_timeout.max(limit);
            }
            Err(err) if args.missions.is_empty() && failure::status(&err) <= 2 => {
                is_request &= failure::status(&err) == 2;
                reasons.push(format!("{name} is left out: {err:#}"));
            }
            Err(err) => return Err(err),
        }
    }
    match res {
        Some(found) => {
            reasons.iter().for_each(|it| session.ui.say(format!("note: {it}")));
            Ok(found)
        }
        None => {
            let err = anyhow!(
                "no mission has a tested image; run `cargo xtask image-all hello`\n{}",
                reasons.join("\n")
            );
            Err(if is_request { failure::request(err) } else { err })
        }
    }
}

/// Returns the sources of a mission's images and what its users may start.
fn served(
    session: &Session,
    runner: &Runner,
    builds: &Builds<'_>,
    of: MissionConfig,
    dev: bool,
) -> anyhow::Result<(MissionImages, OfMission)> {
    let chosen = session.choose(runner, vec![of.clone()])?;
    let missing = if dev { BuildPolicy::TakeNewest } else { BuildPolicy::Refuse };
    let mut published = reuse::look(runner, chosen, missing, Place::Engine)?;
    published.keep_receipts(runner)?;
    let chosen = published.chosen.pop().context("one mission")?;
    let built =
        builds.chain(&chosen.config, &chosen.chain)?.pop().context("a chain has an image")?;
    let mut plain = plain(&built);
    if dev {
        for_dev(&mut plain, session, &chosen);
    } else {
        plain.detail = certified(runner, &chosen, &built)?;
    }
    let values = hub_values::read(session, &of, LOCAL, Secrets::LeftOut)?;
    let own = choices::of(&plain, &values).map_err(failure::request)?;
    Ok((chosen, own))
}

/// Returns when the image was tested.
///
/// # Errors
/// The image has no passing receipt.
fn certified(
    runner: &Runner,
    chosen: &MissionImages,
    built: &BuiltImage,
) -> anyhow::Result<String> {
    let name = &built.name;
    let found = receipts::of_built(runner, &chosen.config, built)?;
    let day = |it: &receipt::Receipt| it.started.chars().take(10).collect::<String>();
    match (receipt::shortcoming(&chosen.mission, found.as_ref())?, &found) {
        (None, Some(it)) => Ok(format!("{}, tested on {}", short(&built.reference), day(it))),
        _ => bail!("{name} has no passing test receipt; run `cargo xtask image-test {name}`"),
    }
}

/// Returns a reference without this tool's namespace.
fn short(reference: &ImageRef) -> String {
    let text = reference.to_string();
    text.rsplit_once('/').map_or(text.clone(), |it| it.1.to_owned())
}

fn plain(built: &BuiltImage) -> Choice {
    Choice {
        id: built.name.clone(),
        mission: built.name.clone(),
        title: built.name.clone(),
        description: String::new(),
        detail: short(&built.reference),
        image: built.image.id.to_string(),
        home: format!("home.{}", built.name),
        env: BTreeMap::new(),
        memory: None,
        cpu: None,
        cmd: vec!["jupyterhub-singleuser".to_owned()],
        url: None,
        user: None,
        binds: Vec::new(),
    }
}

/// Mounts the working tree as `image-lab --dev` does; its homes are apart, since files there may have
/// another owner.
fn for_dev(plain: &mut Choice, session: &Session, chosen: &MissionImages) {
    let bind = |from: &std::path::Path, to: &str, ro: bool| Bind {
        from: from.to_string_lossy().into_owned(),
        to: to.to_owned(),
        ro,
    };
    let scripts = session.checkout.root.join("common/image/common-scripts");
    plain.binds = vec![
        bind(&scripts, "/opt/common-scripts", true),
        bind(&chosen.mission.dir.join("environments"), "/opt/environments", false),
    ];
    plain.home = format!("devhome.{}", plain.mission);
    plain.detail += ", with the working tree's scripts and environments";
    let uid = nix::unistd::geteuid();
    plain.user = (!uid.is_root()).then(|| format!("{uid}:100"));
}

/// Builds the hub's image if it is missing, and finds the engine's socket.
fn plan(
    session: &Session,
    runner: &Runner,
    args: &args::HubUp,
    found: Found,
    hub: Hub,
) -> anyhow::Result<Plan> {
    let config = &found.first.config;
    let builds = Builds::new(runner, BuildPolicy::Build)?;
    let image =
        builds.chain(config, &found.first.shared.hub)?.pop().context("a hub has an image")?;
    let socket = socket::find(runner, config.hub_socket.as_deref(), &image.reference)?;
    let unused: Vec<String> = found.unused.into_iter().collect();
    if !unused.is_empty() {
        session
            .ui
            .say(format!("note: values without an effect on this machine: {}", unused.join(", ")));
    }
    session.ui.say("note: the hub on this machine uses no secrets of missions");
    Ok(Plan {
        hub,
        image: image.image.id.to_string(),
        socket,
        bind: args.bind.clone(),
        port: config.hub_port,
        choices: found.choices,
        start_timeout: found.start_timeout,
        patience: PATIENCE.mul_f64(config.testing.patience),
    })
}

/// Reports the servers that run although their hub does not.
fn say_of_servers(session: &Session, runner: &Runner, hub: &Hub, err: &anyhow::Error) {
    let servers = if failure::status(err) == 1 { hub.servers(&runner.docker) } else { return };
    let count = servers.map_or(0, |it| it.len());
    if count > 0 {
        session.ui.say(format!(
            "note: {count} servers still run without a hub; `hub-up` takes them back, `hub-down` ends them"
        ));
    }
}

/// Reports the servers that run an older image than users get now.
fn say_old(
    session: &Session,
    hub: &Hub,
    runner: &Runner,
    choices: &[Choice],
) -> anyhow::Result<()> {
    for it in hub.servers(&runner.docker)? {
        let now = choices.iter().find(|choice| choice.id == it.choice());
        if now.is_none_or(|choice| choice.image != it.image) {
            session.ui.say(format!(
                "note: {} still runs an earlier image of {}, until that server is stopped",
                it.user(),
                it.choice()
            ));
        }
    }
    Ok(())
}

fn say_address(session: &Session, plan: &Plan, container: &HubContainer) {
    let address = container.address.as_deref().unwrap_or_default();
    terminal::print(plan.hub.url(address));
    if let Some(engine) = &plan.socket.elsewhere {
        session.ui.say(format!("this address is on the engine's machine, {engine}"));
    }
    session
        .ui
        .say("log in with any user name; `cargo xtask hub-status --password` prints the password");
}

/// Waits until the hub ends or this run is interrupted, and removes it then.
fn attend(
    session: &Session,
    permit: Permit,
    runner: &Runner,
    hub: &Hub,
    container: &HubContainer,
    record: Option<Record>,
) -> anyhow::Result<u8> {
    session.ui.say("press Ctrl-C to stop the hub and all servers; homes stay");
    let ended = runner.docker.wait(&container.id);
    let interrupted = process::check_interrupted();
    let docker = &runner.docker;
    let is_there =
        hub.container(docker).map_or(true, |it| it.is_some_and(|it| it.id == container.id));
    if interrupted.is_ok() && !is_there {
        record.into_iter().for_each(Record::keep);
        session.ui.say("another run replaced or stopped the hub");
        return Ok(0);
    }
    let said = docker.last_lines(&container.id);
    if hub.remove(permit, docker)? {
        record.into_iter().for_each(Record::keep);
    }
    interrupted?;
    let said = process::last_lines(&said, 10);
    bail!("the hub ended with status {}\n{said}", ended.unwrap_or_else(|err| format!("{err:#}")))
}
