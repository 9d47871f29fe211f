//! Keys that are replaced and stores that go away while calls run leave as little behind as a call
//! on a sunny day; what the operator allowed to be kept is there once, in the pool, and goes by
//! itself.

use std::{sync::mpsc, thread};

use keyward::secrets::memory::scanner::{Canary, Report};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    ordinary_user,
    place::{AUTHORITY, Way, app_role_settings, in_vault, settings, vault},
    proxy::RecordingProxy,
    watched::{Watched, most},
};
use crate::support::{
    environment::wait_for,
    keyward::Setup,
    openbao::TlsServer,
    openbao_api::Bao,
    upstream::{ANSWER, Upstream},
};

/// A server with `key` behind an AppRole login at `bao`, which is asked at `address`; `terms` are
/// further settings of the name. Gives the key's path too.
fn arrange(
    bao: &Bao,
    address: &str,
    key: &str,
    terms: &str,
    upstream: &Upstream,
) -> (Setup, String) {
    let (reference, role) = in_vault(bao, key);
    let breaker = "      timeout: 2s\n      breaker: { failures: 3, open_for: 500ms }\n";
    let login = app_role_settings(address, &role) + breaker;
    let bound = format!("ref: \"{reference}\"");
    let settings = settings(&login, &reference, upstream, "");
    assert!(settings.contains(&bound), "{settings}");
    let settings = settings.replace(&bound, &format!("{bound}{terms}"));
    let setup = Setup::with_config(&settings);
    role.write_secret_id(setup.folder());
    let path = reference.trim_start_matches("vault:secret/");
    (setup, path.trim_end_matches("#api_key").to_owned())
}

#[track_caller]
fn assert_counts(report: Report, inside: usize, about: &str) {
    assert!(report.outside.is_nothing(), "{about}: {report}");
    assert_eq!(most(report.inside), inside, "{about}: {report}");
}

#[track_caller]
fn assert_answered(result: &serde_json::Value) {
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
}

/// Scans until nothing of `key` is left anywhere.
#[track_caller]
fn wait_until_gone(server: &Watched, key: &str, about: &str) {
    let mut last = None;
    let gone = wait_for(|| {
        let [report] = server.scan([key]);
        last = Some(report);
        (report.inside.is_nothing() && report.outside.is_nothing()).then_some(())
    });
    assert!(gone.is_some(), "{about}: {}", last.unwrap());
}

/// What is done to a Vault from outside.
#[derive(Debug, Clone, Copy)]
enum Order {
    Stop,
    Restart,
}

/// Runs `test` as an ordinary user with a Vault of its own. The user may not end a process that
/// is not theirs, so this thread does it for them.
fn with_own_vault(test: impl FnOnce(&TlsServer, &dyn Fn(Order)) + Send) {
    let bao = TlsServer::start(&AUTHORITY);
    bao.mount_kv("secret", 2);
    let ((order, orders), (done, ended)) = (mpsc::channel(), mpsc::channel());
    thread::scope(|scope| {
        let bao = &bao;
        let tried = move || {
            let obeyed = |wish| {
                order.send(wish).unwrap();
                ended.recv().unwrap();
            };
            test(bao, &obeyed);
        };
        scope.spawn(move || ordinary_user::tries(tried));
        for order in orders {
            match order {
                Order::Stop => bao.stop(),
                Order::Restart => bao.restart(),
            }
            done.send(()).unwrap();
        }
    });
}

/// Replaces the key while a call is at the upstream with it, and looks while the second request is
/// there and after the end; `kept` copies of the new key may rest in the pool.
fn rotates(way: Way, terms: &str, kept: usize) {
    let about = format!("{}{terms}", way.name());
    let (old, new) = (Canary::random(64), Canary::random(64));
    let upstream = way.upstream(&old);
    let (setup, path) = arrange(vault(), vault().address(), &old, terms, &upstream);
    let mut server = Watched::serve(setup);
    upstream.hold();
    let call = server.start_chat();
    upstream.wait_for_key(1, &old);
    vault().put_kv2("secret", &path, &json!({ "api_key": *new }));
    upstream.take(&[&new]);
    upstream.hold_key(&new);
    upstream.wait_for_key(1, &new);
    // The second request is on its way; the first is over, and so is the old key.
    wait_until_gone(&server, &old, &format!("{about}, the old key"));
    let [flying] = server.scan([&new]);
    assert_eq!(most(flying.inside), kept, "{about}, in flight: {flying}");
    assert!(most(flying.outside) <= 2, "{about}, in flight: {flying}");
    upstream.release();
    assert_answered(&server.answer_to(call)["result"]);
    let [old, new] = server.scan_after_the_end([&old, &new]);
    assert_counts(old, 0, &format!("{about}, the old key"));
    assert_counts(new, kept, &format!("{about}, the new key"));
}

#[test]
fn a_rotation_leaves_nothing_of_the_old_key_nor_of_the_new_where_none_is_kept() {
    ordinary_user::tries(|| {
        for way in Way::ALL {
            rotates(way, "", 0);
        }
        rotates(Way::Http1, ", ttl: 1h", 1);
    });
}

#[test]
fn a_vault_that_is_sealed_and_killed_in_flight_leaves_nothing() {
    with_own_vault(|bao, order| {
        let proxy = RecordingProxy::start(&AUTHORITY, bao.address(), &AUTHORITY.pem);
        let key = Canary::random(64);
        let upstream = Way::Http1.upstream(&key);
        let (setup, _) = arrange(bao, &proxy.url(), &key, "", &upstream);
        let mut server = Watched::serve(setup);
        for kills in [false, true] {
            let about = if kills { "killed" } else { "sealed" };
            let before = upstream.seen().len();
            upstream.hold();
            let calls: Vec<u64> = (0..8).map(|_| server.start_chat()).collect();
            upstream.wait_for_requests(before + calls.len());
            if kills {
                order(Order::Stop)
            } else {
                bao.seal()
            }
            let failed = server.chat();
            assert_eq!(failed["isError"], true, "{failed}");
            upstream.release();
            for answer in server.answers_to(&calls) {
                assert_answered(&answer["result"]);
            }
            let [ended] = server.scan_after_the_end([&key]);
            assert_counts(ended, 0, about);
            order(Order::Restart);
            bao.unseal();
            let back = wait_for(|| (server.chat()["isError"] == false).then_some(()));
            assert!(back.is_some(), "{about}: {}", server.log());
            let [ended] = server.scan_after_the_end([&key]);
            assert_counts(ended, 0, &format!("{about}, and back"));
            // The logins are canaries too: the one that is held, and those before it.
            for token in proxy.tokens() {
                let token = Zeroizing::new(token);
                let [report] = server.scan([&token]);
                assert!(report.outside.is_nothing(), "{about}, a login: {report}");
                assert!(most(report.inside) <= 1, "{about}, a login: {report}");
            }
        }
    });
}

#[test]
fn a_key_that_is_kept_is_there_once_and_goes_at_its_end_though_nobody_asks() {
    ordinary_user::tries(|| {
        for way in Way::ALL {
            let key = Canary::random(64);
            let upstream = way.upstream(&key);
            let terms = ", ttl: 5s";
            let (setup, _) = arrange(vault(), vault().address(), &key, terms, &upstream);
            let mut server = Watched::serve(setup);
            assert_answered(&server.chat());
            let [kept] = server.scan_after_the_end([&key]);
            assert_counts(kept, 1, way.name());
            wait_until_gone(&server, &key, way.name());
        }
    });
}

#[test]
fn a_key_that_bridges_an_outage_is_there_once_and_goes_at_its_bound() {
    with_own_vault(|bao, order| {
        let key = Canary::random(64);
        let upstream = Way::Http1.upstream(&key);
        let terms = ", ttl: 100ms, stale_if_error: 6s";
        let (setup, _) = arrange(bao, bao.address(), &key, terms, &upstream);
        let mut server = Watched::serve(setup);
        assert_answered(&server.chat());
        order(Order::Stop);
        let bridged = wait_for(|| {
            assert_answered(&server.chat());
            server
                .log()
                .contains("as `stale_if_error` allows")
                .then_some(())
        });
        assert!(bridged.is_some(), "{}", server.log());
        let [kept] = server.scan_after_the_end([&key]);
        assert_counts(kept, 1, "while it bridges");
        wait_until_gone(&server, &key, "beyond its bound");
        assert_eq!(server.chat()["isError"], true);
    });
}
