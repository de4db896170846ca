//! `hub-status`: what runs, of the hub on this machine or of one in a cluster.

mod local;
mod deployed;
mod drift;

use crate::{
    hub::values::LOCAL,
    run::failure,
    task::{Session, args::HubStatus},
};

pub(crate) fn run(session: &Session, args: &HubStatus) -> anyhow::Result<u8> {
    match (args.env.as_deref(), &args.mission) {
        (None, _) => local::run(session, args),
        (Some(LOCAL), None) if !args.drift => local::run(session, args),
        (Some(LOCAL), _) => {
            let text = "the hub on this machine has all missions and no release: leave the mission and `--drift` out";
            Err(failure::request(anyhow::anyhow!(text)))
        }
        (Some(_), _) => deployed::run(session, args),
    }
}
