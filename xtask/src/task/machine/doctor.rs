//! `doctor`: the tools that this machine lacks, and the commands that install them.

use crate::{
    run::terminal,
    task::{
        Session, args,
        shared::doctor::{About, FixPolicy, Probes, look_and_fix},
    },
};

pub(crate) fn run(session: &Session, args: &args::Doctor) -> anyhow::Result<u8> {
    let ask = if args.offline { Probes::MachineOnly } else { Probes::Network };
    let fix = match (args.fix, args.yes) {
        (false, _) => FixPolicy::Never,
        (true, false) => FixPolicy::Asked,
        (true, true) => FixPolicy::Always,
    };
    let (status, found) = look_and_fix(session, &args.missions, About::Everything, ask, fix)?;
    if session.flags.json {
        terminal::json(&found)?;
    }
    Ok(status)
}
