//! Containers and volumes of a run, removed however the run ends.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::{
    image::{
        leftovers::{self, Kind},
        runner::Runner,
    },
    run::{
        files,
        process::{self, Change, Permit},
        random::random_hex,
        terminal,
        unpack::{Limits, unpack},
    },
    tools::docker::{Docker, LABEL_ROLE, LABEL_RUN, NAMESPACE},
};

/// The file to which docker writes the container's id; dropping this kills and removes the
/// container. (Stopping the CLI alone leaves the container running, and stopping it before it has
/// written the id leaves an unknown container.)
pub(crate) struct Container<'a> {
    docker: &'a Docker,
    permit: Option<Permit>,
    cidfile: PathBuf,
    /// Label of the run that makes the container.
    label: String,
    /// Whether docker may have received the command to make it.
    is_asked_for: Cell<bool>,
}

impl<'a> Container<'a> {
    /// Prepares a container; nothing is started yet. `cidfile` must not be in use by another
    /// container.
    pub(crate) fn new(runner: &'a Runner, cidfile: PathBuf) -> anyhow::Result<Container<'a>> {
        let label = run_label(runner)?;
        let (docker, permit) = (&runner.docker, runner.permit);
        let res = Container { docker, permit, cidfile, label, is_asked_for: Cell::new(false) };
        // A killed run may have left its container.
        res.remove();
        if let (Some(permit), Some(dir)) = (permit, res.cidfile.parent()) {
            files::make_dirs(permit, dir)?;
        }
        Ok(res)
    }

    /// Returns `docker run` with the options that tie the container to this guard.
    pub(crate) fn run(&self, role: &str) -> Change {
        self.guarded("run", role)
    }

    /// Returns `docker create` like [`Container::run`]: files can be copied to and from the
    /// container, started or not.
    pub(crate) fn create(&self, role: &str) -> Change {
        self.guarded("create", role)
    }

    fn guarded(&self, command: &str, role: &str) -> Change {
        self.is_asked_for.set(true);
        let label = format!("{LABEL_ROLE}={role}");
        let cidfile = self.cidfile.clone().into_os_string();
        let cmd = self.docker.change([command, "--label", &label, "--label", &self.label]);
        cmd.args(["--cidfile".into(), cidfile]).makes(&self.cidfile)
    }

    /// Returns the command that starts the created container; its output and status are those of
    /// the command inside.
    pub(crate) fn start(&self) -> anyhow::Result<Change> {
        Ok(self.docker.change(["start", "--attach", &self.id()?]))
    }

    /// Returns the command that copies a file into the container.
    pub(crate) fn send(&self, file: &Path, to: &str) -> anyhow::Result<Change> {
        Ok(self.docker.change(["cp"]).args([file]).args([format!("{}:{to}", self.id()?)]))
    }

    /// Returns the command that unpacks the tar archive on its stdin in the container.
    pub(crate) fn unpack(&self, to: &str) -> anyhow::Result<Change> {
        Ok(self.docker.change(["cp", "-"]).args([format!("{}:{to}", self.id()?)]))
    }

    fn id(&self) -> anyhow::Result<String> {
        if self.permit.is_none() {
            return Ok("<container-id>".to_owned());
        }
        Ok(fs::read_to_string(&self.cidfile)?.trim().to_owned())
    }

    /// Unpacks `path` of the container, which may have ended, into the new folder `to`. Returns the
    /// status of the copy and the skipped entries, one line each.
    pub(crate) fn copy(
        &self,
        permit: Permit,
        path: &str,
        to: &Path,
        limits: Limits,
    ) -> anyhow::Result<(u8, Vec<String>)> {
        let from = format!("{}:{path}", self.id()?);
        let copy = self.docker.query(["cp", &from, "-"]);
        process::last_stream(&copy, |stream| unpack(permit, stream, to, limits))
    }

    fn remove(&self) {
        let Some(permit) = self.permit else { return };
        match fs::read_to_string(&self.cidfile).unwrap_or_default().trim() {
            "" if self.is_asked_for.get() => leftovers::keep_record(),
            "" => (),
            id => leftovers::remove(permit, self.docker, Kind::Container, id),
        }
        let _ = files::remove(permit, &self.cidfile);
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

fn run_label(runner: &Runner) -> anyhow::Result<String> {
    match runner.permit {
        None => Ok(format!("{LABEL_RUN}=<run>")),
        Some(permit) => leftovers::label(permit, &runner.target()),
    }
}

/// A volume of a run, empty at first, removed however the run ends; `file` records its name
/// meanwhile.
pub(crate) struct Volume<'a> {
    docker: &'a Docker,
    permit: Option<Permit>,
    file: PathBuf,
    pub(crate) name: String,
}

impl<'a> Volume<'a> {
    /// Creates the volume.
    pub(crate) fn new(runner: &'a Runner, role: &str, file: PathBuf) -> anyhow::Result<Volume<'a>> {
        let (docker, permit) = (&runner.docker, runner.permit);
        let (label, run) = (format!("{LABEL_ROLE}={role}"), run_label(runner)?);
        let mut res = Volume { docker, permit, file, name: String::new() };
        let create = |name: &str| {
            docker.change(["volume", "create", "--label", &label, "--label", &run, name])
        };
        let Some(permit) = permit else {
            "<volume>".clone_into(&mut res.name);
            terminal::print(create(&res.name));
            return Ok(res);
        };
        // A killed run may have left its volume.
        res.name = fs::read_to_string(&res.file).unwrap_or_default();
        res.remove();
        // Recorded before the volume exists, so that an interrupted creation is cleaned up, too.
        res.name = format!("{NAMESPACE}-{role}-{}", random_hex()?);
        files::write(permit, &res.file, res.name.as_bytes())?;
        process::read(&create(&res.name).permitted(permit))?;
        Ok(res)
    }

    fn remove(&self) {
        let Some(permit) = self.permit.filter(|_| !self.name.is_empty()) else { return };
        leftovers::remove(permit, self.docker, Kind::Volume, &self.name);
        let _ = files::remove(permit, &self.file);
    }
}

impl Drop for Volume<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
