//! The keys that are out: every value that the broker handed out, recognisable and not readable.
