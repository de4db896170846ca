//! `hub-up`: JupyterHub on this machine, with the tested images of missions.

use crate::task::{Session, args, shared::local_hub};

pub(crate) fn run(session: &Session, args: &args::HubUp) -> anyhow::Result<u8> {
    local_hub::up(session, args)
}
