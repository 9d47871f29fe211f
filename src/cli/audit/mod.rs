//! `keyward audit`: reads and verifies the audit.
