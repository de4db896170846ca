//! `image-prune`: removes old images of this tool from the engine.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    run::{
        failure,
        process::{self, last_lines},
        terminal, ui,
    },
    task::{
        Session,
        args::{ImagePrune, Missions},
    },
    tools::{
        docker::{Image, LABEL_PARENT},
        image_name::{ImageId, ImageRef},
    },
};

/// A name of an old image, and why docker kept it; empty if it is removed.
#[derive(Debug, Serialize)]
struct Removed {
    name: String,
    created: String,
    problem: String,
}

pub(crate) fn run(session: &Session, args: &ImagePrune) -> anyhow::Result<u8> {
    let config = session.named(&Missions::default()).map_err(failure::request)?.remove(0).config;
    let runner = session.runner(&config)?;
    let missions = session.checkout.missions.iter().map(|it| &it.name);
    let _locks = session.lock_missions(missions)?;
    let images = runner.docker.images()?;
    let mut res = Vec::new();
    for (image, name) in old(&images, args.keep)
        .iter()
        .flat_map(|it| names(it).into_iter().map(move |name| (it, name)))
    {
        let remove = runner.docker.remove_name(&name);
        let Some(permit) = session.permit else {
            terminal::print(remove);
            continue;
        };
        let output = process::output(&remove.permitted(permit))?;
        let problem = match output.status {
            0 => String::new(),
            _ => last_lines(&output.stderr, 1).trim().to_owned(),
        };
        res.push(Removed { name: name.to_string(), created: image.created.clone(), problem });
    }
    if session.permit.is_some() { print(session, &res) } else { Ok(0) }
}

fn print(session: &Session, removed: &[Removed]) -> anyhow::Result<u8> {
    if session.flags.json {
        terminal::json(&removed)?;
    } else if removed.is_empty() {
        session.ui.say("nothing is old enough to remove");
    } else {
        let row = |it: &Removed| {
            let action = if it.problem.is_empty() { "removed" } else { &it.problem };
            vec![it.name.clone(), it.created.chars().take(16).collect(), action.to_owned()]
        };
        let rows: Vec<Vec<String>> = removed.iter().map(row).collect();
        terminal::print(ui::table(&["IMAGE", "CREATED", "ACTION"], &rows));
    }
    Ok(u8::from(removed.iter().any(|it| !it.problem.is_empty())))
}

/// Returns the images to remove, children first: those that only immutable tags name, but the
/// newest `keep` of each name, and their parents.
fn old(images: &[Image], keep: usize) -> Vec<&Image> {
    let mut sorted: Vec<&Image> = images.iter().collect();
    sorted.sort_by(|a, b| b.created.cmp(&a.created));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: BTreeSet<&ImageId> = BTreeSet::new();
    for image in &sorted {
        let names = names(image);
        let is_named = names.iter().any(|it| it.tag.as_ref().is_none_or(|it| !it.is_fixed()));
        let rank = names.first().map_or(0, |it| {
            let seen = seen.entry(it.repository.name().to_owned()).or_default();
            *seen += 1;
            *seen
        });
        if is_named || rank <= keep {
            kept.insert(&image.id);
        }
    }
    // A parent is older than its children.
    for image in &sorted {
        let parent = image.label(LABEL_PARENT).filter(|_| kept.contains(&image.id));
        let parent = sorted.iter().find(|it| Some(it.id.to_string().as_str()) == parent);
        kept.extend(parent.map(|it| &it.id));
    }
    sorted.into_iter().filter(|it| !kept.contains(&it.id)).collect()
}

fn names(image: &Image) -> Vec<ImageRef> {
    image.repo_tags.iter().flatten().filter_map(|it| it.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Image, old};

    fn image(id: char, tags: &[&str], created: &str, parent: char) -> Image {
        let digest = |it: char| format!("sha256:{}", it.to_string().repeat(64));
        let labels = json!({ "science-platform.parent": digest(parent) });
        serde_json::from_value(json!({
            "Id": digest(id), "RepoTags": tags, "Size": 1, "Created": created,
            "Config": { "Labels": labels },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_old() {
        let tag = |name: &str, at: char| {
            format!("science-platform/{name}:{}-{}", "a".repeat(12), at.to_string().repeat(12))
        };
        let (newest, common) = (tag("hello", '5'), tag("common", '1'));
        let images = [
            image('5', &[&newest, "science-platform/hello:latest"], "2026-05", '2'),
            image('4', &[&tag("hello", '4'), "quay.io/us/hello:latest-prod"], "2026-04", '1'),
            image('3', &[&tag("hello", '3')], "2026-03", '1'),
            image('2', &[&tag("common", '2')], "2026-02", '0'),
            image('1', &[&common], "2026-01", '0'),
            image('0', &[&tag("common", '0')], "2025-01", '9'),
        ];
        let ids = |keep| -> String {
            old(&images, keep).iter().map(|it| it.id.short().chars().next().unwrap()).collect()
        };
        assert_eq!(ids(9), "");
        assert_eq!(ids(2), "3");
        // The parent of an image with a human tag stays, and its own parent.
        assert_eq!(ids(1), "3");
        assert_eq!(ids(0), "3");
    }
}
