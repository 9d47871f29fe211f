//! The proof for each vendor's protocol: the key is in another header, and the answer takes another
//! way through the program.

use std::{panic::resume_unwind, thread};

use keyward::secrets::memory::scanner::Canary;

use super::{
    ordinary_user,
    place::{AUTHORITY, settings},
    watched::{Watched, most},
};
use crate::support::{
    keyward::Setup,
    tls::Protocol,
    upstream::{ANSWER, Dialect, Upstream},
    vendors::Vendor,
};

#[test]
fn no_vendors_protocol_leaves_anything_of_a_key_behind() {
    ordinary_user::tries(|| {
        thread::scope(|scope| {
            let ways = [Protocol::Http1, Protocol::Http2];
            let ways = ways.map(|way| scope.spawn(move || proven(way)));
            for way in ways {
                way.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
        });
    });
}

fn proven(way: Protocol) {
    for vendor in Vendor::ALL {
        let about = format!("{vendor:?}, {way:?}");
        let key = Canary::random(51);
        let upstream = Upstream::start_tls(&AUTHORITY, way, Dialect::Of(vendor), Some(&key));
        let own = format!("      {}\n", vendor.settings());
        let config = settings("", "env:STAND_IN_KEY", &upstream, &own);
        let protocol = format!("protocol: {}", vendor.protocol());
        let config = config.replace("protocol: openai", &protocol);
        let setup = Setup::with_config(&config).env("STAND_IN_KEY", key.as_str());
        let mut server = Watched::serve(setup);
        upstream.hold();
        let call = server.start_chat();
        upstream.wait_for_requests(1);
        let [flying, ..] = server.scan([key.as_str(); 3]);
        upstream.release();
        let answer = server.answer_to(call);
        assert_eq!(
            answer["result"]["structuredContent"]["answer"], ANSWER,
            "{about}: {answer}"
        );
        let [ended, ..] = server.scan_after_the_end([key.as_str(); 3]);
        assert!(most(flying.outside) <= 2, "{about}, in flight: {flying}");
        assert!(ended.outside.is_nothing(), "{about}, ended: {ended}");
        assert_eq!(most(ended.inside), 1, "{about}, ended: {ended}");
    }
}
