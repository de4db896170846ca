//! Tags that move to images of the engine: each is pushed under its new name, and read back.

use std::collections::BTreeSet;

use anyhow::anyhow;

use crate::{
    image::runner::{Log, Runner},
    registry::{
        Host,
        seen::{Question, Seen},
    },
    settings::config::Config,
    tools::image_name::{Digest, ImageRef},
};

/// Gives the engine's image `source` another name, and pushes it under that.
pub(super) fn push_as(
    runner: &Runner,
    host: &Host,
    source: &ImageRef,
    name: &ImageRef,
    log: &mut Log,
) -> anyhow::Result<()> {
    runner.run(&runner.docker.tag(source, name), log)?;
    runner.talk(&host.push(name), log)
}

/// Number of attempts to push what another run of this engine pushes under the same name at the same time.
pub(super) const ATTEMPTS: u32 = 3;

/// A tag, and the image that it must name: in the tag's registry under another name, and on the engine
/// as `source`.
pub(crate) struct TagMove<'a> {
    pub(crate) host: &'a Host,
    pub(crate) config: &'a Config,
    pub(crate) tag: &'a ImageRef,
    pub(crate) source: &'a ImageRef,
    pub(crate) digest: &'a Digest,
}

impl TagMove<'_> {
    /// Returns what the registry has under the tag, as far as it is known.
    fn found(&self, seen: &Seen) -> anyhow::Result<Option<Digest>> {
        let is_known = self.digest.is_known() && self.tag.is_known();
        let found = if is_known { seen.of(self.host, self.tag)? } else { None };
        Ok(found.map(|it| it.digest))
    }
}

/// A tag after [`move_tags`].
#[derive(Debug, Default)]
pub(crate) struct MovedTag {
    /// Whether the tag had to be moved.
    pub(crate) is_moved: bool,
    /// Digest that it named before, if another.
    pub(crate) replaced: Option<Digest>,
}

/// Moves tags that do not name their images, and reads them back. Runs of other checkouts use the same
/// names for the engine's images, so that the registry may have received theirs. What `seen` knows of the tags
/// is believed.
///
/// # Errors
/// The registry refuses, or shows another image under a tag afterwards: the place of the move that failed.
pub(crate) fn move_tags(
    runner: &Runner,
    seen: &mut Seen,
    moves: &[TagMove<'_>],
    log: &mut Log,
) -> Result<Vec<MovedTag>, (usize, anyhow::Error)> {
    let mut res: Vec<MovedTag> = moves.iter().map(|_| MovedTag::default()).collect();
    let mut due: Vec<usize> = (0..moves.len()).collect();
    for attempt in 0..=ATTEMPTS {
        let mut left = Vec::new();
        for at in due {
            let TagMove { tag, digest, .. } = moves[at];
            let found = moves[at].found(seen).map_err(|err| (at, err))?;
            if found.as_ref() == Some(digest) {
                continue;
            }
            if attempt == ATTEMPTS {
                return Err((at, not_moved(tag, digest, found)));
            }
            if attempt == 0 {
                res[at].replaced = found;
            }
            left.push(at);
        }
        due = left;
        if due.is_empty() {
            break;
        }
        let mut pushed = BTreeSet::new();
        for &at in due.iter().filter(|it| pushed.insert(moves[**it].tag)) {
            let TagMove { host, tag, source, .. } = moves[at];
            log.step(&format!("moving {tag}"));
            push_as(runner, host, source, tag, log).map_err(|err| (at, err))?;
            res[at].is_moved = true;
        }
        if runner.permit.is_none() {
            break;
        }
        let tag = |it: &usize| {
            let TagMove { host, config, tag, .. } = moves[*it];
            Question { host, config, name: tag.clone() }
        };
        seen.ask(due.iter().map(tag)).map_err(|err| (due[0], err))?;
    }
    Ok(res)
}

fn not_moved(tag: &ImageRef, digest: &Digest, found: Option<Digest>) -> anyhow::Error {
    match found {
        Some(it) => anyhow!(
            "{tag} was pushed, but is {it} afterwards; expected {digest}: another run may move it, too"
        ),
        None => anyhow!("{tag} was pushed, but the registry does not have it; expected {digest}"),
    }
}
