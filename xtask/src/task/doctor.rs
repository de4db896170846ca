//! `doctor`: what this machine lacks for the main job, and the command that mends it.

use crate::{
    task::{
        Desk, args,
        shared::doctor::{About, Ask, Fix, look_and_fix},
    },
    terminal,
};

pub(crate) fn run(desk: &Desk, args: &args::Doctor) -> anyhow::Result<u8> {
    let ask = if args.offline { Ask::MachineOnly } else { Ask::Network };
    let fix = match (args.fix, args.yes) {
        (false, _) => Fix::Never,
        (true, false) => Fix::Asked,
        (true, true) => Fix::Always,
    };
    let (status, found) = look_and_fix(desk, &args.missions, About::Everything, ask, fix)?;
    if desk.flags.json {
        terminal::json(&found)?;
    }
    Ok(status)
}
