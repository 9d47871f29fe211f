//! A dynamic secret is held as long as its lease: in the pool, and nowhere else.

use keyward::secrets::memory::scanner::Report;
use serde_json::json;

use super::{
    ordinary_user,
    phases::numbers,
    place::{AUTHORITY, Way, app_role_settings, settings, vault},
    proxy::RecordingProxy,
    watched::{Watched, most},
};
use crate::support::{
    keyward::Setup,
    postgres::Postgres,
    upstream::{ANSWER, event_stream, events},
};

#[test]
fn a_leased_password_is_once_in_the_pool_between_calls_and_outside_only_in_flight() {
    // It is started as root where root runs the tests.
    let postgres = Postgres::shared();
    ordinary_user::tries(|| {
        let lender = postgres.lend(vault(), "10m", "1h");
        let rules = format!("path \"{}\" {{ capabilities = [\"read\"] }}", lender.path());
        let role = vault().app_role(&rules, &json!({}));
        let proxy = RecordingProxy::start(&AUTHORITY, vault().address(), &AUTHORITY.pem);
        // It takes any key: what was made a moment ago, no stand-in can know.
        let upstream = Way::Http1.upstream("any");
        upstream.script(|_| Some(event_stream(&events(ANSWER, true))));
        // No KV here: what the mount is, Vault is not asked either.
        let provider = app_role_settings(&proxy.url(), &role).replace("      kv: 2\n", "");
        let strict = "      connections: strict\n";
        let reference = lender.reference("password");
        let setup = Setup::with_config(&settings(&provider, &reference, &upstream, strict));
        role.write_secret_id(setup.folder());
        let mut server = Watched::serve(setup);
        let mut reports: Vec<(&str, Report)> = Vec::new();
        for (number, [flying, ended]) in [
            (1, ["made, in flight", "made, ended"]),
            (2, ["held, in flight", "held, ended"]),
        ] {
            upstream.hold();
            let call = server.start_chat();
            upstream.wait_for_requests(number);
            let keys = upstream.keys();
            let password = keys.last().unwrap().clone().expect("a key was sent");
            let [in_flight] = server.scan([&password]);
            upstream.release();
            let answer = server.answer_to(call);
            let text = &answer["result"]["structuredContent"]["answer"];
            assert_eq!(text, ANSWER, "{answer}\n{}", server.log());
            let [after] = server.scan_after_the_end([&password]);
            reports.extend([(flying, in_flight), (ended, after)]);
        }
        for (moment, report) in &reports {
            println!("leased password, {moment}: {}", numbers(*report));
        }
        for (moment, report) in reports {
            let is_ended = moment.ends_with("ended");
            let outside = if is_ended { 0 } else { 2 };
            assert_eq!(most(report.inside), 1, "{moment}: {report}");
            assert!(most(report.outside) <= outside, "{moment}: {report}");
        }
        assert_eq!(proxy.count("/creds/"), 1, "both calls had the same lease");
        assert!(server.close().success());
        lender.wait_for_accounts(0);
    });
}
