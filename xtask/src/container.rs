//! One container of ours, removed on every way out.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::{
    docker::{Docker, LABEL_ROLE},
    engine::Engine,
    process::{self, Cmd},
};

/// The file docker writes the container's id to; dropping this kills and removes the container.
/// (Ending the CLI alone leaves the container running.)
pub(crate) struct Container<'a> {
    docker: &'a Docker,
    dry_run: bool,
    cidfile: PathBuf,
}

impl<'a> Container<'a> {
    /// Nothing is started yet. `cidfile` must not be in use by another container.
    pub(crate) fn new(engine: &'a Engine, cidfile: PathBuf) -> anyhow::Result<Container<'a>> {
        let res = Container { docker: &engine.docker, dry_run: engine.dry_run, cidfile };
        // What a killed run may have left.
        res.remove();
        if let Some(dir) = res.cidfile.parent().filter(|_| !res.dry_run) {
            fs::create_dir_all(dir)?;
        }
        Ok(res)
    }

    /// `docker run` with what ties the container to this guard.
    pub(crate) fn run(&self, role: &str) -> Cmd {
        self.guarded("run", role)
    }

    /// `docker create`, as [`Container::run`]: for a container that is only copied from.
    pub(crate) fn create(&self, role: &str) -> Cmd {
        self.guarded("create", role)
    }

    fn guarded(&self, command: &str, role: &str) -> Cmd {
        let label = format!("{LABEL_ROLE}={role}");
        let cidfile = self.cidfile.clone().into_os_string();
        self.docker.cmd([command, "--label", &label]).args(["--cidfile".into(), cidfile])
    }

    /// Copies `path` out of the container, which may have ended, to the folder `to`.
    pub(crate) fn copy(&self, path: &str, to: &Path) -> anyhow::Result<Cmd> {
        let id = fs::read_to_string(&self.cidfile)?;
        let from = format!("{}:{path}", id.trim());
        Ok(self.docker.cmd(["cp", &from]).args([to]))
    }

    fn remove(&self) {
        if self.dry_run {
            return;
        }
        let Ok(id) = fs::read_to_string(&self.cidfile) else { return };
        // A run that was interrupted must still get here, and a container may be gone already.
        let _ = process::last_words(&self.docker.cmd(["rm", "--force", "--volumes", id.trim()]));
        let _ = fs::remove_file(&self.cidfile);
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}
