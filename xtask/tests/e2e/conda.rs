//! Missions on a conda base in docker-stacks' layout, floating and frozen, from real channels. The
//! stand-in of `common/image/tests/conda_base` installs and solves.

mod base;
mod container;
mod servers;
mod spoilt;

use serde_json::{Value, json};

use crate::{checkout::Rows, leaks};
use base::Base;

/// `env-clone base`, `install-common` and lists.
const CLASSIC: &str = "roman-classic";
/// A `.yml` with channels, conda packages and pip lines of all kinds; and an extension in base.
const SURVEY: &str = "survey";
const BOTH: [&str; 2] = [CLASSIC, SURVEY];

#[test]
fn missions_on_a_conda_base() {
    let mut base = Base::new();
    let floating = floating_by_tag_then_by_digest(&mut base);
    let frozen = frozen_to_the_same_bytes(&base);
    let files = |images: &Rows| container::files(&images.text(CLASSIC, "tag"), "roman-cal");
    assert_eq!(files(&floating), files(&frozen), "a clone has other files than its frozen build");
    why_and_diff(&base);
    no_credential_stays(&base, &[floating, frozen]);
    spoilt::each_part_fails_by_name(&base);
    spoilt::a_withdrawn_file_fails_by_name(&base);
}

/// Defect: the digest's arrival rebuilt everything for the same bytes.
fn floating_by_tag_then_by_digest(base: &mut Base) -> Rows {
    base.checkout.set("BASE_IMAGE", &base.names[0].clone());
    let rows = base.all("image-all", &["--floating"]);
    for mission in BOTH {
        assert!(rows.number(mission, "passed") > 5 && rows.number(mission, "failed") == 0);
        assert!(rows.text(mission, "tag").starts_with(&base.registry.host), "not pushed");
    }
    assert_eq!(base.freeze(&["--check"]).status, Some(0));
    let refused = base.run("image-build", &["--frozen"]);
    assert_eq!(refused.status, Some(2), "a frozen build took a base without a digest");
    assert!(refused.stderr.contains("BASE_IMAGE") && refused.stderr.contains("@sha256:"));

    base.checkout.set("BASE_IMAGE", &base.names[1].clone());
    let rows = base.all("image-build", &["--floating"]);
    rows.did_nothing();
    assert_eq!(base.freeze(&["--check"]).status, Some(0));
    base.checkout.commit();
    rows
}

fn frozen_to_the_same_bytes(base: &Base) -> Rows {
    let rows = base.all("image-all", &["--frozen"]);
    for mission in BOTH {
        assert!(rows.number(mission, "passed") > 5 && rows.number(mission, "failed") == 0);
    }
    let verified = base.freeze(&["--verify", "--json"]);
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    let verdicts: Vec<&Value> =
        verified.as_array().unwrap().iter().map(|it| &it["verdict"]).collect();
    assert_eq!(verdicts, ["identical"; 3]);
    let spec = base.checkout.read("missions/survey/environments/base/base-frozen.yml");
    let pins: Vec<&str> =
        spec.lines().filter(|it| it.contains("sha256=") || it.contains("==")).collect();
    assert!(matches!(pins[..], [one] if one.contains("jupyter-resource-usage==")), "{spec}");
    let spec = base.checkout.read("missions/survey/environments/survey/survey-frozen.yml");
    assert!(spec.contains("channels:\n  - conda-forge\n  - private\n"), "not by name: {spec}");
    let rows = base.all("image-all", &["--frozen"]);
    rows.did_nothing();
    assert_eq!(base.checkout.git(&["status", "--porcelain"]), "", "a frozen build wrote");
    rows
}

/// Defects: packages that only a dependency brought, and Python's names of conda packages.
fn why_and_diff(base: &Base) {
    let chains = |package: &str, mission: &str| -> Value {
        let run = base.checkout.run(&["why", package, mission, "--json"]);
        assert_eq!(run.status, Some(0), "why {package}");
        let answers: Value = serde_json::from_str(&run.stdout).unwrap();
        answers[0]["chains"].clone()
    };
    let brought = &chains("libopenblas", SURVEY)[0];
    assert_eq!(brought["packages"], json!(["blas", "libopenblas"]));
    assert_eq!(brought["list"], "survey.conda");
    let named = &chains("opencv-python", CLASSIC);
    assert!(named.to_string().contains("roman-cal.conda:2: py-opencv"), "{named}");

    let list = "missions/survey/environments/survey/survey.conda";
    base.checkout.write(list, &(base.checkout.read(list) + "eggy\n"));
    base.checkout.rows(&["image-build", SURVEY, "--floating"]);
    let diff = base.checkout.run(&["diff", SURVEY, "--json"]);
    let diff: Value = serde_json::from_str(&diff.stdout).unwrap();
    assert_eq!(
        diff["changes"],
        json!([{ "name": "eggy", "kind": "added", "old": null, "new": "1.2" }])
    );
    base.checkout.reset();
}

/// Neither the values of settings nor their destinations, in any layer or in any file that git
/// tracks.
fn no_credential_stays(base: &Base, built: &[Rows]) {
    let needles = [base.served.credentials.clone()];
    for (images, mission) in built.iter().flat_map(|it| BOTH.map(|mission| (it, mission))) {
        let image = images.text(mission, "tag");
        assert_eq!(leaks::search(&image, &needles), [false], "{image} holds the credentials");
    }
    for file in base.checkout.git(&["ls-files", "missions"]).lines() {
        assert!(!base.checkout.read(file).contains(&needles[0]), "{file}");
    }
}
