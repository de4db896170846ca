//! Input of the rules: files that git tracks or would track, files that builds send, and the
//! missions' sources.

use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use fs_err as fs;

use crate::{
    check::{dockerfile, kept::Kept, settings},
    image::build_context::{self, BuildContext, Entry},
    mission::{
        checkout::{Checkout, Mission},
        dockerfile::{
            Model, Sources, Text,
            parse::{self, Dockerfile},
        },
        file_content::Content,
    },
    run::{finding::Finding, private_key, text_file},
    secrets::{plaintext::Named, rules},
    settings::{config::Config, layers},
    tools::git,
};

/// Input of the rules, read before any of them runs.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Files that git tracks or would track, in submodules too, and files that builds send. Sorted.
    pub(crate) files: Vec<File>,
    /// Names in .dockerignore files: the files of the checkout that builds send.
    pub(crate) sent: Vec<PathBuf>,
    /// Submodules that are not checked out.
    pub(crate) empty_submodules: Vec<PathBuf>,
    /// Files in clones of secrets repositories, ignored by their git or not.
    pub(crate) secrets: Vec<File>,
    pub(crate) missions: Vec<MissionFacts>,
    /// Folders with names that are not valid for a mission or environment.
    pub(crate) refused: Vec<Finding>,
    /// What is wrong with the settings.
    pub(crate) settings: Vec<Finding>,
    /// Whether frozen specs are compared with the lists.
    pub(crate) compares_frozen: bool,
}

/// A file of the checkout.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    /// Path relative to the root.
    pub(crate) path: PathBuf,
    pub(crate) executable: bool,
    pub(crate) is_link: bool,
    pub(crate) size: u64,
    /// Whether a build sends the file.
    pub(crate) is_sent: bool,
    /// Whether a build sends the file, and git lacks it.
    pub(crate) is_unknown_to_git: bool,
    /// Text; empty when [`File::unreadable`] is set, and for links.
    pub(crate) text: String,
    /// See [`Content::unreadable`].
    pub(crate) unreadable: Option<Finding>,
    /// Private keys in the file.
    pub(crate) keys: Vec<private_key::PrivateKey>,
}

/// A mission; see [`Sources::custom`] for one that keeps a Dockerfile of its own.
#[derive(Debug)]
pub(crate) struct MissionFacts {
    pub(crate) sources: Sources,
    /// The sources, parsed as far as they can be; `None` for a Dockerfile of its own.
    pub(crate) model: Option<Model>,
    /// Reasons why the sources, or a Dockerfile of its own, cannot be built.
    pub(crate) problems: Vec<Finding>,
    /// Current text of the Dockerfile; `None` when it is missing.
    pub(crate) dockerfile: Option<String>,
    /// Settings; `None` when they are unknown or wrong.
    pub(crate) config: Option<Config>,
}

impl Facts {
    pub(crate) fn read(checkout: &Checkout) -> anyhow::Result<Facts> {
        let mut res = Facts { refused: checkout.refused.clone(), ..Facts::default() };
        let kept = Kept::read(&checkout.root)?;
        let mut sent = BTreeSet::new();
        for (dir, ignore) in folders(checkout, &checkout.missions) {
            let [names, files] =
                BuildContext::names(&checkout.root.join(&dir), &checkout.root.join(ignore))?;
            res.sent.extend(names.iter().map(|it| dir.join(it)));
            sent.extend(files.iter().map(|it| dir.join(it)));
        }
        for path in kept.files.union(&sent) {
            let is_sent = sent.contains(path);
            let is_unknown_to_git = !kept.files.contains(path);
            let file = File::read(&checkout.root, path)?;
            res.files.extend(file.map(|it| File { is_sent, is_unknown_to_git, ..it }));
        }
        res.empty_submodules = kept.empty_submodules;
        let missions = checkout.missions.iter().map(|it| MissionFacts::read(checkout, it));
        res.missions = missions.collect::<anyhow::Result<_>>()?;
        collect(checkout, &checkout.root.join("secrets"), &mut res.secrets)?;
        Ok(res)
    }

    /// Returns the facts with the settings of each mission, and what is wrong with them.
    pub(crate) fn with_settings(mut self, sources: &layers::Sources) -> Facts {
        self.settings = settings::findings(sources, None);
        for mission in &mut self.missions {
            let name = mission.sources.mission.file_name().unwrap_or_default().to_string_lossy();
            match Config::read(sources, Some(&name)) {
                Ok((config, _)) => mission.config = Some(config),
                Err(_) => self.settings.extend(settings::findings(sources, Some(&name))),
            }
        }
        self
    }

    /// Reads the sources of images of missions, with their settings, and of those below all
    /// missions'. `contexts` are the files that builds send, by the folder of each context.
    pub(crate) fn of_build(
        checkout: &Checkout,
        built: &[(&Mission, &Config)],
        contexts: &[(&Path, &BuildContext)],
    ) -> anyhow::Result<Facts> {
        let read = |(mission, config): &(&Mission, &Config)| {
            let config = Some((*config).clone());
            Ok(MissionFacts { config, ..MissionFacts::read(checkout, mission)? })
        };
        let missions = built.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let mut files: Vec<File> = missions.iter().map(MissionFacts::author_part).collect();
        for (dir, context) in contexts {
            let entries = context.entries.iter();
            files.extend(entries.map(|(name, entry)| File::sent(&dir.join(name), entry)));
        }
        // Files that rules of sops cover: the closest `.sops.yaml` upwards counts.
        let above: BTreeSet<PathBuf> =
            files.iter().flat_map(|it| it.path.ancestors().skip(1)).map(Path::to_owned).collect();
        let others = above.iter().map(|it| it.join(rules::FILE));
        let dockerfiles = [build_context::COMMON, build_context::BASE, build_context::REGISTRY];
        for path in others.chain(dockerfiles.map(|it| it.dockerfile.into())) {
            files.extend(File::read(&checkout.root, &path)?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        let empty_submodules = match git::is_checkout(&checkout.root) {
            true => Kept::read(&checkout.root)?.empty_submodules,
            false => Vec::new(),
        };
        let mut sent = Vec::new();
        for (dir, ignore) in folders(checkout, built.iter().map(|it| it.0)) {
            let [names, _] =
                BuildContext::names(&checkout.root.join(&dir), &checkout.root.join(ignore))?;
            sent.extend(names.iter().map(|it| dir.join(it)));
        }
        Ok(Facts { files, sent, empty_submodules, missions, ..Facts::default() })
    }

    /// Returns paths and texts of this repository and of the secrets clones, for rules about
    /// secrets.
    pub(crate) fn named(&self) -> Vec<Named<'_>> {
        let files = self.files.iter().chain(&self.secrets);
        files.map(|it| (it.path.as_path(), it.text.as_str())).collect()
    }

    /// Returns the sources whose steps and calls are all known; rule `dockerfile` reports problems
    /// of the others.
    pub(crate) fn models(&self) -> impl Iterator<Item = (&Sources, &Model)> {
        let models = self.missions.iter().filter_map(|it| Some((&it.sources, it.model.as_ref()?)));
        models.filter(|(_, model)| model.is_whole)
    }

    /// Returns the file `path`, or the files below that folder, without a look at all others.
    pub(crate) fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a File> {
        let first = self.files.partition_point(|it| it.path.as_path() < path);
        self.files[first..].iter().take_while(move |it| it.path.starts_with(path))
    }

    /// Returns whether git has a file `path`, or a folder with files.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.below(path).any(|it| !it.is_unknown_to_git)
    }

    /// Returns the file `path`, if git has it.
    pub(crate) fn file(&self, path: &Path) -> Option<&File> {
        let at = self.files.binary_search_by(|it| it.path.as_path().cmp(path));
        at.ok().map(|it| &self.files[it])
    }

    /// Returns Dockerfiles and parts of them that people write.
    pub(crate) fn dockerfiles(&self) -> impl Iterator<Item = &File> {
        let is_dockerfile = |it: &&File| {
            let name = it.path.file_name().map_or("".into(), |it| it.to_string_lossy());
            name == "Dockerfile" || name.starts_with("Dockerfile.") && !name.ends_with("ignore")
        };
        let generated = self.generated();
        self.files.iter().filter(is_dockerfile).filter(move |it| !generated.contains(&it.path))
    }

    /// Returns the findings of `check` in what can be read of Dockerfiles; rule `dockerfile` reports
    /// the rest.
    pub(crate) fn of_dockerfiles(
        &self,
        check: impl Fn(&Dockerfile) -> Vec<Finding>,
    ) -> Vec<Finding> {
        let parsed = self.dockerfiles().map(|it| parse::read(&it.path, &it.text).0);
        parsed.flat_map(|it| check(&it)).collect()
    }

    /// Returns the generated Dockerfiles.
    pub(crate) fn generated(&self) -> BTreeSet<PathBuf> {
        let missions = self.missions.iter().map(|it| &it.sources);
        let custom = missions.filter(|it| it.custom.is_some());
        custom.map(|it| it.mission.join("Dockerfile")).collect()
    }
}

impl File {
    /// Reads `path`, which is relative to `root`; returns `None` for a tracked file that was
    /// deleted, and for a nested repository.
    fn read(root: &Path, path: &Path) -> anyhow::Result<Option<File>> {
        let Ok(metadata) = fs::symlink_metadata(root.join(path)) else { return Ok(None) };
        if metadata.is_dir() {
            return Ok(None);
        }
        let content = Content::read(root, path)?;
        let executable = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        Ok(Some(File { executable, ..File::of(path, content) }))
    }

    /// Returns a file of a build context, at `path` of the checkout.
    fn sent(path: &Path, entry: &Entry) -> File {
        let file = match entry {
            Entry::File { executable, bytes } => {
                File { executable: *executable, ..File::of(path, Content::of(path, bytes)) }
            }
            Entry::Link { .. } => File { is_link: true, ..File::of(path, Content::default()) },
        };
        File { is_sent: true, ..file }
    }

    pub(super) fn of(path: &Path, content: Content) -> File {
        let Content { size, text, is_link, unreadable, keys } = content;
        let path = path.to_owned();
        File { path, is_link, size, text, unreadable, keys, ..File::default() }
    }

    /// Returns a finding about this file, as a whole or in a line.
    pub(crate) fn finding(
        &self,
        rule: &'static str,
        line: Option<usize>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        let file = text_file::shown(&self.path);
        Finding { file, line, rule, what: what.into(), fix: fix.into() }
    }
}

/// Returns the folders that are the build contexts of shared images and of `missions`, and their
/// `.dockerignore` files.
fn folders<'a>(
    checkout: &Checkout,
    missions: impl IntoIterator<Item = &'a Mission>,
) -> Vec<(PathBuf, PathBuf)> {
    let shared = [build_context::COMMON, build_context::BASE, build_context::REGISTRY];
    let shared = shared.map(|it| (it.dir.into(), it.ignore.into()));
    let missions = missions.into_iter().map(|it| checkout.relative(&it.dir).to_owned());
    shared.into_iter().chain(missions.map(|it| (it.clone(), it.join(".dockerignore")))).collect()
}

/// Adds all files below `dir`, except git's own and unfinished clones.
fn collect(checkout: &Checkout, dir: &Path, res: &mut Vec<File>) -> anyhow::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_hidden_folder = name == ".git" || name.to_string_lossy().starts_with(".clone-");
        if entry.file_type()?.is_dir() && !is_hidden_folder {
            collect(checkout, &entry.path(), res)?;
        } else if entry.file_type()?.is_file() {
            res.extend(File::read(&checkout.root, checkout.relative(&entry.path()))?);
        }
    }
    Ok(())
}

impl MissionFacts {
    /// Returns whether the mission keeps a Dockerfile of its own.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.sources.custom.is_none() && self.dockerfile.is_some()
    }

    /// Returns what can be read of the part of the Dockerfile that the mission's author writes.
    pub(crate) fn author_dockerfile(&self) -> Dockerfile {
        let File { path, text, .. } = self.author_part();
        parse::read(&path, &text).0
    }

    /// Returns whether something in the Dockerfile cannot be read, and may hide findings.
    pub(crate) fn is_hidden_in_part(&self) -> bool {
        !self.is_by_hand() && self.model.as_ref().is_none_or(|it| !it.is_whole)
    }

    /// Returns the words of the mission's own scripts for tests, with the file and line of each,
    /// without lines that look whether a file is there.
    pub(crate) fn words_of_tests<'a>(
        &self,
        facts: &'a Facts,
    ) -> impl Iterator<Item = (&'a File, usize, String)> {
        let dir = self.sources.mission.join("environments");
        let tests = self.sources.environments.iter().map(|it| dir.join(it).join("tests/test"));
        let tests: Vec<PathBuf> = [dir.join("test")].into_iter().chain(tests).collect();
        let files = tests.into_iter().filter_map(|it| facts.file(&it));
        files.flat_map(|file| {
            let lines = file.text.lines().enumerate();
            let is_read = |line: &&str| {
                let line = line.trim_start();
                let looks = [" -e ", " -f ", " -d ", " -x ", " -r ", " -s ", ">"];
                !line.starts_with('#') && !looks.iter().any(|it| line.contains(it))
            };
            let lines = lines.filter(move |(_, it)| is_read(it));
            lines.flat_map(move |(at, line)| {
                let words = line.split(|c: char| c.is_whitespace() || "\"'`;&|()=".contains(c));
                words.map(move |it| (file, at + 1, it.to_owned()))
            })
        })
    }

    /// Returns the Dockerfile or the part of it that the mission's author writes.
    fn author_part(&self) -> File {
        let own = self.sources.mission.join("Dockerfile");
        let (path, text) = match &self.sources.custom {
            Some(Text { path, text }) => (path.clone(), text.clone()),
            None => (own, self.dockerfile.clone().unwrap_or_default()),
        };
        File { path, size: text.len() as u64, text, ..File::default() }
    }

    fn read(checkout: &Checkout, mission: &Mission) -> anyhow::Result<MissionFacts> {
        let sources = Sources::read(checkout, mission)?;
        let path = mission.dockerfile();
        let relative = checkout.relative(&path);
        let content = Content::follow(&checkout.root, relative)?;
        let dockerfile = path.is_file().then_some(content.text.clone());
        let (model, problems) = match (&sources.custom, &dockerfile) {
            (None, Some(text)) => {
                let own = content.unreadable.into_iter().chain(dockerfile::own(relative, text));
                (
                    None,
                    sources.unreadable.iter().cloned().chain(own).chain(sources.unused()).collect(),
                )
            }
            _ => sources.look(),
        };
        Ok(MissionFacts { sources, model, problems, dockerfile, config: None })
    }
}
