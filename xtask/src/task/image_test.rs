//! `image-test`: runs the tests of missions in containers, and writes receipts.

use anyhow::bail;

use crate::{
    build::Missing,
    failure,
    image_test::Asked,
    selection::Selection,
    task::{
        Desk, args,
        shared::images::{self, Request},
    },
};

pub(crate) fn run(desk: &Desk, args: &args::ImageTest) -> anyhow::Result<u8> {
    let asked = asked(args).map_err(failure::request)?;
    check_environments(desk, args, &asked).map_err(failure::request)?;
    let missing = if args.dev { Missing::TakeNewest } else { Missing::Refuse };
    images::run(desk, &args.missions, &Request { missing, test: Some(asked), push: false })
}

/// # Errors
/// A pattern that is none.
fn asked(args: &args::ImageTest) -> anyhow::Result<Asked> {
    let kinds = [("import", args.imports), ("notebook", args.notebooks)];
    let kinds = kinds.iter().filter(|it| it.1).map(|it| it.0).collect();
    Ok(Asked {
        again: args.again,
        selection: Selection::new(&args.env, &args.only, kinds)?,
        failed: args.failed,
        jobs: args.jobs,
        timeout: args.timeout,
        dev: args.dev,
    })
}

/// Whether each environment that was named is one of a mission that was.
fn check_environments(desk: &Desk, args: &args::ImageTest, asked: &Asked) -> anyhow::Result<()> {
    let named = desk.named(&args.missions)?;
    let known = || named.iter().flat_map(|it| it.mission.environments.iter().map(|it| &it.name));
    for it in asked.environments().iter().filter(|it| *it != "base") {
        if !known().any(|known| known == it) {
            let names: Vec<&str> = known().map(String::as_str).collect();
            bail!("--env {it}: there is no such environment; there are: {}", names.join(", "));
        }
    }
    Ok(())
}
