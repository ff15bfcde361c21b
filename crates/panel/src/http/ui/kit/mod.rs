//! What pages are made of: forms, the frame around them, who may open them, and their words.

pub(crate) mod assets;
pub(crate) mod bytes;
pub(crate) mod confirm;
pub(crate) mod form;
pub(crate) mod frame;
pub(crate) mod gate;
pub(crate) mod message;
pub(crate) mod moment;
pub(crate) mod once;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod state;
pub(crate) mod style;
pub(crate) mod texts;
