//! What most tests start from, made once: receipts of `hello`, and a registry that has its layers.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use crate::{
    checkout::{Checkout, run},
    containers::docker,
};

/// Image of registries without tags that have all layers of `hello`, so that pushes upload only others.
pub(crate) const REGISTRY: &str = "science-platform-tests/registry:latest";

/// Folder of a registry's content in containers of [`REGISTRY`]; it belongs to the container's own file system.
pub(crate) const CONTENT: &str = "/srv/registry";

/// Name of the container that copies the content.
const COPIER: &str = "science-platform-tests-registry";

const COPY: &str = "cp -r /published /srv/registry && find /srv/registry -name _manifests -prune -exec rm -r {} + && chown -R 1000:100 /srv/registry";

/// Folder of a checkout's receipts.
const FOLDER: &str = "target/xtask/receipts/hello";

/// Paths and texts of the receipts, by mode.
static RECEIPTS: LazyLock<BTreeMap<&str, (String, String)>> = LazyLock::new(|| {
    let checkout = Checkout::copied();
    // Images that were tested before: by this repository's checkout, or by a run before this one.
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let before = Path::new(env!("CARGO_TARGET_TMPDIR")).join("receipts");
    let here = checkout.path(FOLDER);
    [&repository.join(FOLDER), &before].into_iter().for_each(|it| copy(it, &here));
    assert_eq!(checkout.run(&["quickstart"]).status, Some(0));
    let receipt = |mode| {
        let tag = checkout.rows(&["image-all", "hello", mode]).text("hello", "tag");
        let id = tag.rsplit_once('-').unwrap().1;
        let path = format!("{FOLDER}/{id}.json");
        let text = checkout.read(&path);
        (mode, (path, text))
    };
    let res = ["--frozen", "--floating"].map(receipt).into();
    copy(&here, &before);
    commit();
    res
});

/// Copies all receipts of a folder, if it exists.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).into_iter().flatten().map(|it| it.unwrap().path()) {
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Makes [`REGISTRY`] from what the registry on this machine has.
fn commit() {
    let _ = docker(&["rm", "--force", COPIER]).output();
    let start = ["run", "--name", COPIER, "--user", "0"];
    let volume = ["--volume", "science-platform-registry:/published:ro"];
    let copy = ["science-platform/registry:latest", "sh", "-c", COPY];
    run(&mut docker(&[&start[..], &volume, &copy].concat()));
    let root = format!("ENV REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY={CONTENT}");
    let changes = ["--change", &root, "--change", "USER 1000"];
    let command = ["--change", "CMD [\"start-registry\"]", COPIER, REGISTRY];
    run(&mut docker(&[&["commit"], &changes[..], &command].concat()));
    run(&mut docker(&["rm", COPIER]));
}

/// Makes what tests start from, unless an earlier test did; panics if that failed once.
pub(crate) fn make() {
    LazyLock::force(&RECEIPTS);
}

impl Checkout {
    /// Stores receipts of the images of `hello` in these modes, as if they had been tested here.
    pub(crate) fn has_tested(&self, modes: &[&str]) {
        for mode in modes {
            let (path, text) = &RECEIPTS[mode];
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}
