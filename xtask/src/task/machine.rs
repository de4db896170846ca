//! Tasks about this machine, and the tests of this repository.

pub(crate) mod doctor;
pub(crate) mod quickstart;
pub(crate) mod bench;
pub(crate) mod ci;
pub(crate) mod completion;
