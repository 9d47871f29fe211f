//! Redaction: what must not leave, found by what it looks like.
