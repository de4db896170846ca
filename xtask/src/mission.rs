//! The folders of a checkout and its missions, their Dockerfiles, and the tests that a mission must run.

pub(crate) mod checkout;
pub(crate) mod file_content;
pub(crate) mod dockerfile;
pub(crate) mod test_kind;
pub(crate) mod expected_tests;
pub(crate) mod frozen_environments;
