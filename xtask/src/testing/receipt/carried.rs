//! Results that carried over from other images, and the digests by which results do.

use serde::{Deserialize, Serialize};

use super::{Name, Receipt, Test, present};
use crate::{mission::test_kind::TestKind, run::printable, tools::image_name::ImageId};

/// What an environment's tests depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dependencies {
    /// Digest over all that the results depend on.
    pub(crate) digest: String,
    /// Digest of the environment's own files in the checkout, as sent to docker; missing in receipts
    /// of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub(crate) sources: Option<String>,
    /// Origin of the results, if they carried over.
    #[serde(default)]
    pub(crate) carried: Option<Origin>,
}

/// A run of tests whose results carry over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    /// Image in which the tests ran.
    pub(crate) image: ImageId,
    /// Start of that run, RFC 3339, UTC.
    pub(crate) started: String,
}

impl Receipt {
    /// Returns the environments whose results carried over, with the origin of each.
    pub(crate) fn carried_over(&self) -> impl Iterator<Item = (&Name, &Origin)> {
        self.dependencies.iter().filter_map(|(name, it)| Some((name, it.carried.as_ref()?)))
    }

    /// Returns the origin of a test's result, if it carried over.
    pub(crate) fn origin(&self, test: &Test) -> Option<&Origin> {
        let known = self.dependencies.get(test.environment.as_str())?;
        known.carried.as_ref().filter(|_| test.may_carry_over())
    }

    /// Returns where the results of an environment are from: another image, or this one.
    pub(crate) fn origin_of(&self, environment: &Name) -> Origin {
        let carried = self.dependencies.get(environment).and_then(|it| it.carried.clone());
        let own = || Origin { image: self.image.clone(), started: self.started.clone() };
        carried.unwrap_or_else(own)
    }
}

impl Test {
    /// Returns whether the test is one of an environment, and not of the image as a whole: a kernel is
    /// started as a hub starts it.
    pub(crate) fn may_carry_over(&self) -> bool {
        !self.environment.is_empty() && self.kind != TestKind::Kernel
    }
}

impl Origin {
    /// Returns a note about results with this origin.
    pub(crate) fn note(&self) -> String {
        let note =
            format!("carried over from image {}, tested {}", self.image.short(), self.started);
        printable::line(&note)
    }
}
