//! Stand-in for the docker CLI in the command tests. It answers like docker for the command lines
//! that `cargo xtask` uses, and refuses all others, so that a new one is noticed.
//!
//! The folder named by `STAND_IN` has the state of the engine and the registry (`state.json`), the
//! calls (`calls`), the planned failures (`flaws.json`, `failing`), and the refused command lines
//! (`unknown`). A file `<program>.kind` beside the program sets how it builds, the variable
//! `STAND_IN_DRIVER` its storage driver. A folder `faults` in it makes this program a wrapper of
//! any other one, too (`fault`).

#![expect(clippy::disallowed_methods, reason = "a test's program, not a part of the product")]

mod plan;
mod fault;
mod state;
mod build;
mod builder;
mod run;
mod registry;

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::state::{State, Store, without_tag};

/// Reason why a command failed, in docker's words.
pub(crate) struct Refused {
    status: u8,
    text: String,
}

pub(crate) type Result<T = ()> = std::result::Result<T, Refused>;

pub(crate) fn refuse<T>(status: u8, text: impl Into<String>) -> Result<T> {
    Err(Refused { status, text: text.into() })
}

impl From<std::io::Error> for Refused {
    fn from(err: std::io::Error) -> Refused {
        Refused { status: 1, text: err.to_string() }
    }
}

/// A planned failure.
#[derive(Debug, Clone, Deserialize)]
struct Flaw {
    /// Part of the command line, its arguments joined by spaces.
    on: String,
    /// Exit status; the work is not done then, unless `after` is set.
    status: Option<u8>,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
    #[serde(default)]
    after: bool,
    /// Number of times; always without it.
    times: Option<usize>,
    /// Wait, after the work, until a file `go` exists.
    #[serde(default)]
    hold: bool,
}

#[derive(Serialize)]
struct Call<'a> {
    argv: &'a [String],
    dir: PathBuf,
    /// Names of variables for docker.
    env: Vec<String>,
}

/// How a CLI runs `BuildKit`, if it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Buildx,
    BuiltIn,
    Neither,
}

fn main() -> ExitCode {
    let argv: Vec<String> = env::args().collect();
    let store = Store { dir: PathBuf::from(env::var_os("STAND_IN").unwrap_or_default()) };
    if let Some(status) = fault::layer(&store.dir, &argv) {
        return status;
    }
    match answer(&store, &argv) {
        Ok(status) => ExitCode::from(status),
        Err(refused) => {
            eprintln!("{}", refused.text);
            ExitCode::from(refused.status)
        }
    }
}

fn answer(store: &Store, argv: &[String]) -> Result<u8> {
    record(store, argv)?;
    let line = argv[1..].join(" ");
    let is_due = |it: &Flaw| it.times.is_none_or(|times| calls_with(store, &it.on) <= times);
    let flaw = flaws(store)?.into_iter().find(|it| line.contains(&it.on) && is_due(it));
    if let Some(flaw) = &flaw {
        print!("{}", flaw.stdout);
        eprint!("{}", flaw.stderr);
        if let Some(status) = flaw.status.filter(|_| !flaw.after) {
            return Ok(status);
        }
    }
    let args: Vec<&str> = argv[1..].iter().map(String::as_str).collect();
    let mut status = docker(store, kind(Path::new(&argv[0]))?, &args)?;
    if let Some(flaw) = flaw {
        hold(store, &flaw)?;
        status = flaw.status.unwrap_or(status);
    }
    Ok(status)
}

/// Waits for the test, with a limit: a killed test must not leave a process.
fn hold(store: &Store, flaw: &Flaw) -> Result {
    if !flaw.hold {
        return Ok(());
    }
    let holds = store.dir.join("holds");
    fs::write(&holds, "")?;
    let mut rounds = 0;
    // A test that has ended removes the folder.
    while holds.exists() && !store.dir.join("go").exists() && rounds < 60_000 {
        thread::sleep(Duration::from_millis(10));
        rounds += 1;
    }
    Ok(())
}

fn record(store: &Store, argv: &[String]) -> Result {
    let is_ours = |name: &String| {
        let lower = name.to_lowercase();
        name.starts_with("DOCKER_") || name.starts_with("IMAGE_BUILD_") || lower.ends_with("_proxy")
    };
    let mut names: Vec<String> = env::vars().map(|(name, _)| name).filter(is_ours).collect();
    names.sort();
    let call = Call { argv, dir: env::current_dir()?, env: names };
    let mut line = serde_json::to_string(&call).unwrap_or_default();
    line.push('\n');
    let mut file = File::options().create(true).append(true).open(store.dir.join("calls"))?;
    file.write_all(line.as_bytes())?;
    Ok(())
}

fn flaws(store: &Store) -> Result<Vec<Flaw>> {
    let text = fs::read_to_string(store.dir.join("flaws.json")).unwrap_or("[]".to_owned());
    serde_json::from_str(&text).or_else(|err| refuse(125, format!("flaws.json: {err}")))
}

/// Returns the number of calls with `part` in their command lines, this one included.
fn calls_with(store: &Store, part: &str) -> usize {
    let calls = fs::read_to_string(store.dir.join("calls")).unwrap_or_default();
    let lines = calls.lines().filter_map(|it| serde_json::from_str::<serde_json::Value>(it).ok());
    let words = |it: &serde_json::Value| {
        let argv = it["argv"].as_array().cloned().unwrap_or_default();
        argv.iter().filter_map(|it| it.as_str()).collect::<Vec<_>>().join(" ")
    };
    lines.filter(|it| words(it).contains(part)).count()
}

fn kind(program: &Path) -> Result<Kind> {
    match fs::read_to_string(program.with_extension("kind"))?.trim() {
        "buildx" => Ok(Kind::Buildx),
        "built-in" => Ok(Kind::BuiltIn),
        "neither" => Ok(Kind::Neither),
        other => refuse(125, format!("no kind of docker: {other}")),
    }
}

fn docker(store: &Store, kind: Kind, args: &[&str]) -> Result<u8> {
    match args {
        ["--version"] => {
            let version = if kind == Kind::BuiltIn { "20.10.24+dfsg1" } else { "28.2.0" };
            println!("Docker version {version}, build 297e128");
        }
        ["buildx", "version"] if kind == Kind::Buildx => println!("github.com/docker/buildx 0.13"),
        ["buildx", "version"] => return refuse(1, "docker: 'buildx' is not a docker command."),
        ["buildx", "inspect", name] if kind == Kind::Buildx => builder::inspect(name)?,
        ["buildx", "ls"] if kind == Kind::Buildx => builder::list(),
        ["context", "show"] => println!("default"),
        ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"] => {
            let host = env::var("DOCKER_HOST");
            println!("{}", host.as_deref().unwrap_or("unix:///var/run/docker.sock"));
        }
        ["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"] => println!("linux/amd64"),
        ["info", "--format", "{{.DockerRootDir}}"] => println!("/on/another/machine"),
        ["info", "--format", "{{.MemTotal}}"] => println!("16000000000"),
        ["info", "--format", "{{.Driver}}"] => {
            println!("{}", env::var("STAND_IN_DRIVER").unwrap_or_else(|_| "overlay2".to_owned()));
        }
        ["info", "--format", "{{.SystemTime}}"] => {
            println!("{}", humantime::format_rfc3339_nanos(std::time::SystemTime::now()));
        }
        ["buildx", "build", rest @ ..] if kind == Kind::Buildx => build::build(store, rest)?,
        ["build", rest @ ..] if kind == Kind::BuiltIn && has_buildkit() => {
            build::build(store, rest)?;
        }
        ["build", ..] => return refuse(1, "the --mount option requires BuildKit"),
        ["run", rest @ ..] => return run::run(store, rest),
        ["create", rest @ ..] => run::create(store, rest)?,
        ["start", "--attach", id] => return run::attach(store, id),
        ["volume", rest @ ..] => run::volume(store, rest)?,
        ["network", rest @ ..] => run::network(store, rest)?,
        ["image", rest @ ..] => image(store, rest)?,
        ["import", "--platform", "linux/amd64", changes @ .., "-"] => import(store, changes)?,
        ["cp", from, to] => run::copy(store, from, to)?,
        ["rm", "--force", "--volumes", id] => run::remove(store, id)?,
        ["container", rest @ ..] => run::container(store, rest)?,
        ["manifest", "inspect", "--verbose", rest @ ..] => registry::inspect(store, rest)?,
        ["pull", "--platform", "linux/amd64", reference] | ["pull", reference] => {
            registry::pull(store, reference)?;
        }
        _ => return unknown(store, args),
    }
    Ok(0)
}

fn has_buildkit() -> bool {
    env::var("DOCKER_BUILDKIT").is_ok_and(|it| it == "1")
}

/// Refuses a command line, and records it for the test.
pub(crate) fn unknown<T>(store: &Store, args: &[&str]) -> Result<T> {
    let line = args.join(" ");
    let mut file = File::options().create(true).append(true).open(store.dir.join("unknown"))?;
    writeln!(file, "{line}")?;
    refuse(125, format!("the stand-in does not know: docker {line}"))
}

fn image(store: &Store, args: &[&str]) -> Result {
    match args {
        ["ls", "--quiet", "--no-trunc", "--filter", "reference=science-platform/*"] => {
            let is_ours = |tag: &String| tag.starts_with("science-platform/");
            let state = store.read()?;
            let ours = state.images.iter().flat_map(|it| {
                let tags = it.tags.iter().filter(|tag| is_ours(tag));
                tags.map(|_| it.id.as_str())
            });
            ours.for_each(|id| println!("{id}"));
        }
        ["ls", "--quiet", "--no-trunc", "--filter", filter] if filter.starts_with("label=") => {
            let label = filter.strip_prefix("label=").and_then(|it| it.split_once('='));
            let has = |it: &&state::Image| {
                label.is_some_and(|(name, value)| it.labels.get(name).is_some_and(|it| it == value))
            };
            store.read()?.images.iter().filter(has).for_each(|it| println!("{}", it.id));
        }
        ["rm", "--force", id] => store.change(|state| {
            state.images.retain(|it| it.id != *id);
            Ok(())
        })?,
        ["inspect", names @ ..] => inspect(&store.read()?, names)?,
        ["tag", name, tag] => store.change(|state| state.tag(name, tag))?,
        ["rm", tag] => store.change(|state| {
            state.image(tag)?;
            let digest = without_tag(tag);
            for it in &mut state.images {
                it.tags.retain(|it| it != tag);
                it.repo_digest.take_if(|it| *it == digest);
            }
            Ok(())
        })?,
        ["save", id] => builder::save(&store.read()?, id)?,
        ["push", reference] => registry::push(store, reference)?,
        _ => return unknown(store, &[&["image"], args].concat()),
    }
    Ok(())
}

fn inspect(state: &State, names: &[&str]) -> Result {
    let images = names.iter().map(|it| Ok(state.image(it)?.to_json()));
    let images = images.collect::<Result<Vec<_>>>()?;
    println!("{}", serde_json::Value::from(images));
    Ok(())
}

fn import(store: &Store, changes: &[&str]) -> Result {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    // The output of the tests' script replaces a tar, which has an end.
    if !bytes.starts_with(b"a root file system") || !bytes.ends_with(b"\n") {
        return refuse(1, "Error response from daemon: unexpected EOF");
    }
    let mut labels = Vec::new();
    for pair in changes.chunks(2) {
        match pair {
            ["--change", change] if change.starts_with("LABEL ") => labels.push(&change[6..]),
            _ => return unknown(store, &[&["import"], changes].concat()),
        }
    }
    let mut text = String::new();
    let _ = write!(text, "{bytes:?}{labels:?}");
    let id = state::sha256(text.as_bytes());
    store.change(|state| state.add(&id, &labels, Vec::new()))?;
    println!("{id}");
    Ok(())
}
