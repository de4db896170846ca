//! `image-lab`: JupyterLab in a mission's image, on a free port of this machine, until Ctrl-C.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use fs_err as fs;

use crate::{
    image::{container::Container, runner::Runner},
    run::{
        failure,
        printable::Shown as _,
        process::{self, Permit},
        random::random_hex,
        terminal,
    },
    task::{
        Session, args,
        shared::ready_image::{self, ReadyImage},
    },
    tools::docker::{NAMESPACE, container::NO_ARGS},
};

/// Time a starting server may be silent: without an answer or output.
const SILENCE: Duration = Duration::from_secs(300);

/// Home in the container: a volume of the mission, or a folder whose files belong to the caller.
const HOME: &str = "/home/jovyan";

/// Runs the server until it ends, usually by an interruption.
pub(crate) fn run(session: &Session, args: &args::ImageLab) -> anyhow::Result<u8> {
    let ReadyImage { runner, chosen, built } =
        ready_image::ready(session, args.mission.as_deref(), args.dev)?;
    let home = args.home.as_deref().map(folder).transpose().map_err(failure::request)?;
    let cidfile = runner.target().join(format!("lab/{}-{}.cid", built.name, std::process::id()));
    let container = Container::new(&runner, cidfile)?;
    let token = random_hex()?;
    let run = container.run("lab").detached().publish("127.0.0.1::8888");
    let run = run.secret_env("JUPYTER_TOKEN", &token);
    let mut run = match &home {
        None => run.volume(&format!("{NAMESPACE}-home-{}", built.name), HOME),
        Some(dir) => run.folder(dir, HOME).owned_by_caller(),
    };
    if args.dev {
        run = ready_image::working_tree(run, &runner.checkout.root, &chosen.mission);
    }
    let cmd = run.flags(&chosen.config.run_pars).image(&built.reference, NO_ARGS);
    let Some(permit) = runner.permit else {
        terminal::print(cmd);
        return Ok(0);
    };
    let progress = runner.ui.progress("image-lab");
    progress.step("starting the server");
    let id = process::read(&cmd.permitted(permit))?.trim().to_owned();
    wait(permit, &runner, &id, SILENCE.mul_f64(chosen.config.testing.patience))?;
    drop(progress);
    let address = format!("http://{}/lab?token={token}", runner.docker.published(&id, "8888/tcp")?);
    terminal::print(address);
    if let Some(engine) = runner.docker.elsewhere()? {
        session.ui.say(format!("this address is on the engine's machine, {engine}"));
    }
    session.ui.say("open this address in a browser; Ctrl-C ends the server, its home stays");
    let status = runner.docker.wait(&id)?;
    match status.as_str() {
        "0" => Ok(0),
        status => bail!("the server ended with status {status}\n{}", runner.docker.last_lines(&id)),
    }
}

/// Returns the folder for the container's home.
fn folder(dir: &Path) -> anyhow::Result<PathBuf> {
    let dir = fs::canonicalize(dir)?;
    if !dir.is_dir() {
        bail!("{} is not a folder", dir.shown());
    }
    Ok(dir)
}

/// Waits until the server answers, as the image's own health check reports, while it runs and
/// prints something at least every `silence`.
fn wait(permit: Permit, runner: &Runner, id: &str, silence: Duration) -> anyhow::Result<()> {
    let check = runner.docker.exec(id, &["/etc/jupyter/docker_healthcheck.py"]).permitted(permit);
    let (mut said, mut progress) = (String::new(), Instant::now());
    while process::output(&check)?.status != 0 {
        let words = runner.docker.last_lines(id);
        if !runner.docker.is_running(id)? {
            bail!("the server has ended\n{words}");
        }
        if words != said {
            (said, progress) = (words, Instant::now());
        } else if progress.elapsed() > silence {
            bail!(
                "the server does not answer, and has printed nothing for {} s; PATIENCE in setup-env stretches that\n{words}",
                silence.as_secs()
            );
        }
        thread::sleep(Duration::from_millis(200));
        process::check_interrupted()?;
    }
    Ok(())
}
