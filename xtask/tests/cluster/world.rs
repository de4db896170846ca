//! A checkout with the values of `hello`'s hubs on the cluster, its secrets, the chart and the images.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    chart::Repository,
    images::{self, Image, Images},
    run::{Done, Running, Transcript, output, output_of},
    settings::{Chart, Settings},
};

/// Removed with its namespaces when dropped, unless the settings keep them.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) images: Images,
    pub(crate) repository: Repository,
    pub(crate) context: String,
    transcript: Transcript,
    dir: Option<TempDir>,
    /// Begin of the names of namespaces.
    id: String,
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

/// Environments that the tests deploy to.
const ENVIRONMENTS: [&str; 3] = ["staging", "prod", "test"];

impl World {
    /// Returns a world with nothing deployed. `name` is that of the transcript.
    pub(crate) fn new(name: &str) -> World {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settings = Settings::read();
        let dir = tempfile::Builder::new()
            .prefix("xtask-cluster-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let name_of_dir = dir.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let random = name_of_dir.rsplit('-').next().unwrap();
        let random: String = random.chars().filter(char::is_ascii_alphanumeric).collect();
        let id = format!("xtask-{random}");
        // Other runs' images are not seen, and tags of people are not moved.
        settings.registry = format!("{}/{id}", settings.registry);
        settings.nodes = format!("{}/{id}", settings.nodes);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let transcript = Transcript::new(&root.join(format!("target/xtask/cluster/{name}.txt")));
        programs(dir.path(), &settings);
        let context = context(&settings);
        copy(root, &dir.path().join("checkout"));
        let res = Hello { settings: &settings, dir: dir.path(), transcript: &transcript };
        res.git();
        // Now the base of the other images is on the engine.
        res.run(&["image-all", "hello"]).status(0);
        let images = images::images(&settings);
        let repository = Repository::new(&dir.path().join("repository"), &settings, &images);
        let world = World {
            settings,
            images,
            repository,
            context,
            transcript,
            dir: Some(dir),
            id,
            _alone: alone,
        };
        world.values();
        world.secrets();
        world.lock_chart(None);
        world.commit("Hubs of hello");
        world
    }

    fn hello(&self) -> Hello<'_> {
        Hello { settings: &self.settings, dir: self.dir(), transcript: &self.transcript }
    }

    fn dir(&self) -> &Path {
        self.dir.as_ref().unwrap().path()
    }

    /// Returns the namespace of an environment.
    pub(crate) fn namespace(&self, environment: &str) -> String {
        format!("{}-{environment}", self.id)
    }

    /// Writes durations beside the transcripts.
    pub(crate) fn figures(&self, figures: &Value) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        fs::write(root.join("target/xtask/cluster/figures.json"), figures.to_string()).unwrap();
    }

    /// Prints a heading in the transcript.
    pub(crate) fn phase(&self, title: &str) {
        self.transcript.line(&format!("\n## {title}"));
    }

    /// Runs `cargo xtask`.
    pub(crate) fn xtask(&self, args: &[&str]) -> Done {
        self.hello().run(args)
    }

    /// Runs `cargo xtask` without the key of the secrets.
    pub(crate) fn xtask_without_key(&self, args: &[&str]) -> Done {
        let key = self.dir().join("age");
        fs::rename(&key, key.with_extension("away")).unwrap();
        let done = self.xtask(args);
        fs::rename(key.with_extension("away"), &key).unwrap();
        done
    }

    /// Calls `test` while the file with the secrets of an environment has other secrets.
    pub(crate) fn with_secrets(&self, environment: &str, text: &str, test: impl FnOnce()) {
        let path = format!("secrets/hello/{environment}.yaml");
        let before = self.read(&path);
        self.write(&path, text);
        if !text.is_empty() {
            let key = output(Command::new("age-keygen").arg("-y").arg(self.dir().join("age")));
            let encrypt = ["encrypt", "--in-place", "--age", key.trim(), &path];
            output(Command::new("sops").args(encrypt).current_dir(self.dir().join("checkout")));
        }
        test();
        self.write(&path, &before);
    }

    /// Runs Helm itself.
    pub(crate) fn helm_itself(&self, environment: &str, args: &[&str]) {
        let namespace = self.namespace(environment);
        let place = ["--kube-context", &self.context, "--namespace", &namespace];
        output(Command::new(self.dir().join("bin/helm")).args(place).args(args));
    }

    /// Removes the chart's archive that was downloaded.
    pub(crate) fn forget_chart(&self) {
        fs::remove_dir_all(self.dir().join("checkout/target/xtask/charts")).unwrap();
    }

    /// Starts `cargo xtask`.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.hello().start(args, "")
    }

    /// Writes a file of the checkout.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.dir().join("checkout").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir().join("checkout").join(name)).unwrap()
    }

    /// Commits and pushes all files.
    pub(crate) fn commit(&self, message: &str) {
        self.hello().commit(message);
    }

    /// Writes the values of one environment, and commits and pushes them.
    pub(crate) fn environment(&self, environment: &str, values: &str) {
        let text = format!("{}{values}", self.place(environment));
        self.write(&format!("missions/hello/hub/{environment}.yaml"), &text);
        if !self.git(&["status", "--porcelain"]).is_empty() {
            self.commit(&format!("Values of {environment}"));
        }
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.hello().git_in("checkout", args)
    }

    /// Returns the settings of an environment, for its values.
    fn place(&self, environment: &str) -> String {
        self.place_with_registry(environment, &self.settings.nodes)
    }

    /// Returns the settings of an environment whose nodes know the registry by this name.
    pub(crate) fn place_with_registry(&self, environment: &str, registry: &str) -> String {
        let (context, namespace) = (&self.context, self.namespace(environment));
        format!(
            "xtask:\n  cluster: {{context: {context}, namespace: {namespace}, identity: \"{}\"}}\n  registry: {registry}\n  production: {}\n  timeout: 240\n",
            self.identity(),
            environment == "prod"
        )
    }

    /// Returns what pins the cluster.
    pub(crate) fn identity(&self) -> String {
        let uid =
            self.kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
        format!("kube-system/{uid}")
    }

    /// Runs kubectl, which must succeed.
    #[track_caller]
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.kubectl_with(args, "")
    }

    #[track_caller]
    pub(crate) fn kubectl_with(&self, args: &[&str], stdin: &str) -> String {
        let mut command = Command::new(self.settings.helms.join("kubectl"));
        output_of(command.args(["--context", &self.context]).args(args), stdin)
    }

    /// Chooses Helm 3 or 4 for later runs.
    pub(crate) fn helm(&self, version: u32) {
        let helm = self.dir().join("bin/helm");
        fs::remove_file(&helm).unwrap();
        symlink(self.settings.helms.join(format!("helm{version}")), helm).unwrap();
    }

    /// Locks the newest chart, or `version`.
    pub(crate) fn lock_chart(&self, version: Option<&str>) {
        let version = version.or(match &self.settings.chart {
            Chart::Repository { version, .. } => Some(version),
            _ => None,
        });
        let lock = "common/hub/chart.lock.yaml";
        if !self.read(lock).contains(&self.repository.url) {
            self.write(lock, &self.repository.lock());
        }
        self.xtask(&[&["hub-chart", "update"][..], version.as_slice()].concat()).status(0);
    }

    fn values(&self) {
        let mut text = COMMON.to_owned();
        if self.settings.chart != Chart::Small {
            let Images { hub, pause, .. } = &self.images;
            let image = |it: &Image| format!("image: {}", it.values());
            text = text
                .replace("# hub:", &image(hub))
                .replace("# proxy:", &image(hub))
                .replace("# awaiter:", &image(hub))
                .replace("# pause:", &format!("pause: {{{}}}", image(pause)));
        }
        self.write("missions/hello/hub/common.yaml", &text);
        for environment in ENVIRONMENTS {
            self.write(&format!("missions/hello/hub/{environment}.yaml"), &self.place(environment));
        }
    }

    /// Makes a secrets repository with a file for each environment.
    fn secrets(&self) {
        let key = output(Command::new("age-keygen").arg("-y").arg(self.dir().join("age")));
        self.xtask(&["secrets-clone"]).status(0);
        let mut recipient = vec!["--age", key.trim()];
        for environment in ENVIRONMENTS {
            let of = format!("ENVIRONMENT={environment}");
            let set = ["--set", &of];
            self.xtask(&[&set[..], &["secrets-init"], &recipient].concat()).status(0);
            recipient.clear();
            for key in [
                "hub.config.SharedPasswordAuthenticator.user_password",
                "hub.services.people.apiToken",
            ] {
                let value = format!("canary-{environment}-0123456789abcdef");
                let args = [&set[..], &["secrets-set", key]].concat();
                self.hello().start(&args, &value).finish().status(0);
            }
        }
        self.xtask(&["secrets-push"]).status(0);
    }
}

/// Values of all hubs of the tests: small, and without what a test cluster lacks. Comments are the places of
/// images that the small chart has itself.
const COMMON: &str = r#"hub:
  # hub:
  resources: {requests: {cpu: 100m, memory: 200Mi}}
  networkPolicy: {enabled: false}
  services: {people: {}}
  loadRoles: {people: {services: [people], scopes: ["admin:users", "admin:servers"]}}
proxy:
  chp:
    # proxy:
    networkPolicy: {enabled: false}
    resources: {requests: {cpu: 50m, memory: 64Mi}}
    # The proxy of PyPI takes an empty address as 127.0.0.1.
    extraCommandLineFlags: ["--ip=0.0.0.0", "--api-ip=0.0.0.0"]
singleuser:
  cloudMetadata: {blockWithIptables: false}
  networkPolicy: {enabled: false}
  storage: {capacity: 100Mi}
  memory: {guarantee: 128M, limit: 1G}
  cpu: {guarantee: 0.05}
scheduling: {userScheduler: {enabled: false}, userPlaceholder: {enabled: false}, podPriority: {enabled: false}}
prePuller:
  hook:
    enabled: true
    # awaiter:
  continuous: {enabled: false}
  # pause:
"#;

/// The checkout before there are images and values.
struct Hello<'a> {
    settings: &'a Settings,
    dir: &'a Path,
    transcript: &'a Transcript,
}

impl Hello<'_> {
    /// Commits and pushes the checkout to a new repository, and makes an empty one for secrets.
    fn git(&self) {
        fs::write(
            self.dir.join("gitconfig"),
            "[user]\nname = Test\nemail = test@example.org\n[init]\ndefaultBranch = main\n",
        )
        .unwrap();
        for name in ["origin.git", "secrets.git"] {
            self.git_in("", &["init", "--quiet", "--bare", name]);
        }
        self.git_in("checkout", &["init", "--quiet"]);
        let origin = format!("file://{}", self.dir.join("origin.git").display());
        self.git_in("checkout", &["remote", "add", "origin", &origin]);
        self.commit("All");
        output(Command::new("age-keygen").arg("-o").arg(self.dir.join("age")));
    }

    fn commit(&self, message: &str) {
        self.git_in("checkout", &["add", "--all"]);
        self.git_in("checkout", &["commit", "--quiet", "--message", message]);
        self.git_in("checkout", &["push", "--quiet", "--set-upstream", "origin", "main"]);
    }

    #[track_caller]
    fn git_in(&self, dir: &str, args: &[&str]) -> String {
        let config = self.dir.join("gitconfig");
        output(
            Command::new("git")
                .args(args)
                .current_dir(self.dir.join(dir))
                .env("GIT_CONFIG_GLOBAL", config),
        )
    }

    fn run(&self, args: &[&str]) -> Done {
        self.start(args, "").finish()
    }

    fn start(&self, args: &[&str], stdin: &str) -> Running {
        let Hello { settings, dir, transcript } = self;
        let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(args).current_dir(dir.join("checkout")).env("PATH", path);
        command.env("REGISTRY", &settings.registry).env("DOCKER", &settings.docker);
        command.env("GIT_CONFIG_GLOBAL", dir.join("gitconfig"));
        command.env("SECRETS_REPO", format!("file://{}", dir.join("secrets.git").display()));
        command.env("SOPS_AGE_KEY_FILE", dir.join("age"));
        Running::start(&mut command, stdin, &format!("cargo xtask {}", args.join(" ")), transcript)
    }
}

/// Puts Helm 3 and kubectl into a folder of their own.
fn programs(dir: &Path, settings: &Settings) {
    fs::create_dir_all(dir.join("bin")).unwrap();
    for (name, program) in [("helm", "helm3"), ("kubectl", "kubectl")] {
        let path = settings.helms.join(program);
        assert!(
            path.is_file(),
            "{} not found; `cargo xtask ci --cluster` unpacks it",
            path.display()
        );
        symlink(path, dir.join("bin").join(name)).unwrap();
    }
}

/// Returns the current context, of a cluster that answers.
fn context(settings: &Settings) -> String {
    let kubectl = || Command::new(settings.helms.join("kubectl"));
    let ready =
        kubectl().args(["--request-timeout=30s", "get", "--raw", "/readyz"]).output().unwrap();
    let said = String::from_utf8_lossy(&ready.stderr);
    assert!(
        ready.status.success(),
        "the cluster of KUBECONFIG={} does not answer: {said}",
        settings.kubeconfig
    );
    output(kubectl().args(["config", "current-context"])).trim().to_owned()
}

/// Copies all files that git tracks or would track.
fn copy(root: &Path, to: &Path) {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    for name in output(Command::new("git").args(list).current_dir(root)).split_terminator('\0') {
        let (from, to) = (root.join(name), to.join(name));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if let Ok(target) = fs::read_link(&from) {
            symlink(target, to).unwrap();
        } else if from.exists() {
            fs::copy(from, to).unwrap();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.settings.keep {
            let dir = self.dir.take().unwrap().keep();
            eprintln!("kept: {} and the namespaces {}-*", dir.display(), self.id);
            return;
        }
        for environment in ENVIRONMENTS {
            let mut kubectl = Command::new(self.settings.helms.join("kubectl"));
            let delete = ["delete", "namespace", "--ignore-not-found", "--wait=false"];
            let _ = kubectl
                .args(["--context", &self.context])
                .args(delete)
                .arg(self.namespace(environment))
                .status();
        }
    }
}
