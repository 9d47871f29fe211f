//! The proof's table: every secret provider, every protocol, three moments.

use std::{fmt::Write as _, panic::resume_unwind, thread};

use keyward::secrets::memory::scanner::{Findings, Report};

use super::{
    holding::fetched,
    ordinary_user,
    place::{Arranged, Place, Way, arrange},
    watched::{Watched, most},
};
use crate::support::upstream::ANSWER;

/// One line of the table.
struct Row {
    place: &'static str,
    way: &'static str,
    what: &'static str,
    /// Fetched, in flight, ended. Only the key is held in the first.
    reports: [Option<Report>; 3],
}

#[test]
fn a_key_is_there_once_when_fetched_and_nowhere_100_ms_after_the_call() {
    ordinary_user::tries(|| {
        let rows: Vec<Row> = thread::scope(|scope| {
            let places = Place::ALL.map(|place| scope.spawn(move || rows(place)));
            let joined = places.into_iter().map(|place| place.join());
            joined
                .flat_map(|rows| rows.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        println!("{}", table(&rows));
    });
}

/// What is measured with the key in `place`; what is promised is asserted.
fn rows(place: Place) -> Vec<Row> {
    Way::ALL
        .into_iter()
        .flat_map(|way| cell(place, way))
        .collect()
}

fn cell(place: Place, way: Way) -> Vec<Row> {
    let Arranged {
        setup,
        key,
        others,
        upstream,
    } = arrange(place, way, "      connections: strict\n");
    let about = format!("{}, {}", place.name(), way.name());
    let held = fetched(&setup, &key);
    assert!(
        most(held.inside) + most(held.outside) <= 1,
        "{about}, fetched: {held}"
    );

    let texts = [
        key.as_str(),
        others.first().map_or(&key, |other| &other.text),
        others.get(1).map_or(&key, |other| &other.text),
    ];
    let mut server = Watched::serve(setup);
    upstream.hold();
    let call = server.start_chat();
    upstream.wait_for_requests(1);
    let in_flight = server.scan(texts);
    upstream.release();
    let answer = server.answer_to(call);
    assert_eq!(
        answer["result"]["structuredContent"]["answer"], ANSWER,
        "{about}: {answer}"
    );
    let ended = server.scan_after_the_end(texts);
    assert_eq!(upstream.keys(), [Some(key.to_string())]);

    let flying = in_flight[0];
    assert!(most(flying.outside) <= 2, "{about}, in flight: {flying}");
    assert!(
        ended[0].outside.is_nothing(),
        "{about}, ended: {}",
        ended[0]
    );
    assert_eq!(
        most(ended[0].inside),
        place.rest(),
        "{about}, ended: {}",
        ended[0]
    );

    let mut rows = vec![Row {
        place: place.name(),
        way: way.name(),
        what: "the key",
        reports: [held, flying, ended[0]].map(Some),
    }];
    for (other, index) in others.iter().zip(1..) {
        let (flying, ended) = (in_flight[index], ended[index]);
        let about = format!("{about}: {}", other.name);
        // The store has answered when the upstream is asked.
        assert!(flying.outside.is_nothing(), "{about}, in flight: {flying}");
        assert!(ended.outside.is_nothing(), "{about}, ended: {ended}");
        assert_eq!(most(ended.inside), other.rest, "{about}, ended: {ended}");
        rows.push(Row {
            place: place.name(),
            way: way.name(),
            what: other.name,
            reports: [None, Some(flying), Some(ended)],
        });
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "\ninside the pool / outside; each is full copies, fragments, base64, huffman\n",
    );
    for row in rows {
        let cells = row
            .reports
            .map(|report| report.map_or("-".to_owned(), numbers));
        let _ = writeln!(
            text,
            "{:<18} {:<16} {:<22} fetched {:<18} in flight {:<18} ended {}",
            row.place, row.way, row.what, cells[0], cells[1], cells[2]
        );
    }
    text
}

/// One cell of a table: inside / outside.
pub fn numbers(report: Report) -> String {
    let four = |found: Findings| {
        let Findings {
            full_copies,
            largest_fragment_count,
            base64,
            huffman,
        } = found;
        format!("{full_copies} {largest_fragment_count} {base64} {huffman}")
    };
    format!("{} / {}", four(report.inside), four(report.outside))
}
