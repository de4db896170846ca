//! Containers and volumes of a run, removed however the run ends.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::{
    image::{leftovers, runner::Runner},
    run::{
        files,
        process::{self, Change, Permit},
        random::random_hex,
        terminal,
        unpack::{Limits, unpack},
    },
    tools::docker::{Docker, LABEL_ROLE, NAMESPACE, container::NewContainer, leftover::Kind},
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
        let (docker, permit) = (&runner.docker, runner.permit);
        let label = leftovers::label(permit, &runner.target())?;
        let res = Container { docker, permit, cidfile, label, is_asked_for: Cell::new(false) };
        // A killed run may have left its container.
        res.remove();
        if let (Some(permit), Some(dir)) = (permit, res.cidfile.parent()) {
            files::make_dirs(permit, dir)?;
        }
        Ok(res)
    }

    /// Returns `docker run` with the options that tie the container to this guard.
    pub(crate) fn run(&self, role: &str) -> NewContainer {
        self.guarded(self.docker.run(), role)
    }

    /// Returns `docker create` like [`Container::run`]: files can be copied to and from the
    /// container, started or not.
    pub(crate) fn create(&self, role: &str) -> NewContainer {
        self.guarded(self.docker.create(), role)
    }

    fn guarded(&self, container: NewContainer, role: &str) -> NewContainer {
        self.is_asked_for.set(true);
        let role = format!("{LABEL_ROLE}={role}");
        container.label(&role).label(&self.label).cidfile(&self.cidfile)
    }

    /// Returns the command that starts the created container; its output and status are those of
    /// the command inside.
    pub(crate) fn start(&self) -> anyhow::Result<Change> {
        Ok(self.docker.start_attached(&self.id()?))
    }

    /// Returns the command that copies a file into the container.
    pub(crate) fn send(&self, file: &Path, to: &str) -> anyhow::Result<Change> {
        Ok(self.docker.send(file, &self.id()?, to))
    }

    /// Returns the command that unpacks the tar archive on its stdin in the container.
    pub(crate) fn unpack(&self, to: &str) -> anyhow::Result<Change> {
        Ok(self.docker.unpack(&self.id()?, to))
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
        process::last_stream(&self.docker.pack(&self.id()?, path), |stream| {
            unpack(permit, stream, to, limits)
        })
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
        let label = format!("{LABEL_ROLE}={role}");
        let run = leftovers::label(permit, &runner.target())?;
        let mut res = Volume { docker, permit, file, name: String::new() };
        let create = |name: &str| docker.make_volume(name, &[&label, &run]);
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
