//! What a store, or something that answers in its place, may send instead of an answer: each call
//! ends within the provider's deadline, with an error that says what came and repeats none of it.
//!
//! Redirects, quoting servers, silent ones and endless bodies at the provider itself are in
//! `providers_live`.

use super::{honest, in_vault, serve};
use crate::support::{
    crowd::Crowd,
    misbehaving::{Manner, Misbehaving},
    openbao::DevServer,
    upstream::{Dialect, Upstream},
};

const CALLS: usize = 20;
const SENT: &str = "sk-sentbywhoisnovault0a1B2c3D4e5F";

#[track_caller]
fn assert_honest(manner: Manner, told: &str) {
    let store = Misbehaving::start(manner, SENT);
    let upstream = Upstream::start(Dialect::OpenAi, Some(SENT));
    let more = "      timeout: 500ms\n      retries: 1\n";
    let reference = "vault:secret/ai#api_key";
    let bao = DevServer::shared();
    let setup = in_vault(&upstream, &store.url(), reference, "", more, bao);
    let mut keyward = serve(setup.env("KEYWARD_LOG_LEVEL", "debug"));
    let ended = Crowd::gather(&mut keyward, CALLS).disperse();
    assert_eq!(honest(&ended), (0, CALLS), "{manner:?}");
    assert!(upstream.seen().is_empty(), "{manner:?}");
    keyward.close();
    let log = keyward.process.stderr_to_end();
    assert!(log.contains(told), "{manner:?}: {told:?} in\n{log}");
    assert!(!log.contains(&SENT[3..15]), "{manner:?}: {log}");
}

#[test]
fn an_answer_that_dribbles_ends_with_the_deadline() {
    assert_honest(Manner::DribblesHead, "did not answer in time");
    assert_honest(Manner::DribblesBody, "did not answer in time");
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    assert_honest(Manner::BreaksOff, "broke the connection off");
}

#[test]
fn an_answer_of_ten_megabytes_is_not_read_to_its_end() {
    assert_honest(Manner::Long, "bytes");
    assert_honest(Manner::LongUnannounced, "bytes");
}

#[test]
fn a_web_page_is_no_answer() {
    assert_honest(Manner::Page, "not in Vault's words");
}
