//! A call that fails leaves as little behind as one that does not.

use std::io;

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use keyward::secrets::memory::scanner::{Canary, Report};
use serde_json::{Value, json};

use super::{
    ordinary_user,
    place::{
        AUTHORITY, Arranged, Place, Way, app_role_settings, arrange, in_vault, settings, vault,
    },
    proxy::RecordingProxy,
    watched::{Watched, most},
};
use crate::support::{
    keyward::Setup,
    upstream::{Seen, completion, events, json_answer},
};

/// Places that keep nothing, so that nothing may be left anywhere.
const PLACES: [Place; 2] = [Place::File, Place::VaultAppRole];

#[track_caller]
fn assert_clean(report: Report, rest: usize, about: &str) {
    assert!(report.outside.is_nothing(), "{about}: {report}");
    assert_eq!(most(report.inside), rest, "{about}: {report}");
}

/// Calls once with an upstream that answers as `script` says, and looks after the end.
fn after(script: fn(&Seen) -> Option<Response>, is_right: fn(&Value) -> bool) {
    for place in PLACES {
        for way in Way::ALL {
            let about = format!("{}, {}", place.name(), way.name());
            let Arranged {
                setup,
                key,
                upstream,
                ..
            } = arrange(place, way, "");
            upstream.script(script);
            let mut server = Watched::serve(setup);
            let result = server.chat();
            assert!(is_right(&result), "{about}: {result}");
            let [ended] = server.scan_after_the_end([&key]);
            assert_eq!(upstream.keys(), [Some(key.to_string())], "{about}");
            assert_clean(ended, 0, &about);
            assert!(!result.to_string().contains(key.as_str()), "{about}");
        }
    }
}

fn key_of(seen: &Seen) -> String {
    seen.key().unwrap_or_default().to_owned()
}

#[test]
fn a_refusal_that_quotes_the_key_leaves_nothing() {
    ordinary_user::tries(|| {
        after(
            |seen| {
                let key = key_of(seen);
                let error = json!({ "error": { "message": format!("Incorrect API key: {key}"),
                                               "code": "invalid_api_key", "param": key } });
                let mut answer = json_answer(StatusCode::UNAUTHORIZED, &error);
                answer
                    .headers_mut()
                    .insert("x-request-id", key.parse().ok()?);
                Some(answer)
            },
            |result| result["isError"] == true,
        );
    });
}

#[test]
fn an_answer_that_holds_the_key_leaves_nothing() {
    ordinary_user::tries(|| {
        after(
            |seen| {
                let text = format!("Your key is {}, is it not?", key_of(seen));
                Some(json_answer(StatusCode::OK, &completion(&text)))
            },
            |result| result["structuredContent"]["answer"].is_string(),
        );
    });
}

#[test]
fn an_upstream_that_breaks_off_leaves_nothing() {
    ordinary_user::tries(|| {
        after(
            |seen| {
                let whole = events(&format!("{} and more", key_of(seen)), false);
                let half = Bytes::from(whole.split_at(whole.len() / 2).0.to_owned());
                let broken = Err(io::Error::other("broken off on purpose"));
                let body = Body::from_stream(stream::iter([Ok(half), broken]));
                Some(([(header::CONTENT_TYPE, "text/event-stream")], body).into_response())
            },
            |result| result["isError"] == true,
        );
    });
}

#[test]
fn an_upstream_that_is_left_in_flight_keeps_nothing_of_ours() {
    ordinary_user::tries(|| {
        for place in PLACES {
            for way in Way::ALL {
                let about = format!("{}, {}", place.name(), way.name());
                let Arranged {
                    setup,
                    key,
                    upstream,
                    ..
                } = arrange(place, way, "");
                upstream.hold();
                let mut server = Watched::serve(setup);
                let call = server.start_chat();
                upstream.wait_for_requests(1);
                server.notify("notifications/cancelled", json!({ "requestId": call }));
                upstream.wait_for_abandoned(1);
                let [ended] = server.scan_after_the_end([&key]);
                assert_clean(ended, 0, &about);
            }
        }
    });
}

/// Vault sends the key, all but the last bytes of its answer, and then nothing more until the
/// deadline.
#[test]
fn a_vault_that_answers_late_leaves_nothing() {
    ordinary_user::tries(|| {
        for way in Way::ALL {
            let key = Canary::random(64);
            let upstream = way.upstream(&key);
            let (reference, role) = in_vault(vault(), &key);
            let proxy = RecordingProxy::start(&AUTHORITY, vault().address(), &AUTHORITY.pem);
            proxy.stall("/data/");
            let late = app_role_settings(&proxy.url(), &role) + "      timeout: 3s\n";
            let setup = Setup::with_config(&settings(&late, &reference, &upstream, ""));
            role.write_secret_id(setup.folder());
            let mut server = Watched::serve(setup);
            let result = server.chat();
            assert_eq!(result["isError"], true, "{result}");
            assert!(proxy.passed(&key), "the key was on its way");
            assert!(upstream.seen().is_empty());
            let [ended] = server.scan_after_the_end([&key]);
            assert_clean(ended, 0, way.name());
        }
    });
}
