//! Model providers: one folder per wire protocol. Vendors that speak one of them are presets in
//! `config/models/`, not code.

pub mod openai;
