//! Failures of builds, in terms of the checkout.

use std::path::Path;

use anyhow::anyhow;

use crate::{
    image::recipe::Recipe,
    mission::dockerfile::{apt, calls::ENVIRONMENTS},
    run::{failure, text_file},
};

/// Returns a build's failure with the paths of a mission's lists in the checkout in place of those in
/// the image, and with the lines of `apt.txt` whose packages Debian lacks.
pub(super) fn in_checkout(err: anyhow::Error, root: &Path, recipe: &Recipe) -> anyhow::Error {
    if recipe.mode.is_none() || failure::status(&err) != 1 {
        return err;
    }
    let own = format!("missions/{}/environments/", recipe.name);
    let mut text = format!("{err:#}").replace(&format!("{ENVIRONMENTS}/"), &own);
    let path = format!("missions/{}/{}", recipe.name, apt::FILE);
    let list = text_file::read_text(root, Path::new(&path)).unwrap_or_default();
    for (line, name) in apt::not_found(&list, &text.clone()) {
        text += &format!("\n{path}:{line}: Debian has no package `{name}`; correct the name");
    }
    anyhow!(text)
}
