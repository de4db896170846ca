//! Work that several tasks share.

pub(crate) mod doctor;
pub(crate) mod hub_values;
pub(crate) mod hub_target;
pub(crate) mod hub_live;
pub(crate) mod hub_images;
pub(crate) mod hub_plan;
pub(crate) mod local_hub;
pub(crate) mod local_smoke;
pub(crate) mod hub_chart;
pub(crate) mod hub_smoke;
pub(crate) mod hub_record;
pub(crate) mod hub_question;
pub(crate) mod hub_finish;
pub(crate) mod reuse;
pub(crate) mod images;
pub(crate) mod ready_image;
pub(crate) mod secret_change;
pub(crate) mod stored_secret;
