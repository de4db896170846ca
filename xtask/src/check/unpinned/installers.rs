//! Programs that install the newest version on the day of the build, and the options that pin it.

use super::{Float, git::is_commit};
use crate::mission::dockerfile::programs;

const LISTS: &str = "name it in a list of the environment, which is frozen";
const HASHED: &str = "name it in a list of the environment, which is frozen, or pass `--require-hashes --requirement <file with hashes>`";
const LOCKED: &str = "install from a lock file: `npm ci`, `yarn install --immutable`, `pnpm install --frozen-lockfile`";
const OTHER: &str = "take one version of it, compared with a checksum in the same step";

/// A family of programs: their names, their install commands, and the words that make an install
/// repeatable.
struct Installer {
    names: &'static [&'static str],
    /// Words after the program; an empty one for the program itself.
    installs: &'static [&'static str],
    pinned: fn(&[String]) -> bool,
    fix: &'static str,
}

const INSTALLERS: &[Installer] = &[
    Installer {
        names: &["pip"],
        installs: &["install", "download", "wheel"],
        pinned: pip,
        fix: HASHED,
    },
    Installer { names: &["uv"], installs: &["pip install", "pip sync"], pinned: pip, fix: HASHED },
    Installer {
        names: &["uv"],
        installs: &["tool install", "tool run", "tool upgrade", "add"],
        pinned: never,
        fix: HASHED,
    },
    Installer { names: &["uv"], installs: &["sync", "run"], pinned: locked, fix: HASHED },
    Installer {
        names: &["uvx", "easy_install", "pip-sync"],
        installs: &[""],
        pinned: never,
        fix: HASHED,
    },
    Installer {
        names: &["pipx"],
        installs: &["install", "run", "upgrade", "inject"],
        pinned: never,
        fix: HASHED,
    },
    Installer {
        names: &["poetry", "pdm"],
        installs: &["add", "update"],
        pinned: never,
        fix: HASHED,
    },
    Installer { names: &["spacy"], installs: &["download"], pinned: never, fix: HASHED },
    Installer {
        names: &["conda", "mamba", "micromamba"],
        installs: &["install", "create", "update", "upgrade", "env create", "env update"],
        pinned: conda,
        fix: LISTS,
    },
    Installer {
        names: &["pixi"],
        installs: &["add", "update", "upgrade", "global"],
        pinned: never,
        fix: LISTS,
    },
    Installer { names: &["pixi"], installs: &["install"], pinned: locked, fix: LISTS },
    Installer {
        names: &["npm", "pnpm", "yarn", "bun"],
        installs: &["install", "i", "add", "update", "upgrade", "global", "dlx", "exec", "x"],
        pinned: locked,
        fix: LOCKED,
    },
    Installer { names: &["yarn"], installs: &[""], pinned: yarn, fix: LOCKED },
    Installer { names: &["npx", "bunx"], installs: &[""], pinned: never, fix: LOCKED },
    Installer {
        names: &["jupyter"],
        installs: &["labextension install"],
        pinned: never,
        fix: LISTS,
    },
    Installer { names: &["R", "Rscript"], installs: &[""], pinned: r_script, fix: OTHER },
    Installer {
        names: &["install2.r", "installGithub.r", "cpan", "cpanm"],
        installs: &[""],
        pinned: never,
        fix: OTHER,
    },
    Installer {
        names: &["julia"],
        installs: &[""],
        pinned: julia,
        fix: "copy Project.toml and Manifest.toml, and run `Pkg.instantiate()`",
    },
    Installer {
        names: &["cargo"],
        installs: &["install", "binstall"],
        pinned: cargo,
        fix: "pass --locked and --version",
    },
    Installer {
        names: &["go"],
        installs: &["install", "get", "run"],
        pinned: go,
        fix: "name a version: `module@v1.2.3`",
    },
    Installer {
        names: &["gem", "bundle"],
        installs: &["install", "update"],
        pinned: gem,
        fix: "copy Gemfile.lock, and run `bundle install --frozen`",
    },
    Installer {
        names: &[
            "luarocks",
            "opam",
            "cabal",
            "brew",
            "spack",
            "playwright",
            "quarto",
            "tlmgr",
            "nvm",
            "setup.py",
        ],
        installs: &["install"],
        pinned: never,
        fix: OTHER,
    },
    Installer {
        names: &["rustup"],
        installs: &["update", "install", "default", "toolchain"],
        pinned: never,
        fix: OTHER,
    },
    Installer { names: &["apk"], installs: &["add"], pinned: never, fix: OTHER },
    Installer {
        names: &["dnf", "microdnf", "yum", "zypper"],
        installs: &["install"],
        pinned: never,
        fix: OTHER,
    },
    Installer {
        names: &["code", "code-server"],
        installs: &["--install-extension"],
        pinned: never,
        fix: OTHER,
    },
];

/// Returns the floating item that a command installs.
pub(super) fn float(words: &[String]) -> Option<Float> {
    if !programs::may_start(words) {
        return None;
    }
    (0..words.len()).find_map(|at| {
        let name = family(&words[at]);
        let args = &words[at + 1..];
        let mut known = INSTALLERS.iter().filter(|it| it.names.contains(&name));
        known.find_map(|it| {
            let mut all = it.installs.iter();
            let how = all.find(|it| is_called(args, it)).filter(|_| !(it.pinned)(args))?;
            let call = format!("{name} {how}");
            let what =
                format!("`{}` takes what is newest on the day of the build", call.trim_end());
            Some(Float { word: words[at].clone(), what, fix: it.fix })
        })
    })
}

/// Returns the name of the program of `word`: `pip` for `/opt/conda/bin/pip3.13` and for `-mpip`.
fn family(word: &str) -> &str {
    let name = programs::name(word);
    let name = name.strip_prefix("-m").unwrap_or(name);
    let is_version = |it: &str| it.bytes().all(|it| it.is_ascii_digit() || b".-".contains(&it));
    match name.strip_prefix("pip") {
        Some(version) if is_version(version) => "pip",
        _ => name,
    }
}

/// Returns whether `args` begin with the words of `how`, with options before and between them.
fn is_called(args: &[String], how: &str) -> bool {
    let mut args = args.iter().peekable();
    how.split(' ').filter(|it| !it.is_empty()).all(|word| {
        while let Some(arg) = args.next() {
            let is_option = arg.starts_with('-') && arg != word;
            if !is_option {
                // The word after an option may be its value.
                return arg == word;
            }
            if args.peek().is_some_and(|it| *it != word && !it.starts_with('-'))
                && !arg.contains('=')
            {
                args.next();
            }
        }
        false
    })
}

fn never(_: &[String]) -> bool {
    false
}

fn has(args: &[String], options: &[&str]) -> bool {
    args.iter().any(|it| options.contains(&it.as_str()))
}

fn locked(args: &[String]) -> bool {
    has(args, &["--frozen", "--locked", "--frozen-lockfile", "--immutable", "ci"])
        && !has(args, &["--with"])
}

/// Returns whether yarn installs: `yarn` alone does; `yarn build` does not.
fn yarn(args: &[String]) -> bool {
    locked(args) || args.iter().any(|it| !it.starts_with('-'))
}

/// Options of pip and conda that have a value.
const VALUED: [&str; 19] = [
    "-t",
    "--target",
    "--prefix",
    "--root",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "-p",
    "--python",
    "--cache-dir",
    "-n",
    "--name",
    "-c",
    "--channel",
    "--solver",
    "--trusted-host",
    "--upgrade-strategy",
];

/// Returns the arguments of an installation that are neither options, nor their values, nor redirections.
fn wanted(args: &[String]) -> impl Iterator<Item = &String> {
    let is_value = |at: usize| at > 0 && VALUED.contains(&args[at - 1].as_str());
    let all = args.iter().enumerate().filter(move |(at, _)| !is_value(*at)).map(|(_, it)| it);
    let all = all.filter(|it| {
        !it.starts_with('-') && !it.contains(['<', '>'].as_slice()) || it.contains("@")
    });
    all.skip_while(|it| !["install", "sync", "create", "download", "wheel"].contains(&it.as_str()))
        .skip(1)
}

fn pip(args: &[String]) -> bool {
    let is_list = |it: &String| it.starts_with("-r") || it.starts_with("--requirement");
    let is_local = |it: &str| it.starts_with(['/', '.']);
    let is_built =
        |it: &str| is_local(it) && it.ends_with(".whl") || it.contains("#sha256=") || is_commit(it);
    let is_alone = has(args, &["--no-deps"]) && !args.iter().any(is_list);
    let is_isolated = !has(args, &["--no-build-isolation"]);
    has(args, &["--require-hashes", "--no-index", "--offline"])
        || is_alone && wanted(args).all(|it| is_built(it) || is_local(it) && !is_isolated)
}

fn conda(args: &[String]) -> bool {
    let is_file = |it: &String| it.starts_with("--file") || it.starts_with("-f");
    let is_env = has(args, &["env"]);
    let is_hashed = |it: &String| it.starts_with("http") && it.contains('#');
    has(args, &["--clone", "--offline"])
        || has(args, &["create", "install"])
            && !is_env
            && !args.iter().any(is_file)
            && wanted(args).all(is_hashed)
}

fn r_script(args: &[String]) -> bool {
    let installs = |it: &String| {
        it.contains("install") && it.contains('(')
            || it.contains("pak(")
            || it.contains("pkg_install")
    };
    !args.iter().any(installs)
}

fn julia(args: &[String]) -> bool {
    let calls = ["Pkg.add", "Pkg.update", "Pkg.develop", "pkg\"add", "pkg\"up"];
    !args.iter().any(|arg| calls.iter().any(|it| arg.contains(it)))
}

fn cargo(args: &[String]) -> bool {
    let is_one = |it: &String| {
        it.contains('@')
            || ["--version", "--vers", "--path"].iter().any(|option| it.starts_with(option))
            || is_commit(it)
    };
    has(args, &["--locked"]) && args.iter().any(is_one)
}

fn go(args: &[String]) -> bool {
    let is_exact = |version: &str| {
        version.strip_prefix('v').is_some_and(|it| it.split('.').count() >= 3) || is_commit(version)
    };
    args.iter().filter_map(|it| it.split_once('@')).all(|(_, version)| is_exact(version))
}

fn gem(args: &[String]) -> bool {
    has(args, &["--local", "--frozen", "--deployment"])
}
