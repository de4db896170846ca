//! A change rebuilds only the layers that depend on it; read from the builder's own output.

use crate::checkout::Checkout;

const DIR: &str = "missions/rebuilt/environments/hello";
const CREATE: &str = "env-create hello";
const UPDATE: &str = "env-update hello";

/// LESSONS: cache-bust, flag-first.
#[test]
fn a_change_rebuilds_only_what_depends_on_it() {
    let checkout = Checkout::of_copy("rebuilt");
    let floating = ["image-build", "rebuilt", "--floating"];
    // Another test may have emptied the builder's cache, and left the image.
    let pip = format!("{DIR}/hello.pip");
    checkout.write(&pip, &format!("{}# {}\n", checkout.read(&pip), checkout.mark()));
    checkout.rows(&floating);
    let again = checkout.rows(&floating);
    again.did_nothing();

    checkout.write(&format!("{DIR}/tests/data.txt"), &checkout.mark());
    assert_eq!(checkout.rows(&floating).action("rebuilt"), "built");
    assert!(
        checkout.was_cached("rebuilt", CREATE) && checkout.was_cached("rebuilt", UPDATE),
        "a test edit rebuilt the environment"
    );

    checkout.write(&pip, &format!("{}humanize\n# {}\n", checkout.read(&pip), checkout.mark()));
    let rows = checkout.rows(&floating);
    assert_eq!(
        (rows.action("common").as_str(), rows.action("rebuilt").as_str()),
        ("unchanged", "built")
    );
    assert!(checkout.was_cached("rebuilt", CREATE), "an edit of hello.pip reran env-create");
    assert!(
        !checkout.was_cached("rebuilt", UPDATE),
        "an edit of hello.pip did not rerun env-update"
    );

    let frozen = format!("{DIR}/hello-frozen.yml");
    assert!(checkout.read(&frozen).contains("- humanize=="), "the floating build did not freeze");
    checkout.write(&frozen, &checkout.read(&frozen).replace("humanize", "other"));
    assert_eq!(
        checkout.rows(&floating).action("rebuilt"),
        "unchanged",
        "a frozen edit matters to a floating build"
    );

    let flipped = checkout.run(&["-n", "image-build", "rebuilt", "--frozen"]);
    assert!(
        !flipped.stdout.contains("/common:latest"),
        "flipping USE_FROZEN rebuilds the common image"
    );
}
