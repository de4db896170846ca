//! What several tasks do, with the desk that every task starts from.

pub(crate) mod doctor;
pub(crate) mod images;
pub(crate) mod ready_image;
pub(crate) mod secret_change;
pub(crate) mod stored_secret;
