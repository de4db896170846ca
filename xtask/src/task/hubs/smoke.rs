//! `hub-smoke`: works on the hub of this machine as a user does, in every kernel.

use anyhow::bail;

use crate::{
    run::terminal,
    task::{
        Session,
        args::HubSmoke,
        shared::local_smoke::{self, table},
    },
};

pub(crate) fn run(session: &Session, args: &HubSmoke) -> anyhow::Result<u8> {
    let done = local_smoke::run(session, args.mission.as_deref())?;
    if session.flags.json {
        terminal::json(&done.rows)?;
    } else if session.permit.is_some() {
        terminal::print(table(&done.rows));
    }
    done.failed.map_or(Ok(0), |it| bail!(it))
}
