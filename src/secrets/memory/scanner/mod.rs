//! The scanner: what is left of a key in another process, counted from outside.
