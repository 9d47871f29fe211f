//! The rules that come with the program, as files that anyone can read and build on.
//!
//! The order counts: of two rules that find the same text, the earlier one is told.

/// A file's name, and what is in it.
pub(in super::super) const FILES: [(&str, &str); 5] = [
    (
        "cloud.toml",
        include_str!("../../../../config/redaction/cloud.toml"),
    ),
    (
        "hosting.toml",
        include_str!("../../../../config/redaction/hosting.toml"),
    ),
    (
        "models.toml",
        include_str!("../../../../config/redaction/models.toml"),
    ),
    (
        "services.toml",
        include_str!("../../../../config/redaction/services.toml"),
    ),
    (
        "generic.toml",
        include_str!("../../../../config/redaction/generic.toml"),
    ),
];
