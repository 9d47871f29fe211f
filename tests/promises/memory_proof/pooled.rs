//! `connections: pooled`: what a kept connection keeps, and for how long.

use std::{
    thread,
    time::{Duration, Instant},
};

use keyward::secrets::memory::scanner::{Findings, Report};

use super::{
    ordinary_user,
    place::{Arranged, Place, Way, arrange},
    watched::Watched,
};
use crate::support::{environment::PATIENCE, upstream::ANSWER};

/// How many calls each server answers, one after the other.
const CALLS: usize = 6;

const ONE_COPY: Findings = Findings {
    full_copies: 1,
    largest_fragment_count: 1,
    base64: 0,
    huffman: 0,
};

/// No copy, but the Huffman code of the header, wherever a request of the connection has stood in
/// its write buffer: behind the preface, at the front, or behind another frame. That is once a
/// request at the most; two places were seen on a quiet machine, three on a busy one.
const HTTP_2: Findings = Findings {
    full_copies: 0,
    largest_fragment_count: 0,
    base64: 0,
    huffman: CALLS,
};

#[test]
fn a_kept_connection_keeps_one_copy_at_most_and_none_beyond_its_idle_limit() {
    ordinary_user::tries(|| {
        let kept = Way::ALL.map(|way| {
            let arranged = arrange(Place::File, way, "      connections: pooled\n");
            let Arranged {
                setup,
                key,
                upstream,
                ..
            } = arranged;
            let mut server = Watched::serve(setup);
            let after_calls: Vec<Report> = (0..CALLS)
                .map(|_| {
                    assert_eq!(server.chat()["structuredContent"]["answer"], ANSWER);
                    server.scan_after_the_end([&key])[0]
                })
                .collect();
            assert_eq!(upstream.keys(), vec![Some(key.to_string()); CALLS]);
            for report in &after_calls {
                println!("pooled, {:<16} after a call: {report}", way.name());
                assert!(report.inside.is_nothing(), "{}: {report}", way.name());
                let allowed = if way == Way::Http2 { HTTP_2 } else { ONE_COPY };
                let left = report.outside;
                let is_within = left.full_copies <= allowed.full_copies
                    && left.largest_fragment_count <= allowed.largest_fragment_count
                    && left.base64 <= allowed.base64
                    && left.huffman <= allowed.huffman;
                assert!(is_within, "{}: {report}", way.name());
            }
            (way, server, key, upstream)
        });
        // The servers idle together, and are looked at rarely: a look is work for two cores.
        let end = Instant::now() + PATIENCE;
        for (way, server, key, upstream) in kept {
            loop {
                let [report] = server.scan([&key]);
                if report.outside.is_nothing() {
                    break;
                }
                assert!(Instant::now() < end, "{}: {report}", way.name());
                thread::sleep(Duration::from_secs(1));
            }
            // The upstream has not left first: it was the idle limit.
            drop(upstream);
        }
    });
}
