//! `image-update`: writes the missions' Dockerfiles, or shows how they differ from their sources.

use std::path::PathBuf;

use crate::{
    dockerfile::update::{self, Update},
    failure,
    printable::Shown as _,
    repo::Mission,
    task::{Desk, args},
    terminal,
};

/// `image-update`, or with `--check` a diff and a failure.
pub(crate) fn run(desk: &Desk, args: &args::ImageUpdate) -> anyhow::Result<u8> {
    let _lock = if args.check { None } else { desk.lock()? };
    let named = desk.named(&args.missions).map_err(failure::request)?;
    let missions: Vec<&Mission> = named.iter().map(|it| &it.mission).collect();
    let mut updates = update::updates(&desk.repo, &missions).map_err(failure::request)?;
    updates.retain(Update::differs);
    if desk.flags.json {
        let paths: Vec<&PathBuf> = updates.iter().map(|it| &it.path).collect();
        terminal::json(&paths)?;
    }
    if args.check {
        let diffs = updates.iter().map(Update::diff).filter(|_| !desk.flags.json);
        terminal::print(diffs.collect::<String>());
        return Ok(u8::from(!updates.is_empty()));
    }
    for update in &updates {
        desk.ui.say(format!("write {}", update.path.shown()));
    }
    if let Some(permit) = desk.permit {
        update::write(permit, &desk.repo, &updates)?;
    }
    Ok(0)
}
