//! What redaction promises as a whole.
