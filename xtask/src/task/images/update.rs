//! `image-update`: writes the missions' Dockerfiles, or shows their differences from the sources.

use std::path::PathBuf;

use crate::{
    mission::{
        checkout::Mission,
        dockerfile::update::{self, Update},
    },
    run::{failure, printable::Shown as _, terminal},
    task::{Session, args},
};

/// Runs `image-update`; with `--check` prints a diff and fails on a difference.
pub(crate) fn run(session: &Session, args: &args::ImageUpdate) -> anyhow::Result<u8> {
    let named = session.named(&args.missions).map_err(failure::request)?;
    let written = named.iter().filter(|_| !args.check).map(|it| &it.mission.name);
    let _locks = session.lock_missions(written)?;
    let missions: Vec<&Mission> = named.iter().map(|it| &it.mission).collect();
    let mut updates = update::updates(&session.checkout, &missions).map_err(failure::request)?;
    updates.retain(Update::differs);
    if session.flags.json {
        let paths: Vec<&PathBuf> = updates.iter().map(|it| &it.path).collect();
        terminal::json(&paths)?;
    }
    if args.check {
        let diffs = updates.iter().map(Update::diff).filter(|_| !session.flags.json);
        terminal::print(diffs.collect::<String>());
        return Ok(u8::from(!updates.is_empty()));
    }
    for update in &updates {
        session.ui.say(format!("write {}", update.path.shown()));
    }
    if let Some(permit) = session.permit {
        update::write(permit, &session.checkout, &updates)?;
    }
    Ok(0)
}
