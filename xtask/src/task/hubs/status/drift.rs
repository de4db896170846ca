//! What differs between the working tree, the record of a release, the release, and the cluster.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::deployed::Release;
use crate::{
    hub::{
        drift::{self, Difference},
        history,
        record::{Record, digest},
        render::{self, Manifests},
        values::Values,
    },
    run::unified,
    task::{
        Session,
        shared::{
            hub_chart,
            hub_values::{self, Secrets},
        },
    },
    tools::git,
};

/// Returns all differences. That of the working tree is also printed as a diff.
pub(super) fn differences(session: &Session, release: &Release) -> anyhow::Result<Vec<Difference>> {
    let mut res = of_record(release)?;
    note_of_git(session, release)?;
    res.extend(of_tree(session, release)?);
    let lasting = drift::lasting(&release.documents)?;
    let stored = release.hub.cluster.stored(&lasting)?;
    res.extend(drift::of_objects(&lasting, &stored));
    Ok(res)
}

/// Compares the release with its record: somebody may have used Helm by hand.
fn of_record(release: &Release) -> anyhow::Result<Vec<Difference>> {
    let found = |detail: String| {
        let place = format!("revision {}", release.live.revision);
        vec![Difference { between: "record and release", place, detail }]
    };
    let Some(record) = &release.live.record else {
        return Ok(found(match &release.live.unreadable {
            Some(why) => format!("the record cannot be read: {why}"),
            None => "made without this tool: no record".to_owned(),
        }));
    };
    let values = release.helm.values(release.live.revision)?;
    Ok(match digest::is_of(&record.values, &values) {
        Some(false) => found("the release has other values than its record".to_owned()),
        Some(true) | None => Vec::new(),
    })
}

/// Tells which commits lie between the record and the working tree: these may be about other missions.
fn note_of_git(session: &Session, release: &Release) -> anyhow::Result<()> {
    let Some(record) = &release.live.record else { return Ok(()) };
    let root = &session.checkout.root;
    let (then, now) = (commit(record), git::state(root)?);
    let Some(now) = now else { return Ok(()) };
    if then.as_deref() != Some(now.as_str()) {
        let now: String = now.chars().take(12).collect();
        session
            .ui
            .say(format!("note: deployed from {}, compared with {now}", history::commit(record)));
    }
    Ok(())
}

fn commit(record: &Record) -> Option<String> {
    record.git.commit.clone()
}

/// Compares what the working tree would deploy with the release.
fn of_tree(session: &Session, release: &Release) -> anyhow::Result<Vec<Difference>> {
    let permit = session.permit.context("this task has no dry run")?;
    let hub = &release.hub;
    let values = hub_values::read(session, &hub.of, &hub.environment, Secrets::Merged)?;
    let values = with_image(values, &release.manifests);
    let archive = hub_chart::archive(session, permit, &hub_chart::read(session)?)?;
    let documents = release.helm.render(&archive, values.json().to_string())?;
    let new = without_hooks(render::shown(documents)?);
    let live = without_hooks(release.manifests.clone());
    let (old, new) = (render::text(&live)?, (render::text(&new)?, render::summary(&live, &new)));
    let (new, summary) = new;
    if old == new {
        return Ok(Vec::new());
    }
    let name = format!("{}.yaml", hub.target.release);
    session.ui.say(unified::diff(Path::new(&name), Some(&old), &new).trim_end());
    let found = |detail: String| Difference {
        between: "working tree and release",
        place: format!("revision {}", release.live.revision),
        detail,
    };
    Ok(summary.into_iter().map(found).collect())
}

/// Returns the values with the live image of users' servers, unless a layer sets one: which image is the
/// newest decides a deployment.
fn with_image(values: Values, live: &Manifests) -> Values {
    let image = live.get("Secret/hub").map(|it| &it["data"]["values.yaml"]["singleuser"]["image"]);
    match image {
        Some(it) if !values.has_image() => {
            let image = json!({"name": it["name"], "tag": it["tag"]});
            values.with(&json!({"singleuser": {"image": image}}))
        }
        _ => values,
    }
}

/// Returns the manifests that last: some hooks are only rendered where an image changes.
fn without_hooks(mut manifests: Manifests) -> Manifests {
    let is_hook = |it: &Value| it["metadata"]["annotations"]["helm.sh/hook"].is_string();
    manifests.retain(|_, it| !is_hook(it));
    manifests
}
