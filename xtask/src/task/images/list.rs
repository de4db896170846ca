//! `image-list`: the images that missions have published, and `image-diff`: the difference of two.

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::{
    registry::{
        self,
        published::{self, ListedImage},
    },
    run::{failure, terminal, ui},
    task::{
        MissionConfig, Session,
        args::{ImageDiff, Missions},
    },
    testing::{differences::differences, receipt::Receipt},
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

pub(crate) fn diff(session: &Session, args: &ImageDiff) -> anyhow::Result<u8> {
    let missions = Missions { missions: vec![args.mission.clone()], ..Missions::default() };
    let named = session.named(&missions).map_err(failure::request)?.remove(0);
    let images = images(session, &named)?;
    let (old, new) = (find(&images, &args.old)?, find(&images, &args.new)?);
    let differences = differences(old.1, new.1);
    if session.flags.json {
        terminal::json(&differences)?;
        return Ok(0);
    }
    terminal::print(format_args!("{} → {}", old.0.tag, new.0.tag));
    differences.iter().for_each(|it| terminal::print(format_args!("  {it}")));
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

#[cfg(test)]
mod tests {
    use super::{ListedImage, row};

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
}
