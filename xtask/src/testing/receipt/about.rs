//! Whether a receipt belongs to an image: each identifying field must agree with the image's
//! labels.

use std::collections::BTreeMap;

use anyhow::ensure;

use super::{Name, Receipt};
use crate::tools::docker::{Image, LABEL_COMMIT, LABEL_FROZEN, LABEL_INPUTS, LABEL_MISSION};

impl Receipt {
    /// Checks that this receipt belongs to `image` of `mission`, which is on the engine.
    pub(crate) fn check_about(&self, mission: &str, image: &Image) -> anyhow::Result<()> {
        ensure!(*self.mission == *mission, "the receipt is about the mission {}", self.mission);
        ensure!(self.image == image.id, "the receipt is about another image ({})", self.image);
        self.check_labels(image)
    }

    /// Checks like [`Receipt::check_about`], for an image that is known by its digest to be the
    /// receipt's. Images of earlier versions have no label for the mission and its frozen specs.
    pub(crate) fn check_labels(&self, image: &Image) -> anyhow::Result<()> {
        let label = |name| image.label(name).unwrap_or_default();
        let platform = image.platform();
        ensure!(
            self.platform == platform,
            "the receipt is about {}, the image {platform}",
            self.platform
        );
        ensure!(
            self.inputs == label(LABEL_INPUTS),
            "the receipt names other inputs than the image"
        );
        ensure!(
            self.commit == label(LABEL_COMMIT),
            "the receipt names another commit than the image"
        );
        if let Some(mission) = image.label(LABEL_MISSION) {
            let named = &self.mission;
            ensure!(
                **named == *mission,
                "the receipt is about the mission {named}, the image {mission}"
            );
        }
        if image.label(LABEL_FROZEN).is_some() {
            let agree = self.frozen_specs == frozen_specs(image);
            ensure!(agree, "the receipt names other frozen specs than the image");
        }
        Ok(())
    }
}

/// Returns the SHA-256 of each frozen spec that an image was built from, by environment.
pub(crate) fn frozen_specs(image: &Image) -> BTreeMap<Name, String> {
    let label = image.label(LABEL_FROZEN).unwrap_or_default();
    serde_json::from_str(label).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{testing::receipt::Receipt, tools::docker::Image};

    const CORPUS: &str = include_str!("../../../tests/receipts.json");

    fn receipt() -> Value {
        serde_json::from_str::<Value>(CORPUS).unwrap()["receipt"].take()
    }

    /// Returns the image of [`receipt`] as the engine describes it.
    fn image() -> Value {
        let receipt = receipt();
        json!({
            "Id": receipt["image"], "Size": 1, "Created": "", "Os": "linux", "Architecture": "amd64",
            "Config": { "Labels": {
                "science-platform.inputs": receipt["inputs"],
                "science-platform.mission": "hello",
                "science-platform.frozen-specs": receipt["frozen_specs"].to_string(),
            }},
        })
    }

    fn check(receipt: &Value, image: &Value) -> Result<(), String> {
        let receipt = Receipt::parse(&receipt.to_string()).unwrap();
        let image: Image = serde_json::from_value(image.clone()).unwrap();
        receipt.check_about("hello", &image).map_err(|err| err.to_string())
    }

    #[test]
    fn one_of_this_image() {
        assert_eq!(check(&receipt(), &image()), Ok(()));
        let mut old = image();
        let labels = old["Config"]["Labels"].as_object_mut().unwrap();
        labels.retain(|name, _| name == "science-platform.inputs");
        assert_eq!(check(&receipt(), &old), Ok(()));
    }

    #[test]
    fn each_field_that_identifies_is_compared() {
        let (hex, digest) = ("e".repeat(64), format!("sha256:{}", "e".repeat(64)));
        for (field, to, reason) in [
            ("mission", json!("roman"), "the receipt is about the mission roman"),
            ("image", json!(digest), "the receipt is about another image"),
            (
                "platform",
                json!("linux/arm64"),
                "the receipt is about linux/arm64, the image linux/amd64",
            ),
            ("inputs", json!(hex), "the receipt names other inputs"),
            ("frozen_specs", json!({}), "the receipt names other frozen specs"),
            ("frozen_specs", json!({ "hello": hex }), "the receipt names other frozen specs"),
        ] {
            let mut other = receipt();
            other[field] = to;
            let err = check(&other, &image()).unwrap_err();
            assert!(err.starts_with(reason), "{field}: {err}");
        }
        for (label, to) in [("inputs", "e"), ("mission", "roman"), ("frozen-specs", "{}")] {
            let mut other = image();
            other["Config"]["Labels"][format!("science-platform.{label}")] = to.into();
            check(&receipt(), &other).unwrap_err();
        }
        let mut unlabelled = image();
        unlabelled["Config"]["Labels"] = Value::Null;
        check(&receipt(), &unlabelled).unwrap_err();
    }
}
