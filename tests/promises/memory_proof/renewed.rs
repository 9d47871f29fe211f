//! A token that was renewed rests as one that was not.

use std::{thread, time::Instant};

use keyward::secrets::memory::scanner::{Canary, Report};
use serde_json::json;

use super::{
    ordinary_user,
    place::{AUTHORITY, Way, app_role_settings, in_vault, settings, vault, vault_settings},
    proxy::RecordingProxy,
    watched::{Watched, after_the_end, most},
};
use crate::support::{
    environment::PATIENCE,
    keyward::{Setup, write_private},
    upstream::ANSWER,
};

/// Long enough that a busy machine renews in time, at two thirds of it.
const LIFE: &str = "9s";

/// Calls until the token has been renewed, and looks for it then and after a further call.
fn after_renewal(is_ours: bool) -> [Report; 2] {
    let key = Canary::random(64);
    let upstream = Way::Http1.upstream(&key);
    let (reference, role) = in_vault(vault(), &key);
    let proxy = RecordingProxy::start(&AUTHORITY, vault().address(), &AUTHORITY.pem);
    let supplied = Canary::random(95);
    let provider = if is_ours {
        let settings = json!({ "token_ttl": LIFE, "token_policies": [role.name] });
        vault().put(&format!("auth/approle/role/{}", role.name), &settings);
        app_role_settings(&proxy.url(), &role)
    } else {
        let made = json!({ "id": *supplied, "policies": [role.name], "ttl": LIFE });
        vault().put("auth/token/create", &made);
        vault_settings(&proxy.url(), "token_file: token")
    };
    let setup = Setup::with_config(&settings(&provider, &reference, &upstream, ""));
    role.write_secret_id(setup.folder());
    write_private(&setup.folder().join("token"), &supplied);
    let mut server = Watched::serve(setup);
    let end = Instant::now() + PATIENCE;
    while proxy.count("renew-self") == 0 {
        assert!(Instant::now() < end, "it is not renewed");
        assert_eq!(server.chat()["structuredContent"]["answer"], ANSWER);
    }
    let token = match proxy.tokens().as_slice() {
        [ours] => ours.clone(),
        others => {
            assert_eq!((is_ours, others.len()), (false, 0), "no further login");
            supplied.to_string()
        }
    };
    after_the_end();
    let [renewed, _] = server.scan([&token, &key]);
    assert_eq!(server.chat()["structuredContent"]["answer"], ANSWER);
    let [used, of_key] = server.scan_after_the_end([&token, &key]);
    assert!(of_key.inside.is_nothing() && of_key.outside.is_nothing());
    assert!(server.close().success());
    [renewed, used]
}

#[test]
fn a_renewed_token_is_once_in_the_pool_if_it_is_ours_and_else_nowhere() {
    ordinary_user::tries(|| {
        let [ours, supplied] = thread::scope(|scope| {
            let both = [true, false].map(|is_ours| scope.spawn(move || after_renewal(is_ours)));
            both.map(|reports| reports.join().unwrap())
        });
        for (what, reports, inside) in [("ours", ours, 1), ("of a file", supplied, 0)] {
            for report in reports {
                println!("token {what}, renewed: {report}");
                assert_eq!(most(report.inside), inside, "{what}: {report}");
                assert!(report.outside.is_nothing(), "{what}: {report}");
            }
        }
    });
}
