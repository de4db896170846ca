//! `image-list`: the images that missions have published, and `image-diff`: the difference of two.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::{
    registry::{
        self,
        published::{self, ListedImage},
    },
    run::{failure, terminal, ui},
    specs,
    task::{
        MissionConfig, Session,
        args::{ImageDiff, Missions},
    },
    testing::receipt::{Contents, Installed, Name, Receipt},
    tools::image_name::short,
};

/// Images of a mission, as `--json` prints them.
#[derive(Serialize)]
struct Listed {
    mission: String,
    images: Vec<ListedImage>,
}

pub(crate) fn list(session: &Session, missions: &Missions) -> anyhow::Result<u8> {
    let mut res = Vec::new();
    for it in session.named(missions).map_err(failure::request)? {
        res.push(Listed { images: images(session, &it)?, mission: it.mission.name });
    }
    if session.flags.json {
        terminal::json(&res)?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> =
        res.iter().flat_map(|it| it.images.iter().map(|image| row(&it.mission, image))).collect();
    match rows.is_empty() {
        true => session.ui.say("nothing is published; `cargo xtask image-all` does that"),
        false => terminal::print(ui::table(
            &["MISSION", "TAG", "DIGEST", "CREATED", "COMMIT", "TESTS", "TAGS"],
            &rows,
        )),
    }
    Ok(0)
}

fn images(session: &Session, it: &MissionConfig) -> anyhow::Result<Vec<ListedImage>> {
    let runner = session.runner(&it.config)?;
    let host = registry::running(&runner, &it.config)?;
    let host = host
        .context("the registry on this machine does not run; `cargo xtask image-push` starts it")?;
    published::images(&it.config, &host, &it.mission.name)
}

fn row(mission: &str, it: &ListedImage) -> Vec<String> {
    let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    // A label may be any text.
    let (commit, dirty) = it.commit.split_at_checked(40).unwrap_or((&it.commit, ""));
    let tests = match it.passed {
        Some(passed) => format!("{passed} passed"),
        None => it.problem.clone(),
    };
    let tags: Vec<String> = it.tags.iter().map(ToString::to_string).collect();
    vec![
        mission.to_owned(),
        it.tag.to_string(),
        it.digest.short(),
        it.created.chars().take(16).collect(),
        dash(format!("{}{dirty}", short(commit))),
        tests,
        dash(tags.join(", ")),
    ]
}

/// A difference between two images.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    /// Environment; empty for the image as a whole.
    environment: String,
    name: String,
    old: Option<String>,
    new: Option<String>,
}

pub(crate) fn diff(session: &Session, args: &ImageDiff) -> anyhow::Result<u8> {
    let missions = Missions { missions: vec![args.mission.clone()], ..Missions::default() };
    let named = session.named(&missions).map_err(failure::request)?.remove(0);
    let images = images(session, &named)?;
    let (old, new) = (find(&images, &args.old)?, find(&images, &args.new)?);
    let differences = differences(old, new);
    if session.flags.json {
        terminal::json(&differences)?;
        return Ok(0);
    }
    terminal::print(format_args!("{} → {}", old.0.tag, new.0.tag));
    for it in &differences {
        let place = if it.environment.is_empty() { "image" } else { &it.environment };
        let change = match (&it.old, &it.new) {
            (Some(old), Some(new)) => format!("{} {old} → {new}", it.name),
            (Some(old), None) => format!("{} {old} removed", it.name),
            (None, new) => format!("{} {} added", it.name, new.as_deref().unwrap_or_default()),
        };
        terminal::print(format_args!("  {place}: {change}"));
    }
    if differences.is_empty() {
        session.ui.say("the receipts of both images name the same contents");
    }
    Ok(0)
}

/// Returns the image with this tag or digest, whose contents a receipt names.
fn find<'a>(
    images: &'a [ListedImage],
    name: &str,
) -> anyhow::Result<(&'a ListedImage, &'a Receipt)> {
    let is_it = |it: &&ListedImage| {
        it.tag.to_string() == name
            || it.digest.to_string() == name
            || it.digest.short() == name
            || it.tags.iter().any(|tag| tag.to_string() == name)
    };
    let Some(found) = images.iter().find(is_it) else {
        bail!("{name}: no such image; `cargo xtask image-list` lists them")
    };
    let receipt = found.receipt.as_ref();
    Ok((found, receipt.with_context(|| format!("{name}: {}", found.problem))?))
}

/// Returns the differences of two images by their receipts, sorted.
fn differences(
    (old_image, old): (&ListedImage, &Receipt),
    (new_image, new): (&ListedImage, &Receipt),
) -> Vec<Difference> {
    let whole = |image: &ListedImage, it: &Receipt| {
        BTreeMap::from([
            ("commit".to_owned(), image.commit.clone()),
            ("platform".to_owned(), it.platform.clone()),
            ("jupyterhub".to_owned(), it.contents.jupyterhub.clone()),
        ])
    };
    let mut res = changed("", &whole(old_image, old), &whole(new_image, new));
    let (old, new) = (&old.contents, &new.contents);
    let none = Installed { python: String::new(), packages: BTreeMap::new() };
    let names: BTreeSet<_> = old.environments.keys().chain(new.environments.keys()).collect();
    // Nor base.
    let is_told = |name: &&Name| {
        ***name != *specs::BASE || [old, new].iter().all(|it| it.environments.contains_key(*name))
    };
    for name in names.into_iter().filter(is_told) {
        let packages = |it: &Contents| {
            let installed = it.environments.get(name).unwrap_or(&none);
            let mut res = installed.packages.clone();
            res.insert("python".to_owned(), installed.python.clone());
            res
        };
        res.extend(changed(name, &packages(old), &packages(new)));
    }
    // Receipts of earlier versions do not name Debian packages.
    if !old.debian.is_empty() && !new.debian.is_empty() {
        res.extend(changed("Debian", &old.debian, &new.debian));
    }
    res
}

fn changed(
    environment: &str,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let value = |of: &BTreeMap<String, String>, name: &String| {
        of.get(name).filter(|it| !it.is_empty()).cloned()
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let difference = |name: &String| Difference {
        environment: environment.to_owned(),
        name: name.clone(),
        old: value(old, name),
        new: value(new, name),
    };
    names.into_iter().map(difference).filter(|it| it.old != it.new).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Difference, ListedImage, changed, row};

    #[test]
    fn a_commit_is_any_text() {
        let commit = |text: &str| {
            let digest = format!("sha256:{}", "b".repeat(64));
            let image = ListedImage {
                tag: "a".parse().unwrap(),
                digest: digest.parse().unwrap(),
                image: digest.parse().unwrap(),
                created: "é".repeat(20),
                commit: text.to_owned(),
                tags: Vec::new(),
                passed: None,
                problem: String::new(),
                receipt: None,
                parent: None,
                is_own: true,
            };
            row("m", &image).swap_remove(4)
        };
        assert_eq!(commit(""), "-");
        assert_eq!(commit(&"a".repeat(40)), "a".repeat(12));
        assert_eq!(commit(&format!("{}-dirty", "a".repeat(40))), "aaaaaaaaaaaa-dirty");
        assert_eq!(commit(&format!("a{}", "é".repeat(20))), format!("a{}", "é".repeat(11)));
    }

    #[test]
    fn changes_of_versions() {
        let versions = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect()
        };
        let (old, new) =
            (versions(&[("a", "1"), ("b", "1"), ("d", "")]), versions(&[("a", "2"), ("c", "1")]));
        let lines = |it: &Difference| format!("{} {:?} {:?}", it.name, it.old, it.new);
        let found: Vec<String> = changed("e", &old, &new).iter().map(lines).collect();
        assert_eq!(
            found,
            [r#"a Some("1") Some("2")"#, r#"b Some("1") None"#, r#"c None Some("1")"#]
        );
    }
}
