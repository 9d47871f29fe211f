//! What a receiver gets from the HTTP sink, and what is kept when it fails.

use std::time::Duration;

use tokio::runtime::Runtime;

use super::*;
use crate::audit::{
    Record, Sink,
    sinks::{
        listener::{Answer, Listener, Request, answer, runtime},
        seal::tests::{Count, batch, told},
    },
};

fn sink(listener: &Listener) -> (HttpSink<Count>, Runtime) {
    let settings = HttpSinkSettings {
        url: listener.url("/in?stream=audit"),
        deadline: Duration::from_secs(5),
        ..HttpSinkSettings::default()
    };
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let sink = HttpSink::new(&settings, Count::default(), None, handle).unwrap();
    assert_eq!(sink.name(), "http");
    (sink, runtime)
}

fn lines(request: &Request) -> Vec<(u64, String)> {
    request.body.lines().map(told).collect()
}

#[test]
fn a_batch_is_one_post_with_a_line_a_record_in_their_order() {
    let listener = Listener::answering([answer(200, "", "ok"), answer(204, "", "")]);
    let (mut sink, _runtime) = sink(&listener);
    sink.write(&batch(&["a", "b\nc"])).unwrap();
    sink.write(&batch(&["d"])).unwrap();
    let requests = listener.requests();
    assert_eq!(requests.len(), 2);
    let head = &requests[0].head;
    assert!(head.starts_with("post /in?stream=audit http/1.1\r\n"));
    assert!(head.contains("\r\ncontent-type: application/x-ndjson\r\n"));
    assert!(!head.contains("authorization"));
    assert!(requests[0].body.ends_with("}\n"));
    assert_eq!(lines(&requests[0]), [(1, "a".into()), (2, "b\nc".into())]);
    assert_eq!(lines(&requests[1]), [(3, "d".into())]);
}

#[test]
fn a_batch_that_failed_leaves_no_gap_in_the_chain() {
    let answers = [200, 500, 200].map(|status| answer(status, "", ""));
    let listener = Listener::answering(answers);
    let (mut sink, _runtime) = sink(&listener);
    sink.write(&batch(&["kept"])).unwrap();
    assert!(sink.write(&batch(&["lost", "lost"])).is_err());
    sink.write(&batch(&["next"])).unwrap();
    let requests = listener.requests();
    assert_eq!(lines(&requests[0]), [(1, "kept".into())]);
    assert_eq!(lines(&requests[2]), [(2, "next".into())]);
}

#[test]
fn a_long_batch_is_several_posts_and_what_was_taken_stays_taken() {
    let long = "x".repeat(300 * 1024);
    let answers = [200, 200, 500, 200].map(|status| answer(status, "", ""));
    let listener = Listener::answering(answers);
    let (mut sink, _runtime) = sink(&listener);
    assert!(sink.write(&batch(&["a", &long, &long, &long])).is_err());
    sink.write(&batch(&["next"])).unwrap();
    let requests = listener.requests();
    let numbers = |request: &Request| -> Vec<u64> {
        let numbered = lines(request).into_iter();
        numbered.map(|(number, _)| number).collect()
    };
    let all: Vec<_> = requests.iter().map(numbers).collect();
    assert_eq!(all, [vec![1, 2], vec![3], vec![4], vec![4]]);
    assert!(requests.iter().all(|it| it.body.len() <= 512 * 1024 + 2));
}

#[test]
fn success_needs_no_body_of_an_answer() {
    let unfinished = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec();
    let listener = Listener::answering([Answer::Bytes(unfinished)]);
    let (mut sink, _runtime) = sink(&listener);
    assert_eq!(sink.write(&batch(&["a"])), Ok(()));
}

#[test]
fn no_records_and_records_without_a_line_are_not_posted() {
    let listener = Listener::answering([answer(200, "", "")]);
    let (mut sink, _runtime) = sink(&listener);
    assert_eq!(sink.write(&[]), Ok(()));
    let mut record = Record::clone(&batch(&["a"])[0]);
    record.code = Some("unsealable".to_owned());
    assert!(sink.write(&[record.into()]).is_err());
    assert_eq!(listener.requests().len(), 0);
}

#[test]
fn settings_that_were_refused_make_no_sink() {
    let settings = HttpSinkSettings {
        url: "http://logs.example/canary".to_owned(),
        ..HttpSinkSettings::default()
    };
    let runtime = runtime();
    let refused = HttpSink::new(&settings, Count::default(), None, runtime.handle().clone());
    let error = refused.err().unwrap();
    assert!(!error.0.contains("canary"), "{error}");
}
