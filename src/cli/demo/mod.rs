//! The demo: a call from an AI client to a model, and what each party saw of it.

pub mod upstream;
