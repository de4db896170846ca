use super::check;
use crate::{
    testing::receipt::{Name, Outcome, Receipt},
    tools::{docker::RemoteImage, image_name::ImageId},
};

const CORPUS: &str = include_str!("../../../tests/receipts.json");

/// Returns a receipt that certifies, and the image that it belongs to.
fn whole() -> (Receipt, RemoteImage) {
    let corpus: serde_json::Value = serde_json::from_str(CORPUS).unwrap();
    let receipt = Receipt::parse(&corpus["receipt"].to_string()).unwrap();
    let remote = RemoteImage {
        digest: receipt.published[0].digest.clone(),
        config: receipt.image.clone(),
        platform: receipt.platform.clone(),
    };
    (receipt, remote)
}

fn other() -> ImageId {
    format!("sha256:{}", "e".repeat(64)).parse().unwrap()
}

#[track_caller]
fn refused(change: impl Fn(&mut Receipt, &mut RemoteImage), reason: &str) {
    let (mut receipt, mut image) = whole();
    let digest = image.digest.clone();
    change(&mut receipt, &mut image);
    let err = check(&receipt, "hello", &digest, &image).unwrap_err();
    assert!(format!("{err:#}").starts_with(reason), "{err:#}");
}

#[test]
fn one_that_certifies() {
    let (receipt, image) = whole();
    check(&receipt, "hello", &image.digest, &image).unwrap();
}

#[test]
fn one_of_another_image() {
    refused(|it, _| it.image = other(), "the receipt is about another image");
    refused(|_, it| it.config = other(), "the receipt is about another image");
    refused(
        |_, it| it.platform = "linux/arm64".to_owned(),
        "the receipt is about linux/amd64, the image",
    );
    refused(
        |it, _| it.mission = Name::try_from("roman").unwrap(),
        "the receipt is about the mission roman",
    );
    refused(|it, _| it.published.clear(), "the receipt does not list this digest");
}

#[test]
fn one_that_proves_nothing() {
    refused(|it, _| it.complete = false, "partial: ");
    refused(|it, _| it.tests[0].outcome = Outcome::Failed, "its tests failed (hello: consistency");
    refused(|it, _| it.tests.clear(), "no tests");
}
