//! The command line: one variant per task, in the order a release uses them. Doc comments are the help.

mod common;

use std::ffi::OsString;

use clap::{
    Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind,
};

use crate::{
    run::{failure, memory_folder, process::Permit},
    task::{
        Session,
        args::{
            Bench, Check, Ci, CiMatrix, Complete, DeployedHub, Diff, Doctor, Flags, Freeze,
            HubChart, HubDeploy, HubDown, HubLogs, HubRender, HubRollback, HubSmoke, HubStatus,
            HubUp, HubValues, ImageAll, ImageBuild, ImageDiff, ImageExec, ImageLab, ImagePrune,
            ImagePush, ImageSh, ImageTest, ImageUpdate, MissionNew, Missions, OneMission, Package,
            ReceiptMerge, ReceiptShow, Report, SecretsCat, SecretsDiff, SecretsEdit, SecretsInit,
            SecretsOf, SecretsSet, Try,
        },
        hubs, images,
        machine::{self, completion::Shell},
        packages, repository, secrets,
    },
};
use common::{BEFORE_TASK, DRY_RUN, Given, JSON, MODE, NoArgs, SET, VERBOSE, With};

/// Builds, tests, freezes, pushes and deploys the images of this repository.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  cargo xtask quickstart                 everything for a first image on a fresh machine
  cargo xtask image-all roman tike       build, test and push two missions
  cargo xtask image-all --floating       solve the package lists again, then freeze the result
  cargo xtask -n image-push              what would be run, without running it

Exit status: 0 all done, 1 the work failed, 2 the request or a file is wrong,
3 this machine lacks something, 130 interrupted. When the reader of a pipe ends early,
the rest of the output is dropped; the task goes on, and its status does not change."
)]
struct CommandLine {
    #[command(flatten)]
    before_task: With<BEFORE_TASK, NoArgs>,
    #[command(subcommand)]
    task: Task,
}

/// A task with the common flags, whether they precede or follow its name.
#[derive(Debug)]
pub(crate) struct Cli {
    pub(crate) dry_run: bool,
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    pub(crate) set: Vec<String>,
    pub(crate) task: Task,
}

impl Cli {
    /// Returns the command line as clap describes it.
    pub(crate) fn command() -> Command {
        CommandLine::command()
    }

    /// Reads a command line.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
        let mut command = Cli::command();
        let matches = command.try_get_matches_from_mut(words)?;
        let line = CommandLine::from_arg_matches(&matches)?;
        let before = line.before_task.given;
        let (flags, after) = line.task.common();
        if let Some(flag) = before.not_in(flags).first() {
            let name = matches.subcommand_name().unwrap_or_default();
            let text = format!("`{name}` does not accept `{flag}`");
            return Err(command.error(ErrorKind::UnknownArgument, text));
        }
        let (dry_run, json) = (before.dry_run || after.dry_run, before.json || after.json);
        if dry_run && json {
            let text = "a dry run prints commands: `--dry-run` and `--json` exclude each other";
            return Err(command.error(ErrorKind::ArgumentConflict, text));
        }
        let verbose = before.verbose || after.verbose;
        let set = before.set.iter().chain(&after.set).cloned().collect();
        Ok(Cli { dry_run, json, verbose, set, task: line.task })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Install what a fresh machine lacks, then build, test and push `hello`
    Quickstart(With<{ DRY_RUN | JSON | VERBOSE | SET }, NoArgs>),
    /// Check this machine for missing tools, and print the commands that install them
    #[command(after_help = "\
Examples:
  cargo xtask doctor                 for DEPLOYMENT_NAME
  cargo xtask doctor --all --fix     for all missions; asks before it installs anything")]
    Doctor(With<{ DRY_RUN | JSON | VERBOSE | SET }, Doctor>),
    /// Write missions/*/Dockerfile from Dockerfile.custom and the common trailer
    ImageUpdate(With<{ DRY_RUN | JSON | SET }, ImageUpdate>),
    /// Build the embedded base image
    ImageBase(With<{ DRY_RUN | JSON | VERBOSE | SET }, NoArgs>),
    /// Build the base if needed, the common image and the mission images
    ImageBuild(With<{ DRY_RUN | JSON | VERBOSE | SET | MODE }, ImageBuild>),
    /// Run the missions' tests in containers and write receipts
    #[command(after_help = "\
Examples:
  cargo xtask image-test roman --env roman-cal --only '*.ipynb'
  cargo xtask image-test --failed                       the tests that failed last time, in the image as it is
  cargo xtask image-test --dev --only cmb.ipynb         the notebook of the working tree
  cargo xtask image-test hello --shard 2/3              the second of three parts, on a machine of its own
  cargo xtask image-test hello --on kubernetes --shards 3   the pushed image, in the cluster of its hub

image-push accepts only the receipt of a run of all tests.")]
    ImageTest(With<{ DRY_RUN | JSON | VERBOSE | SET | MODE }, ImageTest>),
    /// Try edited package lists, or one more package, in a copy of the mission's image
    ///
    /// Installs the lists of an environment as they are now, and runs this environment's tests, also
    /// edited ones. Installed packages keep their versions where the lists allow it. Nothing is
    /// pushed, no image or tag changes, and no receipt is written.
    #[command(after_help = "\
Examples:
  cargo xtask try roman --env roman-cal --add humanize      the list gets the line if all tests pass
  cargo xtask try roman --env roman-cal --add 'numpy<2.4' --add scipy
  cargo xtask try roman                                     the environments whose lists were edited")]
    Try(With<{ DRY_RUN | JSON | VERBOSE | SET }, Try>),
    /// Publish images that have a complete, passing receipt
    #[command(after_help = "\
Examples:
  cargo xtask image-push roman tike                     publish two missions
  cargo xtask image-push hello --candidate              push the image untested, for tests on other machines
  cargo xtask image-push hello --promote v1             tag the current image, already published, as v1
  cargo xtask image-push --all --promote latest-prod --from latest-test  what is latest-test everywhere is also latest-prod
  cargo xtask image-push hello --promote latest-prod --from sha256:…     go back to an earlier image")]
    ImagePush(With<{ DRY_RUN | JSON | VERBOSE | SET | MODE }, ImagePush>),
    /// Write an HTML page about images, their tests and their executed notebooks
    #[command(after_help = "Example: cargo xtask report --all")]
    Report(With<{ DRY_RUN | JSON | VERBOSE | SET | MODE }, Report>),
    /// Verify and print receipts of published images
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// List the images that missions have published, newest first
    ///
    /// Tests are those of a receipt beside the image that certifies it.
    #[command(after_help = "\
Examples:
  cargo xtask image-list roman
  cargo xtask image-push roman --promote latest-prod --from <TAG>    go back to an image of that list")]
    ImageList(With<{ JSON | SET }, Missions>),
    /// Compare two published images: packages, Debian packages, commit
    #[command(after_help = "Example: cargo xtask image-diff roman latest-prod latest-sandbox")]
    ImageDiff(With<{ JSON | SET }, ImageDiff>),
    /// Remove old images of this tool from the engine, or from the registry
    ///
    /// Images stay that a human tag names, the newest certified ones of each mission, young ones,
    /// and whatever these were built on; on the engine also those that the working tree needs. In
    /// the registry an image's receipt goes with it. All is listed first, with the reason.
    #[command(after_help = "\
Examples:
  cargo xtask -n image-prune              print what would be removed from this machine
  cargo xtask image-prune --registry roman --keep 5 --days 90
  cargo xtask image-prune --yes           remove old images from this machine, without asking")]
    ImagePrune(With<{ DRY_RUN | JSON | SET }, ImagePrune>),
    /// Build, test and push; any failure means that nothing is pushed
    #[command(after_help = "\
Examples:
  cargo xtask image-all --all               build, test and push every mission
  cargo xtask image-all roman --floating    solve the package lists again, and freeze the result")]
    ImageAll(With<{ DRY_RUN | JSON | VERBOSE | SET | MODE }, ImageAll>),
    /// Run a command in a mission's image, and return the command's exit status
    #[command(after_help = "Example: cargo xtask image-exec -- python -c 'print(1)'")]
    ImageExec(With<{ DRY_RUN | SET | MODE }, ImageExec>),
    /// Open a shell in a mission's image
    ImageSh(With<{ DRY_RUN | SET | MODE }, ImageSh>),
    /// Run JupyterLab in a mission's image, on a free port of this machine, until Ctrl-C
    #[command(after_help = "\
Examples:
  cargo xtask image-lab roman                 keep the home in a docker volume
  cargo xtask image-lab roman --home ~/roman  use this folder as the home")]
    ImageLab(With<{ DRY_RUN | SET | MODE }, ImageLab>),
    /// Print what `image-all` would build, test and push, and which file or setting is the reason
    #[command(after_help = "Example: cargo xtask explain --all")]
    Explain(With<{ JSON | SET | MODE }, Missions>),
    /// Write the frozen specs of floating images
    #[command(after_help = "\
Examples:
  cargo xtask freeze roman-cal           from the floating image of its mission, which is built if missing
  cargo xtask freeze --check --all       check that all frozen specs match their package lists
  cargo xtask freeze --verify            build a frozen image, freeze it again, and compare")]
    Freeze(With<{ DRY_RUN | JSON | VERBOSE | SET }, Freeze>),
    /// Print newer versions of what lists request, and the line or package that holds each back
    ///
    /// Compares the frozen specs with the package index, and with the conda channels that their packages
    /// came from, without an engine.
    #[command(after_help = "Example: cargo xtask outdated roman")]
    Outdated(With<{ JSON | SET }, OneMission>),
    /// Solve a mission's package lists again, test the result, and commit the frozen specs to a branch
    ///
    /// Builds the floating image with --refresh, runs all tests, and commits what changed to
    /// `relock/<mission>`, on the current commit. The branch that is checked out stays; nothing is pushed.
    /// A summary for a pull request is in target/xtask/relock/<mission>.md.
    #[command(after_help = "\
Examples:
  cargo xtask relock roman
  git push origin relock/roman && gh pr create --head relock/roman --body-file target/xtask/relock/roman.md")]
    Relock(With<{ DRY_RUN | VERBOSE | SET }, OneMission>),
    /// Print the lines that require a package, and the packages between
    Why(With<{ JSON | SET }, Package>),
    /// Print the versions of a package in the history of the frozen specs
    When(With<{ JSON | SET }, Package>),
    /// Compare a frozen spec with an earlier commit or with an image
    Diff(With<{ DRY_RUN | JSON | SET }, Diff>),
    /// Clone the mission's secrets repository (SECRETS_REPO) to secrets/<mission>/
    #[command(after_help = "\
Examples:
  cargo xtask secrets-clone              the repository of DEPLOYMENT_NAME
  cargo xtask secrets-clone -m roman     the repository of another mission")]
    SecretsClone(With<{ DRY_RUN | SET }, SecretsOf>),
    /// Write .sops.yaml and the first encrypted <ENVIRONMENT>.yaml of a new deployment
    #[command(after_help = "\
Examples:
  cargo xtask secrets-init --age \"$(age-keygen -y ~/.config/sops/age/keys.txt)\"
  cargo xtask secrets-init --kms arn:aws:kms:us-east-1:123456789012:key/… --age age1…
  cargo xtask secrets-init --set ENVIRONMENT=prod     add a file for the recipients in .sops.yaml")]
    SecretsInit(With<{ DRY_RUN | SET }, SecretsInit>),
    /// Edit <ENVIRONMENT>.yaml in sops, and commit the change
    #[command(after_help = "\
Examples:
  cargo xtask secrets-edit
  cargo xtask secrets-edit prod.yaml
  EDITOR='sed -i s/old/new/' cargo xtask secrets-edit </dev/null    without a terminal")]
    SecretsEdit(With<{ DRY_RUN | SET }, SecretsEdit>),
    /// Print a value, or all of them
    #[command(after_help = "\
Examples:
  cargo xtask secrets-cat hub.cookieSecret
  cargo xtask secrets-cat --json | jq keys
  cargo xtask secrets-cat --at HEAD~1 proxy.secretToken     the value one commit ago")]
    SecretsCat(With<{ JSON | SET }, SecretsCat>),
    /// Set one value, read from standard input, and commit
    #[command(after_help = "\
Examples:
  openssl rand -hex 32 | cargo xtask secrets-set proxy.secretToken
  cargo xtask secrets-set proxy.https.manual.key < tls.key
  echo \"[\\\"$(openssl rand -hex 32)\\\"]\" | cargo xtask secrets-set --as-json hub.config.CryptKeeper.keys
The newline at the end of a single line is removed; a longer text is stored as it is.")]
    SecretsSet(With<{ DRY_RUN | SET }, SecretsSet>),
    /// Print the keys that changed between two commits, without decrypting anything
    #[command(after_help = "\
Examples:
  cargo xtask secrets-diff               changes that a push would publish
  cargo xtask secrets-diff HEAD~3 HEAD")]
    SecretsDiff(With<{ JSON | SET }, SecretsDiff>),
    /// Print the state of the clone, the recipients of its files, and whether you can read them
    #[command(after_help = "Example: cargo xtask secrets-status --json")]
    SecretsStatus(With<{ DRY_RUN | JSON | SET }, SecretsOf>),
    /// Push the secrets repository, unless it holds plain text or the remote has new commits
    #[command(after_help = "Example: cargo xtask -n secrets-push")]
    SecretsPush(With<{ DRY_RUN | SET }, SecretsOf>),
    /// Print the merged values of a mission's hub, without secrets
    #[command(after_help = "\
Examples:
  cargo xtask hub-values roman --env local
  cargo xtask hub-values roman --env prod --origin     the file and line that set each value")]
    HubValues(With<{ JSON | SET }, HubValues>),
    /// Print the manifests of a mission's hub without a cluster, with decoded values and without secrets
    #[command(after_help = "\
Examples:
  cargo xtask hub-render roman --env prod
  cargo xtask hub-render roman --env prod --since HEAD~1     what a commit changes, with a summary on top")]
    HubRender(With<{ DRY_RUN | SET }, HubRender>),
    /// Lock the chart that hubs are deployed from
    #[command(subcommand)]
    HubChart(HubChartCommand),
    /// Deploy the hub of a mission to Kubernetes, and look whether it works
    ///
    /// Checks the release first, shows what changes, and asks. While Helm runs, pods are watched; an
    /// upgrade that fails is rolled back where that is safe. docs/hub.md shows all steps.
    #[command(after_help = "\
Examples:
  cargo xtask hub-deploy roman --env staging
  cargo xtask -n hub-deploy roman --env prod          what would be checked, changed and run
  cargo xtask hub-deploy roman --env prod --from staging --yes
  cargo xtask hub-deploy --all --env staging --env prod --yes --json")]
    HubDeploy(With<{ DRY_RUN | JSON | SET }, HubDeploy>),
    /// Run JupyterHub on this machine, with the tested images of missions, until Ctrl-C
    ///
    /// Reads the values of the environment `local` of each mission. Homes are docker volumes, one for each
    /// mission and user, and stay. docs/hub.md shows all steps.
    #[command(after_help = "\
Examples:
  cargo xtask hub-up                     all missions that have a tested image
  cargo xtask hub-up hello --detach      return when the hub answers
  cargo xtask hub-up roman --dev         with the scripts and environments of the working tree")]
    HubUp(With<{ DRY_RUN | VERBOSE | SET | MODE }, HubUp>),
    /// Stop the hub on this machine and all its servers; homes stay
    #[command(after_help = "\
Examples:
  cargo xtask hub-down
  cargo xtask hub-down --volumes         also remove the homes of all users")]
    HubDown(With<{ DRY_RUN | SET }, HubDown>),
    /// Print what a hub runs: the one on this machine, or a deployed one with its release and record
    ///
    /// Exit status 1 if the hub does not answer.
    #[command(after_help = "\
Examples:
  cargo xtask hub-status
  cargo xtask hub-status --password               for any user name
  cargo xtask hub-status roman --env prod         what runs since when, from which commit, and who uses it
  cargo xtask hub-status roman --env prod --drift")]
    HubStatus(With<{ JSON | SET }, HubStatus>),
    /// Print the revisions of a deployed hub, with the record of each
    #[command(after_help = "Example: cargo xtask hub-history roman --env prod")]
    HubHistory(With<{ JSON | SET }, DeployedHub>),
    /// Bring an earlier revision of a deployed hub back, or unlock a release whose Helm was killed
    ///
    /// Checks that the images are still in the registry and that the hub can open its database, shows what
    /// changes, and asks. A rollback brings back manifests and values; databases, users' volumes and what
    /// hooks made stay as they are.
    #[command(after_help = "\
Examples:
  cargo xtask hub-rollback roman --env prod           the last revision that worked
  cargo xtask -n hub-rollback roman 7 --env prod      what would be checked and run
  cargo xtask hub-rollback roman 7 --env prod --restore-db jupyterhub.sqlite.xtask-20261122T110000Z
  cargo xtask hub-rollback roman --env prod --unlock")]
    HubRollback(With<{ DRY_RUN | SET }, HubRollback>),
    /// Print what the hub on this machine logs
    HubLogs(With<{ SET }, HubLogs>),
    /// Log in to the hub on this machine, start a server, and run a cell in every kernel
    ///
    /// Also checks that a file in the home is there after a restart of the server. The user of the test and
    /// its home are removed.
    #[command(after_help = "\
Examples:
  cargo xtask hub-smoke                  each mission of the hub
  cargo xtask hub-smoke hello --json")]
    HubSmoke(With<{ DRY_RUN | JSON | SET }, HubSmoke>),
    /// Run all checks that need no engine; the pre-commit hook
    #[command(after_help = crate::check::help())]
    Check(With<{ DRY_RUN | JSON | SET }, Check>),
    /// Print the missions whose images have other inputs than in an earlier commit, for a matrix of CI
    ///
    /// A change of the common image or the base changes all missions; removed missions are left out. With
    /// --json, the result is one line: `{"mission":["hello"]}`.
    #[command(after_help = "Example: cargo xtask ci-matrix --since origin/main --json")]
    CiMatrix(With<{ JSON | SET | MODE }, CiMatrix>),
    /// Print each setting, its value and its origin
    Config(With<{ JSON | SET | MODE }, Missions>),
    /// Print the missions and their environments
    List(With<{ JSON | SET }, NoArgs>),
    /// Write the files of a new mission that builds and passes its tests
    #[command(after_help = "\
Examples:
  cargo xtask mission-new euclid                     with one environment, `euclid`
  cargo xtask mission-new euclid --env nisp --env vis")]
    MissionNew(With<{ DRY_RUN | SET }, MissionNew>),
    /// Print a shell completion script for tasks, flags, missions and environments
    #[command(after_help = "\
Examples:
  source <(cargo xtask completion bash)      in ~/.bashrc, and likewise in ~/.zshrc
  cargo xtask completion fish | source       in ~/.config/fish/config.fish")]
    Completion { shell: Shell },
    /// Print candidates for the word at INDEX; called by the script that `completion` prints
    #[command(hide = true)]
    Complete(Complete),
    /// Run the benchmarks, and compare with their budgets
    ///
    /// Without a flag, the figures of everyday work. A flag asks for its own figures alone; --cold adds to them.
    #[command(after_help = "\
Examples:
  cargo xtask bench             everyday work
  cargo xtask bench --compare   image-all beside docker's own commands")]
    Bench(With<{ DRY_RUN | JSON }, Bench>),
    /// Run every check and test of this repository
    ///
    /// As root on Linux, the run starts an engine of its own, a dockerd in a network namespace, and
    /// removes it at the end. Otherwise the run prints the reason and uses this machine's engine.
    ///
    /// With --cluster, hubs are deployed to a cluster: REGISTRY names a registry that this machine and
    /// the nodes reach without a password. CLUSTER_CHART is an archive of a chart, or `<repository> <name>
    /// <version>`; without it, a small chart of the tests is deployed. CLUSTER_KEEP=1 keeps the namespaces.
    #[command(after_help = "\
Examples:
  cargo xtask ci --keep                  keep images and the builder's cache for the next run with --keep
  cargo xtask ci --only 'script tests'   run one step
  cargo xtask ci --cluster               deploy hubs to the cluster that KUBECONFIG names")]
    Ci(With<{ DRY_RUN | VERBOSE | SET }, Ci>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum HubChartCommand {
    /// Lock a version of the chart by the SHA-256 of its archive, and extract its schema and defaults
    #[command(after_help = "\
Examples:
  cargo xtask hub-chart update           the newest release
  cargo xtask hub-chart update 4.4.0     this version")]
    Update(With<{ DRY_RUN | SET }, HubChart>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Verify the receipt stored beside an image in the registry, and print it
    ///
    /// The digest has to match the bytes of the manifest; the receipt has to match the image's config
    /// and platform, be complete, and hold passed tests only. The author of a receipt is not verified:
    /// everybody with write access to the registry can write receipts.
    #[command(after_help = "\
Examples:
  cargo xtask receipt show quay.io/us/hello@sha256:…
  cargo xtask receipt show hello@sha256:…       an image in REGISTRY")]
    Show(With<{ DRY_RUN | JSON | SET }, ReceiptShow>),
    /// Make one receipt of those that the parts of an image's tests left on several machines
    ///
    /// All parts must be about one image, platform, list of tests, settings and data. A part that is
    /// missing, is there twice or belongs to something else is refused with status 2. The status is 1 if
    /// a test failed.
    #[command(after_help = "\
Example: cargo xtask receipt merge target/xtask/shards/hello/*.json && cargo xtask image-push hello")]
    Merge(With<{ DRY_RUN | JSON | SET }, ReceiptMerge>),
}

impl Task {
    /// Returns the setting that a flag of the task means, as `--set` takes it.
    pub(crate) fn mode(&self) -> Option<&'static str> {
        match self {
            Task::Freeze(args) => args.own.mode(),
            Task::Relock(_) => Some("USE_FROZEN=0"),
            _ => self.common().1.mode,
        }
    }

    /// Returns the common flags that the task honours, and their values.
    fn common(&self) -> (u8, &Given) {
        match self {
            Task::Quickstart(it) => it.common(),
            Task::Doctor(it) => it.common(),
            Task::ImageUpdate(it) => it.common(),
            Task::ImageBase(it) => it.common(),
            Task::ImageBuild(it) => it.common(),
            Task::ImageTest(it) => it.common(),
            Task::Try(it) => it.common(),
            Task::ImagePush(it) => it.common(),
            Task::Report(it) => it.common(),
            Task::ImageAll(it) => it.common(),
            Task::ImageExec(it) => it.common(),
            Task::ImageSh(it) => it.common(),
            Task::ImageLab(it) => it.common(),
            Task::Explain(it) => it.common(),
            Task::Freeze(it) => it.common(),
            Task::Outdated(it) => it.common(),
            Task::Relock(it) => it.common(),
            Task::Why(it) => it.common(),
            Task::When(it) => it.common(),
            Task::Diff(it) => it.common(),
            Task::SecretsClone(it) => it.common(),
            Task::SecretsInit(it) => it.common(),
            Task::SecretsEdit(it) => it.common(),
            Task::SecretsCat(it) => it.common(),
            Task::SecretsSet(it) => it.common(),
            Task::SecretsDiff(it) => it.common(),
            Task::SecretsStatus(it) => it.common(),
            Task::SecretsPush(it) => it.common(),
            Task::HubValues(it) => it.common(),
            Task::HubRender(it) => it.common(),
            Task::HubChart(HubChartCommand::Update(it)) => it.common(),
            Task::HubDeploy(it) => it.common(),
            Task::HubUp(it) => it.common(),
            Task::HubDown(it) => it.common(),
            Task::HubStatus(it) => it.common(),
            Task::HubHistory(it) => it.common(),
            Task::HubRollback(it) => it.common(),
            Task::HubLogs(it) => it.common(),
            Task::HubSmoke(it) => it.common(),
            Task::Check(it) => it.common(),
            Task::CiMatrix(it) => it.common(),
            Task::Config(it) => it.common(),
            Task::List(it) => it.common(),
            Task::MissionNew(it) => it.common(),
            Task::Bench(it) => it.common(),
            Task::Ci(it) => it.common(),
            Task::Receipt(ReceiptCommand::Show(it)) => it.common(),
            Task::Receipt(ReceiptCommand::Merge(it)) => it.common(),
            Task::ImageList(it) => it.common(),
            Task::ImagePrune(it) => it.common(),
            Task::ImageDiff(it) => it.common(),
            Task::Completion { .. } | Task::Complete(_) => (0, &NOT_GIVEN),
        }
    }
}

static NOT_GIVEN: Given =
    Given { dry_run: false, json: false, verbose: false, set: Vec::new(), mode: None };

/// Runs the task and gives the exit status.
pub(crate) fn run(cli: &Cli, permit: Option<Permit>) -> anyhow::Result<u8> {
    // These need no checkout.
    match &cli.task {
        Task::Completion { shell } => return Ok(machine::completion::script(*shell)),
        Task::Complete(args) => return machine::completion::candidates(args, Cli::command()),
        _ => (),
    }
    permit.map_or(Ok(()), memory_folder::sweep)?;
    let (json, verbose) = (cli.json, cli.verbose);
    let set = cli.set.iter().cloned().chain(cli.task.mode().map(str::to_owned)).collect();
    let session = Session::read(Flags { json, verbose, set }, permit).map_err(failure::request)?;
    start(&session, &cli.task)
}

fn start(session: &Session, task: &Task) -> anyhow::Result<u8> {
    match task {
        Task::Quickstart(_) => machine::quickstart::run(session),
        Task::Doctor(args) => machine::doctor::run(session, &args.own),
        Task::ImageUpdate(args) => images::update::run(session, &args.own),
        Task::ImageBase(_) => images::base::run(session),
        Task::ImageBuild(args) => images::build::run(session, &args.own),
        Task::ImageTest(args) => images::test::run(session, &args.own),
        Task::Try(args) => images::r#try::run(session, &args.own),
        Task::ImagePush(args) => match &args.own.promote {
            Some(tag) => images::promote::run(session, &args.own, tag),
            None => images::push::run(session, &args.own),
        },
        Task::Report(args) => images::report::run(session, &args.own),
        Task::Receipt(ReceiptCommand::Show(args)) => images::receipt::run(session, &args.own),
        Task::Receipt(ReceiptCommand::Merge(args)) => images::merge::run(session, &args.own),
        Task::ImageList(args) => images::list::list(session, &args.own),
        Task::ImageDiff(args) => images::list::diff(session, &args.own),
        Task::ImagePrune(args) => images::prune::run(session, &args.own),
        Task::ImageAll(args) => images::all::run(session, &args.own),
        Task::ImageExec(args) => {
            let ImageExec { mission, dev, command } = &args.own;
            images::exec::run(session, mission.as_deref(), *dev, command)
        }
        Task::ImageSh(args) => images::exec::shell(session, &args.own),
        Task::ImageLab(args) => images::lab::run(session, &args.own),
        Task::Explain(missions) => images::explain::run(session, &missions.own),
        Task::Freeze(args) => packages::freeze::run(session, &args.own),
        Task::Outdated(args) => packages::outdated::run(session, &args.own),
        Task::Relock(args) => packages::relock::run(session, &args.own),
        Task::Why(args) => packages::why::run(session, &args.own),
        Task::When(args) => packages::when::run(session, &args.own),
        Task::Diff(args) => packages::diff::run(session, &args.own),
        Task::SecretsClone(of) => secrets::clone::run(session, of.own.mission.as_deref()),
        Task::SecretsInit(args) => secrets::init::run(session, &args.own),
        Task::SecretsEdit(args) => secrets::edit::run(session, &args.own),
        Task::SecretsCat(args) => secrets::cat::run(session, &args.own),
        Task::SecretsSet(args) => secrets::set::run(session, &args.own),
        Task::SecretsDiff(args) => secrets::diff::run(session, &args.own),
        Task::SecretsStatus(of) => secrets::status::run(session, &of.own),
        Task::SecretsPush(of) => secrets::push::run(session, &of.own),
        Task::HubChart(HubChartCommand::Update(args)) => hubs::chart::update(session, &args.own),
        Task::HubRender(args) => hubs::render::run(session, &args.own),
        Task::HubValues(args) => hubs::values::run(session, &args.own),
        Task::HubDeploy(args) => hubs::deploy::run(session, &args.own),
        Task::HubUp(args) => hubs::up::run(session, &args.own),
        Task::HubDown(args) => hubs::down::run(session, &args.own),
        Task::HubStatus(args) => hubs::status::run(session, &args.own),
        Task::HubHistory(args) => hubs::history::run(session, &args.own),
        Task::HubRollback(args) => hubs::rollback::run(session, &args.own),
        Task::HubLogs(args) => hubs::logs::run(session, &args.own),
        Task::HubSmoke(args) => hubs::smoke::run(session, &args.own),
        Task::Check(args) => repository::check::run(session, &args.own),
        Task::CiMatrix(args) => repository::ci_matrix::run(session, &args.own),
        Task::Config(missions) => repository::config::run(session, &missions.own),
        Task::List(_) => repository::list::run(session),
        Task::MissionNew(args) => repository::mission_new::run(session, &args.own),
        Task::Completion { .. } | Task::Complete(_) => Ok(0),
        Task::Bench(args) => machine::bench::run(session, &args.own),
        Task::Ci(args) => machine::ci::run(session, &args.own),
    }
}

#[cfg(test)]
mod tests;
