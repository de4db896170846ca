//! `relock`: solves a mission's lists again, tests the result, and commits the frozen specs to a branch.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::{
    image::{build::BuildPolicy, engine_images::EngineImages, runner::Runner},
    mission::{
        checkout::Mission,
        frozen_environments::{self, title},
    },
    run::{failure, files, printable::Shown as _, process::Permit, terminal, text_file, ui},
    specs::frozen::{self, changes},
    task::{
        Session, args,
        args::Missions,
        shared::images::{self, Push, Request},
    },
    testing::{
        image_test::TestRequest,
        markdown,
        results::{self, Runs},
    },
    tools::git,
};

/// List of Debian packages, in a mission's folder.
const DEBIAN: &str = "packages-debian.txt";

pub(crate) fn run(session: &Session, args: &args::OneMission) -> anyhow::Result<u8> {
    let missions = args.mission.iter().cloned().collect();
    let named = session.named(&Missions { missions, all: false }).map_err(failure::request)?;
    let mission = named[0].mission.clone();
    let _locks = session.lock_missions([&mission.name].into_iter())?;
    let root = &session.checkout.root;
    let runner = session.runner(&named[0].config)?;
    let files = written(session, &mission);
    let relock = Relock {
        session,
        runner: &runner,
        head: clean(root, &branch(&mission)).map_err(failure::request)?,
        old: Contents::read(root, &files)?,
        size: size(&runner, &mission)?,
        mission: &mission,
        files,
    };
    let request = Request {
        missing: BuildPolicy::Refresh,
        test: Some(TestRequest::all(false)),
        push: Push::No,
        parallel: args::Parallel::default(),
    };
    let built = images::run_locked(session, named, &request);
    let Some(permit) = session.permit else {
        session.ui.say(format!("git branch {} <commit>", branch(&mission)));
        return built;
    };
    let status = built.and_then(|status| relock.finish(permit, status));
    relock.restore(permit).with_context(|| {
        format!("the new frozen specs stay\n    fix: git restore missions/{}", mission.name)
    })?;
    status
}

/// A mission whose lists are solved again, and its state before that.
struct Relock<'a> {
    session: &'a Session,
    runner: &'a Runner,
    mission: &'a Mission,
    /// Commit that is checked out.
    head: String,
    /// Files that the build writes, relative to the root.
    files: Vec<PathBuf>,
    old: Contents,
    /// Size of the newest image, bytes.
    size: Option<u64>,
}

impl Relock<'_> {
    /// Writes the summary of a build that ended with `status`, and commits what changed if it is 0.
    fn finish(&self, permit: Permit, status: u8) -> anyhow::Result<u8> {
        let Relock { session, runner, mission, .. } = self;
        let new = Contents::read(&session.checkout.root, &self.files)?;
        let text = summary(runner, mission, self.size, &self.old, &new)?;
        let file = runner.target().join(format!("relock/{}.md", mission.name));
        files::write(permit, &file, text.as_bytes())?;
        terminal::print(&text);
        session.ui.say(match status {
            0 if self.commit(permit)? => {
                let file = session.checkout.relative(&file).shown().to_string();
                format!("committed to {}; summary: {file}", branch(mission))
            }
            0 => format!("{}: nothing changed, no commit", mission.name),
            _ => format!(
                "{}: failed, no commit; the image stays for `image-test --floating`",
                mission.name
            ),
        });
        Ok(status)
    }

    /// Commits the files that differ from the last commit, and returns whether there are any.
    fn commit(&self, permit: Permit) -> anyhow::Result<bool> {
        let root = &self.session.checkout.root;
        let mut changed: Vec<&Path> = Vec::new();
        for file in self.files.iter().filter(|it| root.join(it).is_file()) {
            if git::is_changed(root, file)? {
                changed.push(file);
            }
        }
        if changed.is_empty() {
            return Ok(false);
        }
        let own = files::temporary(permit, None, "relock-", 0o700)?;
        let message = format!("Relock {}", self.mission.name);
        let to = (&*self.head, &*branch(self.mission));
        git::commit_beside(permit, root, to, &changed, &message, own.path())?;
        Ok(true)
    }

    /// Gives the files their former content, on every way out. No program is needed for it, so that it
    /// follows an interruption, too.
    fn restore(&self, permit: Permit) -> anyhow::Result<()> {
        let root = &self.session.checkout.root;
        for file in &self.files {
            let path = root.join(file);
            match self.old.0.get(file) {
                Some(text) => files::write(permit, &path, text.as_bytes()).map(drop)?,
                None if path.is_file() => files::remove(permit, &path)?,
                None => (),
            }
        }
        Ok(())
    }
}

fn branch(mission: &Mission) -> String {
    format!("relock/{}", mission.name)
}

/// Returns the commit of a working tree without changes.
fn clean(root: &Path, branch: &str) -> anyhow::Result<String> {
    let Some(head) = git::state(root)? else {
        bail!("no commit to start from\n    fix: run it in a clone, after a first commit");
    };
    if head.ends_with("-dirty") {
        bail!(
            "files differ from the last commit\n    fix: commit them, or `git stash --include-untracked`"
        );
    }
    if git::branch(root)?.as_deref() == Some(branch) {
        bail!(
            "{branch} is checked out\n    fix: check out the branch that the pull request is for"
        );
    }
    if !git::has_identity(root)? {
        bail!(
            "git has no name for commits\n    fix: git config user.name <name> && git config user.email <address>"
        );
    }
    Ok(head)
}

/// Returns the files that a build writes, relative to the root.
fn written(session: &Session, mission: &Mission) -> Vec<PathBuf> {
    let specs = frozen_environments::of(mission).into_iter().map(|it| it.frozen_spec());
    let all = specs.chain([mission.dir.join(DEBIAN), mission.dockerfile()]);
    all.map(|it| session.checkout.relative(&it).to_owned()).collect()
}

/// Texts of files, by path relative to the root.
struct Contents(BTreeMap<PathBuf, String>);

impl Contents {
    fn read(root: &Path, files: &[PathBuf]) -> anyhow::Result<Contents> {
        let there = files.iter().filter(|it| root.join(it).is_file());
        let texts = there.map(|it| Ok((it.clone(), text_file::read_text(root, it)?)));
        Ok(Contents(texts.collect::<anyhow::Result<_>>()?))
    }
}

/// Returns the size of the mission's newest image on the engine.
fn size(runner: &Runner, mission: &Mission) -> anyhow::Result<Option<u64>> {
    let images = EngineImages::read(&runner.docker)?;
    let own = images.named(&mission.name);
    Ok(own.max_by(|a, b| a.created.cmp(&b.created)).map(|it| it.size))
}

/// Returns the text of a pull request.
fn summary(
    runner: &Runner,
    mission: &Mission,
    size_before: Option<u64>,
    old: &Contents,
    new: &Contents,
) -> anyhow::Result<String> {
    let mut res = format!("## {}\n\n", mission.name);
    match results::last_run(runner, Runs::All, &mission.name) {
        Some(run) => res += &markdown::tests(&run.receipt),
        None => res += "not tested\n",
    }
    let sizes = [size_before, size(runner, mission)?];
    let cells = sizes.map(|it| it.map_or_else(|| "-".to_owned(), ui::megabytes));
    res += &markdown::table(&["image before", "image after"], &[cells.to_vec()]);
    for environment in frozen_environments::of(mission) {
        let path = runner.checkout.relative(&environment.frozen_spec()).to_owned();
        let parse = |it: &Contents| it.0.get(&path).and_then(|it| frozen::parse(&path, it).ok());
        let changes = changes::changes(parse(old).as_ref(), parse(new).as_ref());
        let table = match changes.is_empty() {
            true => "no package changed\n".to_owned(),
            false => changes::markdown(&changes),
        };
        write!(res, "\n### {}\n\n{table}", title(mission, environment))?;
    }
    let path = runner.checkout.relative(&mission.dir.join(DEBIAN)).to_owned();
    let debian = debian(old.0.get(&path), new.0.get(&path));
    if !debian.is_empty() {
        let table = markdown::table(&["package", "before", "after"], &debian);
        write!(res, "\n### Debian\n{table}")?;
    }
    Ok(res)
}

/// Returns the Debian packages that changed, from lists of `name=version`.
fn debian(old: Option<&String>, new: Option<&String>) -> Vec<Vec<String>> {
    let versions = |text: Option<&String>| -> BTreeMap<String, String> {
        let lines = text.into_iter().flat_map(|it| it.lines());
        lines.filter_map(|it| it.split_once('=')).map(|(a, b)| (a.into(), b.into())).collect()
    };
    let (old, new) = (versions(old), versions(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = names.into_iter().filter(|it| old.get(*it) != new.get(*it));
    let version = |of: &BTreeMap<String, String>, name| of.get(name).cloned().unwrap_or_default();
    differs.map(|it| vec![it.clone(), version(&old, it), version(&new, it)]).collect()
}

#[test]
fn changes_of_debian_packages() {
    let (old, new) = ("a=1\nb=1\n".to_owned(), "a=2\nc=1\n".to_owned());
    let rows: Vec<String> = debian(Some(&old), Some(&new)).iter().map(|it| it.join(" ")).collect();
    assert_eq!(rows, ["a 1 2", "b 1 ", "c  1"]);
}
