//! What Keyward promises, tried on the real binary against real servers: one module a promise.
//!
//! All promises share one crate, so that the servers they start are started once. `scripts/test`
//! makes what they need.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says where and stops"
)]

#[expect(
    dead_code,
    reason = "support is complete by server, not by what a promise uses today"
)]
mod support;

mod promises {
    mod abuse;
    mod aimock;
    mod approval;
    mod arrangement;
    mod audit;
    mod audit_kills;
    mod aws;
    mod aws_logins;
    mod backends;
    mod binding;
    mod bursts;
    mod calls;
    mod configuration;
    mod demo;
    mod destinations;
    mod exchanged;
    mod exec;
    mod guarded;
    mod http_token;
    mod leaks;
    mod leases;
    mod limits;
    mod memory_proof;
    mod operator;
    mod outages;
    mod papers;
    mod policy;
    mod progress;
    mod providers_live;
    mod proxies;
    mod redaction;
    mod rotation;
    mod stored;
    mod tools;
    mod transports;
    mod upstream_tls;
    mod vault;
    mod vault_logins;
    mod vendors;
    mod workspace;
}
