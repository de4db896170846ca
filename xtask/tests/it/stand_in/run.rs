//! `docker run`, and what happens to containers afterwards.

use std::{collections::BTreeSet, env, fs, path::Path};

use serde_json::json;

use crate::{
    Result, refuse,
    state::{Container, Image, State, Store, Test, Volume},
    unknown,
};

#[derive(Default)]
struct Run<'a> {
    name: &'a str,
    network: &'a str,
    env: Vec<String>,
    labels: Vec<String>,
    cidfile: Option<&'a str>,
    entrypoint: Option<&'a str>,
    publish: Option<&'a str>,
    detach: bool,
    rm: bool,
    image: &'a str,
    command: Vec<&'a str>,
}

pub(crate) fn run(store: &Store, args: &[&str]) -> Result<u8> {
    let Some(run) = parse(args) else { return unknown(store, &[&["run"], args].concat()) };
    if let Some(path) = run.cidfile
        && Path::new(path).exists()
    {
        return refuse(125, format!("docker: container ID file found: {path}"));
    }
    let state = store.read()?;
    if !run.name.is_empty() && state.containers.iter().any(|it| it.name == run.name) {
        let text = format!(
            "docker: Error response from daemon: Conflict. The container name \"/{}\" is already in use",
            run.name
        );
        return refuse(125, text);
    }
    let is_known = |name: &str| state.networks.iter().any(|it| it.name == name);
    if !["", "none", "host"].contains(&run.network) && !is_known(run.network) {
        return refuse(125, format!("network {} not found", run.network));
    }
    let Ok(image) = state.image(run.image).cloned() else {
        return refuse(125, format!("Unable to find image '{}' locally", run.image));
    };
    let id = make(store, &run)?;
    match (run.entrypoint, run.command.as_slice()) {
        _ if run.detach => println!("{id}"),
        (Some("/opt/common-scripts/env-export"), [environment]) => {
            print!("{}", frozen_spec(&image, environment));
        }
        (Some("dpkg-query"), ["--show", "--showformat", "${Package}=${Version}\\n"]) => {
            println!("bash=5.2");
        }
        (Some(_), _) => return unknown(store, &[&["run"], args].concat()),
        (None, ["exit", status]) => return Ok(status.parse().unwrap_or(125)),
        (None, command) => command.iter().for_each(|it| println!("<{it}>")),
    }
    Ok(0)
}

fn make(store: &Store, run: &Run<'_>) -> Result<String> {
    let id = store.change(|state| Ok(start(state, run)))?;
    if let Some(path) = run.cidfile {
        fs::write(path, &id)?;
    }
    Ok(id)
}

pub(crate) fn create(store: &Store, args: &[&str]) -> Result {
    let Some(run) = parse(args) else { return unknown(store, &[&["create"], args].concat()) };
    let receipt = store.read()?.image(run.image)?.receipt.clone();
    let id = make(store, &run)?;
    println!("{id}");
    store.change(|state| {
        let made = state.containers.iter_mut().filter(|it| it.id == id);
        made.for_each(|it| it.receipt.clone_from(&receipt));
        Ok(())
    })
}

/// Runs `docker start --attach`.
pub(crate) fn attach(store: &Store, id: &str) -> Result<u8> {
    let state = store.read()?;
    let Some(container) = state.containers.iter().find(|it| it.id == id) else {
        return refuse(1, format!("Error: No such container: {id}"));
    };
    let image = state.image(&container.image)?;
    let command: Vec<&str> = container.command.iter().map(String::as_str).collect();
    let part = match command.as_slice() {
        [tester @ .., "mission"] if tester == TESTER => Part::Mission,
        [tester @ .., "prepare", "/tmp/home"] if tester == TESTER => Part::Prepare,
        [tester @ .., "hub"] if tester == TESTER => Part::Hub,
        other => return unknown(store, &[&["start"], other].concat()),
    };
    let plan = container.plan.as_deref().and_then(|it| serde_json::from_str(it).ok());
    let plan: serde_json::Value = plan.unwrap_or_default();
    let mut due = part.tests(image);
    let carried: Vec<String> = serde_json::from_value(plan["carried"].clone()).unwrap_or_default();
    let is_carried = |it: &Test| command.contains(&"mission") && carried.contains(&it.environment);
    due.retain(|it| is_planned(&plan, it) && !is_carried(it));
    tests(store, id, &due)
}

/// Returns whether a plan selects a test, by its list of tests or of those that are left out.
fn is_planned(plan: &serde_json::Value, it: &Test) -> bool {
    let key = json!([it.environment, it.kind, it.name]);
    let list = |name: &str| plan[name].as_array().filter(|it| !it.is_empty());
    list("tests").is_none_or(|it| it.contains(&key))
        && list("without").is_none_or(|it| !it.contains(&key))
}

/// Command line of its first process, before the part that it tests.
const TESTER: [&str; 8] = [
    "-IS",
    "/opt/tester/common-scripts/tester",
    "--plan",
    "/opt/tester/plan.json",
    "--results",
    "/opt/test-results",
    "--scratch",
    "/opt/test-scratch",
];

/// Tests of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Mission,
    Prepare,
    Hub,
}

impl Part {
    fn tests(self, image: &Image) -> Vec<Test> {
        let test = |environment: &str, kind: &str, name: &str| Test {
            environment: environment.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        let list: serde_json::Value = serde_json::from_str(IMAGE_TESTS).expect("JSON");
        let listed = |part: &str| -> Vec<Test> {
            let pairs = list[part].as_array().into_iter().flatten();
            let text = |it: &serde_json::Value| it.as_str().unwrap_or_default().to_owned();
            pairs.map(|it| test("", &text(&it[0]), &text(&it[1]))).collect()
        };
        let environments: BTreeSet<&str> =
            image.tests.iter().map(|it| it.environment.as_str()).collect();
        match self {
            Part::Mission => image.tests.clone(),
            Part::Prepare => listed("prepare"),
            Part::Hub => {
                let kernels = environments.into_iter().map(|it| test(it, "kernel", it));
                let base = list["base_kernel"].as_str().unwrap_or_default();
                kernels.chain([test("base", "kernel", base)]).chain(listed("hub")).collect()
            }
        }
    }
}

/// Tests of every image as a whole, as the tester reads them.
const IMAGE_TESTS: &str = include_str!(
    "../../../../common/image/common-scripts/platform_env/environments/image_tests.json"
);

fn parse<'a>(args: &[&'a str]) -> Option<Run<'a>> {
    let mut res = Run::default();
    let mut args = args.iter().copied();
    loop {
        match args.next()? {
            "--no-healthcheck" | "--interactive" | "--sig-proxy=false" | "--read-only" => (),
            "--rm" => res.rm = true,
            "--detach" => res.detach = true,
            "--label" => res.labels.push(args.next()?.to_owned()),
            "--cidfile" => res.cidfile = Some(args.next()?),
            "--entrypoint" => res.entrypoint = Some(args.next()?),
            "--publish" => res.publish = Some(args.next()?),
            "--name" => res.name = args.next()?,
            "--network" => res.network = args.next()?,
            // Without a value it comes from the CLI's own environment.
            "--env" => {
                let it = args.next()?;
                let value = || Some(format!("{it}={}", env::var(it).ok()?));
                res.env.extend(if it.contains('=') { Some(it.to_owned()) } else { value() });
            }
            "--memory" | "--restart" | "--volume" | "--mount" | "--user" | "--pids-limit"
            | "--security-opt" | "--cap-drop" | "--cap-add" | "--tmpfs" => {
                let _ = args.next()?;
            }
            it if it.starts_with('-') => return None,
            it => {
                res.image = it;
                res.command = args.collect();
                return Some(res);
            }
        }
    }
}

fn start(state: &mut State, run: &Run<'_>) -> String {
    let id = state.new_id();
    if run.rm {
        return id;
    }
    let ports = run.publish.and_then(|it| it.rsplit_once(':'));
    state.containers.push(Container {
        id: id.clone(),
        name: run.name.to_owned(),
        env: run.env.clone(),
        labels: run.labels.clone(),
        ports: ports.map_or_else(String::new, |(host, port)| format!("{host}->{port}/tcp")),
        results: None,
        plan: None,
        receipt: None,
        image: run.image.to_owned(),
        command: run.command.iter().map(|&it| it.to_owned()).collect(),
    });
    id
}

/// Returns the frozen spec that the in-image script would write; another image gets another one.
fn frozen_spec(image: &Image, environment: &str) -> String {
    let hex = image.id.trim_start_matches("sha256:");
    format!(
        "# frozen: 1\n# platform: linux/amd64\n# base: local python-3.13\nname: {environment}\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.13.5\n  - pip:\n    - numpy==2.2.0 --hash=sha256:{hex}\n"
    )
}

/// Runs the image's tests; those named in the file `failing` fail, with the text of `failing-more`.
/// If it names the entry point, that does nothing; if it contains `killed`, the tests of the image
/// as a whole end so.
fn tests(store: &Store, id: &str, tests: &[Test]) -> Result<u8> {
    let failing = fs::read_to_string(store.dir.join("failing")).unwrap_or_default();
    let more = fs::read_to_string(store.dir.join("failing-more")).unwrap_or_default();
    let is_mission = !tests.iter().any(|it| matches!(it.kind.as_str(), "home" | "server"));
    if failing == "/opt/environments/test" && is_mission {
        return Ok(0);
    }
    let mut results = String::new();
    // Like a container without memory after the last result.
    let mut status = if failing == "killed" && !is_mission { 137 } else { 0 };
    for it in tests {
        let is_bad = failing.lines().any(|name| name == it.name);
        let outcome = if is_bad { "failed" } else { "passed" };
        let message = if is_bad { format!("{} is broken{more}", it.name) } else { String::new() };
        status |= u8::from(is_bad);
        println!("{}: {} {outcome}", it.kind, it.name);
        let line = json!({
            "environment": it.environment, "kind": it.kind, "name": it.name,
            "outcome": outcome, "seconds": 0.5, "message": message,
        });
        results += &format!("{line}\n");
    }
    store.change(|state| {
        if let Some(container) = state.containers.iter_mut().find(|it| it.id == id) {
            container.results = Some(results);
            state.tested.push(container.image.clone());
        }
        Ok(())
    })?;
    Ok(status)
}

pub(crate) fn copy(store: &Store, from: &str, to: &str) -> Result {
    if let Some((id, path)) = to.split_once(':') {
        return send(store, from, id, path);
    }
    let state = store.read()?;
    let (id, path) = from.split_once(':').unwrap_or_default();
    let container = state.containers.iter().find(|it| it.id == id);
    let (file, text) = match path {
        "/opt/test-results/." => ("results.jsonl", container.and_then(|it| it.results.as_ref())),
        "/receipt.json" => ("receipt.json", container.and_then(|it| it.receipt.as_ref())),
        _ => return unknown(store, &["cp", from, to]),
    };
    match text {
        Some(text) if to == "-" => {
            let is_hub = |it: &&Container| it.command.last().is_some_and(|it| it == "hub");
            let told = container.filter(is_hub).filter(|_| !is_failing(store, "image.json"));
            let image = told.map(|it| state.image(&it.image)).transpose()?;
            let contents = image.map(contents);
            let contents = contents.iter().map(|it| ("image.json", it.as_str()));
            let is_of_files = |it: &Container| it.command.iter().any(|it| it == "prepare");
            let is_asked = container.is_some_and(is_of_files);
            let digests = fs::read_to_string(store.dir.join("dependencies")).ok();
            let digests = digests.iter().filter(|_| is_asked);
            let name = |it: &str| {
                if it.starts_with('{') { "dependencies.json" } else { "dependencies.txt" }
            };
            let digests = digests.map(|it| (name(it), it.as_str()));
            archive([(file, text.as_str())].into_iter().chain(contents).chain(digests))
        }
        Some(_) => unknown(store, &["cp", from, to]),
        None => refuse(1, format!("Error: No such container:path: {from}")),
    }
}

/// Returns whether the file `failing` contains the name.
fn is_failing(store: &Store, name: &str) -> bool {
    let failing = fs::read_to_string(store.dir.join("failing")).unwrap_or_default();
    failing.lines().any(|it| it == name)
}

/// Returns the contents that an image reports.
fn contents(image: &Image) -> String {
    let names: BTreeSet<&str> = image.tests.iter().map(|it| it.environment.as_str()).collect();
    let names: BTreeSet<&str> = names.into_iter().chain(["base"]).collect();
    let installed = |name: &str| (name.to_owned(), json!({ "python": "3.13.5", "packages": {} }));
    let environments: serde_json::Map<_, _> =
        names.into_iter().filter(|it| !it.is_empty()).map(installed).collect();
    json!({ "jupyterhub": "5.3.0", "environments": environments }).to_string()
}

/// Writes a tar stream of files, like `docker cp … -`.
fn archive<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result {
    let mut archive = tar::Builder::new(std::io::stdout());
    for (file, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, file, text.as_bytes())?;
    }
    Ok(archive.finish()?)
}

/// Copies into a container: the plan of its tests, or an archive, whose bytes are kept.
fn send(store: &Store, from: &str, id: &str, path: &str) -> Result {
    let text = match (from, path) {
        ("-", "/opt/tester" | "/opt/environments") => {
            format!("{} bytes", std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?)
        }
        (_, "/opt/tester/plan.json") => fs::read_to_string(from)?,
        _ => return unknown(store, &["cp", from, path]),
    };
    store.change(|state| {
        if let Some(container) = state.containers.iter_mut().find(|it| it.id == id && from != "-") {
            container.plan = Some(text.clone());
        }
        state.sent.push(text);
        Ok(())
    })
}

pub(crate) fn volume(store: &Store, args: &[&str]) -> Result {
    match args {
        ["create", "--label", role, "--label", run, name] => {
            println!("{name}");
            let labels = vec![(*role).to_owned(), (*run).to_owned()];
            store.change(|state| {
                state.volumes.push(Volume { name: (*name).to_owned(), labels });
                Ok(())
            })
        }
        ["ls", "--quiet", "--filter", filters @ ..] => {
            let volumes = store.read()?.volumes;
            let matching = volumes.iter().filter(|it| has_labels(&it.labels, filters));
            matching.for_each(|it| println!("{}", it.name));
            Ok(())
        }
        ["rm", "--force", name] => store.change(|state| {
            state.volumes.retain(|it| it.name != *name);
            Ok(())
        }),
        _ => unknown(store, &[&["volume"], args].concat()),
    }
}

pub(crate) fn network(store: &Store, args: &[&str]) -> Result {
    match args {
        ["create", "--label", label, name] => store.change(|state| {
            let id = state.new_id();
            let labels = vec![(*label).to_owned(), format!("name={name}")];
            println!("{id}");
            // Identified by its id: names of networks need not be unique.
            state.networks.push(Volume { name: id, labels });
            Ok(())
        }),
        ["ls", "--quiet", "--no-trunc", "--filter", filters @ ..] => {
            let networks = store.read()?.networks;
            let matching = networks.iter().filter(|it| has_labels(&it.labels, filters));
            matching.for_each(|it| println!("{}", it.name));
            Ok(())
        }
        _ => unknown(store, &[&["network"], args].concat()),
    }
}

/// Returns whether all filters of `docker … ls`, with `--filter` between them, match.
fn has_labels(labels: &[String], filters: &[&str]) -> bool {
    filters.iter().filter(|it| **it != "--filter").all(|it| has_label(labels, it))
}

/// Returns whether a filter of `docker … ls` matches one of these labels.
fn has_label(labels: &[String], filter: &str) -> bool {
    filter.strip_prefix("label=").is_some_and(|label| labels.iter().any(|it| it == label))
}

pub(crate) fn remove(store: &Store, id: &str) -> Result {
    store.change(|state| {
        // Like docker, by the start of an id.
        state.containers.retain(|it| !it.id.starts_with(id));
        Ok(())
    })
}

pub(crate) fn container(store: &Store, args: &[&str]) -> Result {
    match args {
        ["ls", "--all", "--quiet", "--no-trunc", "--filter", filters @ ..] => {
            let containers = store.read()?.containers;
            let id = filters[0].strip_prefix("id=");
            let is_it = |it: &&Container| id == Some(&it.id) || has_labels(&it.labels, filters);
            let matching = containers.iter().filter(is_it);
            matching.for_each(|it| println!("{}", it.id));
        }
        ["ls", "--all", "--no-trunc", "--filter", filter, "--format", "{{.ID}}\t{{.Names}}"] => {
            let containers = store.read()?.containers;
            let matching = containers.iter().filter(|it| has_label(&it.labels, filter));
            matching.for_each(|it| println!("{}\t{}", it.id, it.name));
        }
        ["inspect", name] => match store.read()?.containers.iter().find(|it| it.name == *name) {
            Some(it) => println!("[{}]", it.to_json()),
            None => {
                return refuse(1, format!("Error response from daemon: No such container: {name}"));
            }
        },
        ["rm", "--force", id] => remove(store, id)?,
        ["start", id] => store.change(|state| {
            let found = state.containers.iter_mut().find(|it| it.id == *id);
            let Some(found) = found else { return refuse(1, format!("No such container: {id}")) };
            if found.ports.is_empty() {
                "127.0.0.1:5099->5000/tcp".clone_into(&mut found.ports);
            }
            Ok(())
        })?,
        _ => return unknown(store, &[&["container"], args].concat()),
    }
    Ok(())
}
