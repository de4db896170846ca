//! A checkout with one mission in a temporary folder, and the programs of the tests.

use std::{
    env, fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::served::Server;

/// Removed when dropped.
pub(crate) struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let dir = tempfile::Builder::new().prefix("xtask-helm-").tempdir().unwrap();
        let res = Scratch { dir };
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup-env.template");
        res.write("setup-env.template", &fs::read_to_string(template).unwrap());
        res
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// Runs `cargo xtask`.
    pub(crate) fn xtask(&self, args: &[&str]) -> Output {
        self.xtask_with(&helms()[0], args)
    }

    /// Runs `cargo xtask` with this program as `helm`.
    pub(crate) fn xtask_with(&self, helm: &Path, args: &[&str]) -> Output {
        self.xtask_in(helm, &[], args)
    }

    /// Runs `cargo xtask` with these variables, too.
    pub(crate) fn xtask_in(&self, helm: &Path, env: &[&(&str, PathBuf)], args: &[&str]) -> Output {
        let bin = self.path("bin");
        fs::create_dir_all(&bin).unwrap();
        let _ = fs::remove_file(bin.join("helm"));
        symlink(helm, bin.join("helm")).unwrap();
        let path = format!("{}:{}", bin.to_string_lossy(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        env.iter().for_each(|it| _ = command.env(it.0, &it.1));
        run(command.args(args).current_dir(self.dir.path()).env("PATH", path), "")
    }

    /// Serves the folder `repository` on this machine, with the small chart in it, and locks its
    /// name.
    pub(crate) fn serve_chart(&self) -> Server {
        self.package("0.1.0", |it| it);
        let server = Server::new(self.path("repository"));
        let port = server.port;
        let lock = format!(
            "repository: http://127.0.0.1:{port}/\nname: jupyterhub\nversion: 0.0.1\nappVersion: 5.5.0\nkubeVersion: null\n"
        );
        self.write("common/hub/chart.lock.yaml", &lock);
        server
    }

    /// Packages the small chart as `version`, with its templates as `change` returns them.
    pub(crate) fn package(&self, version: &str, change: fn(String) -> String) {
        let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/helm/chart");
        let _ = fs::remove_dir_all(self.path("chart"));
        fs::create_dir_all(self.path("repository")).unwrap();
        assert!(
            Command::new("cp")
                .arg("-a")
                .arg(small)
                .arg(self.path("chart"))
                .status()
                .unwrap()
                .success()
        );
        let hub = fs::read_to_string(self.path("chart/templates/hub.yaml")).unwrap();
        self.write("chart/templates/hub.yaml", &change(hub));
        let [helm, _] = helms();
        let mut package = Command::new(&helm);
        package.arg("package").arg(self.path("chart")).args(["--version", version, "-d"]);
        stdout(&run(package.arg(self.path("repository")), ""));
        stdout(&run(Command::new(&helm).args(["repo", "index"]).arg(self.path("repository")), ""));
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
        let mut command = Command::new("git");
        stdout(&run(command.args(identity).args(args).current_dir(self.dir.path()), ""));
    }
}

/// Returns the programs of Helm 3 and Helm 4.
pub(crate) fn helms() -> [PathBuf; 2] {
    let dir = env::var_os("HELMS").map(PathBuf::from);
    let dir = dir.expect("HELMS is not set; `cargo xtask ci --only 'hubs with helm'` sets it");
    let helms = ["helm3", "helm4"].map(|it| dir.join(it));
    helms.iter().for_each(|it| assert!(it.is_file(), "{} not found", it.to_string_lossy()));
    helms
}

pub(crate) fn run(command: &mut Command, stdin: &str) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Returns the standard output of a command that succeeds.
#[track_caller]
pub(crate) fn stdout(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Returns both outputs of a command that fails with `status`.
#[track_caller]
pub(crate) fn failed(output: &Output, status: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let both = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{both}");
    both
}
