//! The mount flags of a build step.
//!
//! Options as <https://docs.docker.com/reference/dockerfile/#run---mount>. Docker does not expand
//! variables in them, so users are numbers; each user has separate caches, since folders that root
//! creates in a cache are closed to others.

use crate::mission::dockerfile::stages::User;

/// Secrets mounted over ordinary files of the image: a step works with and without them.
const SECRETS: [(&str, &str); 6] = [
    ("ca", "/etc/image-build/ca.crt"),
    ("pip", "/etc/image-build/pip.conf"),
    ("uv", "/etc/image-build/uv.toml"),
    ("condarc", "/etc/image-build/condarc"),
    ("apt", "/etc/image-build/apt.conf"),
    ("sources", "/etc/image-build/sources.list"),
];
/// Tools whose caches have a separate folder below `/var/cache/image-build`.
const TOOLS: [&str; 3] = ["uv", "pip", "conda"];

/// Returns the flags for a RUN of `args`: secrets, caches, then `binds` (source in stage `specs`,
/// and target). The mounts in the author's `flags` have priority.
pub(crate) fn mounts(
    flags: &[String],
    args: &str,
    user: User,
    binds: &[(String, String)],
) -> Vec<String> {
    let taken: Vec<String> = flags.iter().filter_map(|it| target(it)).collect();
    let secrets = SECRETS.iter().map(|(id, target)| {
        (target.to_string(), format!("--mount=type=secret,id={id},target={target},mode=0444"))
    });
    let caches = caches(user).into_iter().filter(|(target, _)| !names(args, target));
    let binds = binds.iter().map(|(source, target)| {
        (target.clone(), format!("--mount=type=bind,from=specs,source={source},target={target}"))
    });
    let all = secrets.chain(caches).chain(binds);
    all.filter(|(target, _)| !taken.contains(target)).map(|(_, flag)| flag).collect()
}

fn caches(user: User) -> Vec<(String, String)> {
    let (id, owner) = match user {
        User::Root => ("0", ""),
        User::Jovyan => ("1000", ",uid=1000,gid=100"),
        User::Other => return Vec::new(),
    };
    let cache = |tool: &str, target: String, options: &str| {
        let flag =
            format!("--mount=type=cache,id=science-platform-{tool}-{id},target={target}{options}");
        (target, flag)
    };
    let tools = TOOLS.iter().map(|it| cache(it, format!("/var/cache/image-build/{it}"), owner));
    let apt = || cache("apt", "/var/cache/apt".to_owned(), ",sharing=locked");
    tools.chain((user == User::Root).then(apt)).collect()
}

/// Returns the target of the author's `--mount=…`.
fn target(flag: &str) -> Option<String> {
    let options = flag.strip_prefix("--mount=")?.split(',');
    let mut pairs = options.filter_map(|it| it.trim_matches('"').split_once('='));
    let (_, target) = pairs.find(|(key, _)| ["target", "dst", "destination"].contains(key))?;
    Some(target.trim_end_matches('/').to_owned())
}

/// Returns whether a step's text names the folder `target`, like `rm -rf /var/cache/*`: a mount is
/// busy, and the files that such a step leaves in the folder are meant for the image.
fn names(text: &str, target: &str) -> bool {
    let separators = |c: char| c.is_whitespace() || "'\";&|()<>=,:".contains(c);
    let removes = text.split(separators).any(|it| it == "rm" || it == "find");
    text.split(separators).filter(|it| it.starts_with('/')).any(|path| {
        let is_glob = path.contains('*');
        let path = path.split('*').next().unwrap_or(path);
        let folder = path.trim_end_matches('/');
        let below = |path: &str, dir: &str| path == dir || path.starts_with(&format!("{dir}/"));
        let holds = below(target, folder) || is_glob && target.starts_with(path);
        below(folder, target) || removes && folder.len() > 1 && holds
    })
}
