//! The command line of a test container. Its first process is this checkout's tester, as root with
//! few capabilities; its children run as another user without capabilities.

use std::path::Path;

use crate::{
    image::mission_images::MissionImages,
    settings::config::{Network, Testing},
    testing::selection::ContainerInputs,
    tools::docker::{
        Docker, Image,
        container::{NO_ARGS, NewContainer},
    },
};

/// Folder of the tester with its plan, its results, and the files that tests write: volumes, since
/// `docker cp` cannot enter a read-only root file system.
pub(in crate::testing) const TESTER: &str = "/opt/tester";
pub(in crate::testing) const RESULTS: &str = "/opt/test-results";
pub(in crate::testing) const SCRATCH: &str = "/opt/test-scratch";

/// Name of the plan, and folder of the scripts, below [`TESTER`].
pub(in crate::testing) const PLAN: &str = "plan.json";
pub(in crate::testing) const SCRIPTS: &str = "common-scripts";

/// Mount point of a user's volume on a hub, and its mount point during preparation: below a folder that
/// tests do not see in the image, so that it hides no file that is digested.
pub(in crate::testing) const HOME: &str = "/home/jovyan";
pub(in crate::testing) const PREPARED_HOME: &str = "/tmp/home";

/// Interpreter of the base environment.
pub(in crate::testing) const PYTHON: &str = "/opt/conda/bin/python";

/// Limit of processes and threads in one container: libraries start a thread per core, in each
/// test.
const PIDS: &str = "4096";

/// Purpose of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::testing) enum Part {
    /// The mission's tests.
    Mission,
    /// Tests of the image's files; fills a user's home.
    Prepare,
    /// The image as a hub starts it, with that home.
    Hub,
}

impl Part {
    /// Returns the value of the container's label, also used in file names.
    pub(in crate::testing) fn role(self) -> &'static str {
        match self {
            Part::Mission => "test",
            Part::Prepare => "test-prepare",
            Part::Hub => "test-hub",
        }
    }

    /// Returns the capabilities of the tester: to become another user and to end that user's
    /// processes, and to write and remove files that root does not own.
    pub(in crate::testing) fn capabilities(self) -> &'static [&'static str] {
        match self {
            Part::Prepare => &["CHOWN", "DAC_OVERRIDE", "FOWNER"],
            Part::Mission | Part::Hub => {
                &["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]
            }
        }
    }

    /// Returns the tester's arguments.
    fn command(self) -> &'static [&'static str] {
        match self {
            Part::Mission => &["mission"],
            Part::Prepare => &["prepare", PREPARED_HOME],
            Part::Hub => &["hub"],
        }
    }

    /// Sets up the container; `home` is the volume that [`Part::Prepare`] fills.
    pub(in crate::testing) fn set_up(
        self,
        container: NewContainer,
        testing: &Testing,
        home: &str,
    ) -> NewContainer {
        let mut res = container
            .without_health_check()
            .user("root")
            .entry_point(PYTHON)
            .limits(&testing.memory, PIDS)
            .capabilities(self.capabilities());
        for it in [TESTER, RESULTS, SCRATCH] {
            res = res.empty_volume(None, it);
        }
        res = match self {
            Part::Prepare => res.empty_volume(Some(home), PREPARED_HOME).network("none"),
            Part::Hub => res.empty_volume(Some(home), HOME).network("none"),
            Part::Mission => set_up_mission(res, testing),
        };
        res.env("PATIENCE", &testing.patience.to_string())
    }

    /// Returns the arguments after the image: the tester, without start hooks of the image's Python
    /// packages. `more` are options of the tester.
    pub(in crate::testing) fn argv(self, more: &[&str]) -> Vec<String> {
        let mut res = words(&["-IS", &format!("{TESTER}/{SCRIPTS}/tester")]);
        res.extend(words(&["--plan", &format!("{TESTER}/{PLAN}")]));
        res.extend(words(&["--results", RESULTS, "--scratch", SCRATCH]));
        res.extend(words(more));
        res.extend(words(self.command()));
        res
    }
}

/// Sets up the container of a mission's tests, which run on a read-only image; its folder and the
/// home are copies of the image's.
fn set_up_mission(container: NewContainer, testing: &Testing) -> NewContainer {
    let network = match testing.network {
        Network::None => "none",
        Network::Egress => "bridge",
    };
    let mut res = container.read_only().network(network);
    for it in ["/tmp", "/var/tmp", "/run"] {
        res = res.memory_folder(it);
    }
    for it in ["/opt/environments", HOME] {
        res = res.copied_volume(it);
    }
    testing.data.iter().fold(res, |res, it| res.data(&it.source, &it.target))
}

/// Returns the options of the container of a mission's tests, on which their results may depend.
pub(in crate::testing) fn options(testing: &Testing) -> String {
    let docker = Docker::new("docker".into(), Path::new("/"));
    Part::Mission.set_up(docker.create(), testing, "").image(&"", NO_ARGS).to_string()
}

/// Returns the tester's facts about the image and its container.
pub(in crate::testing) fn given(chosen: &MissionImages, image: &Image) -> ContainerInputs {
    let testing = &chosen.config.testing;
    ContainerInputs {
        entry_point: image.config.entrypoint.clone().unwrap_or_default(),
        command: image.config.cmd.clone().unwrap_or_default(),
        health: image.health().unwrap_or_default(),
        network: testing.network.name(),
        disk: testing.disk,
        dependencies: false,
        carried: Vec::new(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&it| it.to_owned()).collect()
}
