//! `docker build`: makes an image from the Dockerfile's and the context's bytes, with the tests in
//! the context.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    Result, builder, refuse,
    state::{Store, Test, sha256},
    unknown,
};

#[derive(Default)]
struct Build<'a> {
    builder: &'a str,
    parent: Option<&'a str>,
    store: Option<&'a str>,
    labels: Vec<&'a str>,
    args: Vec<&'a str>,
    secrets: Vec<&'a str>,
    tags: Vec<&'a str>,
    no_cache: bool,
    iidfile: Option<&'a str>,
    file: Option<&'a str>,
    context: Option<&'a Path>,
}

pub(crate) fn build(store: &Store, args: &[&str]) -> Result {
    let Some(build) = parse(args) else { return unknown(store, &[&["build"], args].concat()) };
    let Some(context) = build.context else { return refuse(1, "requires 1 argument") };
    let file = build.file.map_or_else(|| context.join("Dockerfile"), PathBuf::from);
    let mut bytes = fs::read(&file)?;
    if !["", "default", "layers"].contains(&build.builder) {
        return refuse(1, format!("ERROR: no builder \"{}\" found", build.builder));
    }
    let layout = build.parent.map(builder::parent).transpose()?;
    if build.builder == "layers" && layout.is_none() && bytes.starts_with(b"ARG") {
        return refuse(1, "ERROR: failed to solve: pull access denied");
    }
    let mut paths = Vec::new();
    walk(context, &mut paths)?;
    for path in &paths {
        // Equal contexts in other places produce equal images.
        let name = path.strip_prefix(context).unwrap_or(path);
        bytes.extend(name.to_string_lossy().bytes());
        bytes.extend(fs::read(path)?);
    }
    for text in build.args.iter().chain(&build.labels) {
        bytes.extend(text.bytes());
    }
    for secret in &build.secrets {
        keep_secret(store, secret)?;
    }
    show_steps(&String::from_utf8_lossy(&fs::read(&file)?));
    // As buildx does without the variables that it knows.
    if build
        .store
        .is_some_and(|it| !it.starts_with("type=gha") || env::var("ACTIONS_CACHE_URL").is_ok())
    {
        eprintln!("#98 exporting cache");
    }
    let tests = paths.iter().filter_map(|it| it.strip_prefix(context).ok());
    let mut tests: Vec<Test> = tests.flat_map(|it| tests_in(context, it)).collect();
    let id = store.change(|state| {
        // Files of the image below stay.
        let named = build.args.iter().find_map(|it| it.strip_prefix("BASE_IMAGE="));
        let parent = layout.as_deref().or(named);
        if let (true, Some(parent)) = (tests.is_empty(), parent) {
            tests.extend(state.image(parent).iter().flat_map(|it| it.tests.clone()));
        }
        if build.no_cache {
            bytes.extend(state.new_id().bytes());
        }
        let id = sha256(&bytes);
        state.add(&id, &build.labels, std::mem::take(&mut tests))?;
        build.tags.iter().try_for_each(|it| state.tag(&id, it))?;
        let receipt = fs::read_to_string(context.join("receipt.json")).ok();
        state.images.iter_mut().filter(|it| it.id == id).for_each(|it| {
            it.receipt.clone_from(&receipt);
        });
        Ok(id)
    })?;
    if let Some(path) = build.iidfile {
        fs::write(path, id)?;
    }
    Ok(())
}

/// Returns `None` for a flag that this tool does not use.
fn parse<'a>(args: &[&'a str]) -> Option<Build<'a>> {
    let mut res = Build::default();
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        match arg {
            "--load" | "--provenance=false" | "--sbom=false" | "--quiet" => (),
            "--no-cache" => res.no_cache = true,
            "--builder" => res.builder = args.next()?,
            "--build-context" => res.parent = Some(args.next()?),
            "--cache-from" => drop(args.next()?),
            "--cache-to" if res.builder == "layers" => res.store = Some(args.next()?),
            "--progress" if args.next()? == "plain" => (),
            "--platform" if args.next()? == "linux/amd64" => (),
            "--network" => drop(args.next()?),
            "--label" => res.labels.push(args.next()?),
            "--build-arg" => res.args.push(args.next()?),
            "--secret" => res.secrets.push(args.next()?),
            "--tag" => res.tags.push(args.next()?),
            "--iidfile" => res.iidfile = Some(args.next()?),
            "--file" => res.file = Some(args.next()?),
            it if it.starts_with('-') || res.context.is_some() => return None,
            it => res.context = Some(Path::new(it)),
        }
    }
    Some(res)
}

fn walk(dir: &Path, res: &mut Vec<PathBuf>) -> Result {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, res)?;
        } else {
            res.push(path);
        }
    }
    Ok(())
}

/// Reads a secret like docker, and keeps it for the test.
fn keep_secret(store: &Store, secret: &str) -> Result {
    let parts = secret.split_once(',');
    let Some((Some(id), from)) = parts.map(|(id, from)| (id.strip_prefix("id="), from)) else {
        return refuse(1, format!("invalid secret: {secret}"));
    };
    let bytes = match from.split_once('=') {
        Some(("src", path)) => fs::read(path)?,
        Some(("env", name)) => match env::var(name) {
            Ok(text) => text.into_bytes(),
            Err(_) => return refuse(1, format!("secret {id}: {name} is not set")),
        },
        _ => return refuse(1, format!("invalid secret: {secret}")),
    };
    fs::write(store.dir.join(format!("secret-{id}")), bytes)?;
    Ok(())
}

/// Prints a short form of `--progress plain`.
fn show_steps(dockerfile: &str) {
    eprintln!("#1 [internal] load build definition from Dockerfile");
    let steps = dockerfile.lines().filter(|it| it.starts_with("RUN ") || it.starts_with("COPY "));
    for (idx, step) in steps.enumerate() {
        eprintln!("#{} [stage-0 {}/9] {step}", idx + 2, idx + 1);
    }
    eprintln!("#99 exporting to image");
}

/// Returns the tests of a file in a mission's context.
fn tests_in(context: &Path, path: &Path) -> Vec<Test> {
    let parts: Vec<&str> = path.iter().filter_map(|it| it.to_str()).collect();
    let (environment, rest) = match parts.as_slice() {
        ["environments", environment, "tests", rest @ ..] => (environment, rest),
        _ => return Vec::new(),
    };
    let test = |kind: &str, name: &str| Test {
        environment: (*environment).to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    match rest {
        ["imports"] => {
            let text = fs::read_to_string(context.join(path)).unwrap_or_default();
            let imports = text.lines().map(|it| test("import", it));
            [test("consistency", "pip check")].into_iter().chain(imports).collect()
        }
        // Only the line of new missions is known in lists.
        ["notebooks"] => {
            let text = fs::read_to_string(context.join(path)).unwrap_or_default();
            let home = fs::read_dir(context.join("default-home-contents")).ok();
            let home = home.filter(|_| text.contains("/opt/default-home-contents/*.ipynb"));
            let names = home.into_iter().flatten().flatten().map(|it| it.file_name());
            let names = names.filter_map(|it| it.into_string().ok());
            let notebooks = names.filter(|it| it.ends_with(".ipynb"));
            notebooks
                .map(|it| test("notebook", &format!("/opt/default-home-contents/{it}")))
                .collect()
        }
        [.., last] if last.ends_with(".ipynb") => vec![test("notebook", &rest.join("/"))],
        _ => Vec::new(),
    }
}
