//! What a receiver can do to a request: refuse it, delay it, send it elsewhere, break it off.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use reqwest::{Url, header::HeaderValue};
use tokio::runtime::Runtime;

use super::{client::answer as read_answer, *};
use crate::audit::{
    SinkError,
    sinks::{
        deadline::Deadline,
        listener::{Answer, Listener, answer, runtime},
    },
};

mod tls;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

struct Tried {
    collector: Collector,
    _runtime: Runtime,
}

impl Tried {
    fn new(url: &str, credential: Option<Arc<dyn Credential>>) -> Self {
        let (url, runtime) = (url.parse().unwrap(), runtime());
        let handle = runtime.handle().clone();
        Self {
            collector: Collector::new(url, None, "text/plain", credential, handle),
            _runtime: runtime,
        }
    }

    /// Posts, and reads the answer.
    fn post(&mut self, deadline: Duration) -> Result<(), String> {
        let (body, deadline) = (Bytes::from_static(b"body"), Deadline::new(deadline));
        let judge = async |response| read_answer(response).await.map(|_| ());
        let posted = self.collector.post(&body, &deadline, judge);
        posted.map_err(|error| error.0)
    }
}

fn post(answers: impl IntoIterator<Item = Answer>) -> (Result<(), String>, usize) {
    let listener = Listener::answering(answers);
    let posted = Tried::new(&listener.url("/"), None).post(LONG);
    (posted, listener.requests().len())
}

/// A credential that says how often it was asked, and for which address.
#[derive(Default)]
struct Numbered(Mutex<Vec<String>>);

impl Credential for Numbered {
    fn authorization<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<HeaderValue, SinkError>> {
        let mut asked = self.0.lock().unwrap();
        asked.push(url.to_string());
        let value = HeaderValue::from_str(&format!("Bearer token-{}", asked.len()));
        async move { Ok(value.unwrap()) }.boxed()
    }
}

#[test]
fn a_receiver_that_asks_for_patience_gets_the_same_batch_again() {
    for status in [429, 502, 503, 504] {
        let listener = Listener::answering([
            answer(status, "retry-after: 0\r\n", "busy"),
            answer(status, "", "busy"),
            answer(200, "", ""),
        ]);
        assert_eq!(Tried::new(&listener.url("/"), None).post(LONG), Ok(()));
        let bodies: Vec<_> = listener.requests().into_iter().map(|it| it.body).collect();
        assert_eq!(bodies, ["body"; 3], "{status}");
    }
}

#[test]
fn a_receiver_that_refuses_again_and_again_is_left_alone_longer_each_time() {
    let refusals = (0..4).map(|_| answer(503, "", "busy"));
    let began = Instant::now();
    let (posted, requests) = post(refusals.chain([answer(200, "", "")]));
    assert_eq!((posted, requests), (Ok(()), 5));
    assert!(began.elapsed() >= Duration::from_millis(100 + 200 + 400 + 800));
}

#[test]
fn a_wait_beyond_the_deadline_is_not_begun() {
    let (posted, requests) = post([
        answer(503, "retry-after: 3600\r\n", ""),
        answer(200, "", ""),
    ]);
    assert!(posted.unwrap_err().ends_with("it answered 503"));
    assert_eq!(requests, 1);
}

#[test]
fn any_other_status_is_final_and_what_the_receiver_says_is_not_repeated() {
    for status in [301, 400, 401, 403, 413, 500] {
        let (posted, requests) = post([
            answer(status, "x: canary\r\n", "canary"),
            answer(200, "", ""),
        ]);
        let error = posted.unwrap_err();
        assert!(error.ends_with(&format!("it answered {status}")), "{error}");
        assert!(!error.contains("canary"), "{error}");
        assert_eq!(requests, 1);
    }
}

#[test]
fn a_redirect_is_not_followed_and_the_credential_goes_nowhere_else() {
    let elsewhere = Listener::answering([answer(200, "", "")]);
    for status in [301, 302, 307, 308] {
        let location = format!("location: {}\r\n", elsewhere.url("/"));
        let listener = Listener::answering([answer(status, &location, "")]);
        let credential = Arc::new(Numbered::default());
        let url = listener.url("/in");
        let posted = Tried::new(&url, Some(credential.clone())).post(LONG);
        assert!(posted.is_err(), "{status}");
        assert_eq!(*credential.0.lock().unwrap(), [url]);
        assert!(
            listener.requests()[0]
                .head
                .contains("authorization: bearer token-1")
        );
    }
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn each_request_asks_for_its_credential_and_has_a_connection_of_its_own() {
    let listener = Listener::answering([
        answer(503, "retry-after: 0\r\n", "busy"),
        answer(200, "", "ok"),
        answer(200, "", "ok"),
    ]);
    let mut tried = Tried::new(&listener.url("/"), Some(Arc::new(Numbered::default())));
    assert_eq!(tried.post(LONG), Ok(()));
    assert_eq!(tried.post(LONG), Ok(()));
    for (index, request) in listener.requests().iter().enumerate() {
        let bearer = format!("authorization: bearer token-{}\r\n", index + 1);
        assert!(request.head.contains(&bearer), "{}", request.head);
        assert_eq!(request.connection, index);
    }
}

/// A credential that is not there, or never comes.
struct Absent(Option<&'static str>);

impl Credential for Absent {
    fn authorization<'a>(&'a self, _: &'a Url) -> BoxFuture<'a, Result<HeaderValue, SinkError>> {
        match self.0 {
            Some(why) => async move { Err(SinkError(why.to_owned())) }.boxed(),
            None => std::future::pending().boxed(),
        }
    }
}

#[test]
fn without_its_credential_nothing_is_sent() {
    let listener = Listener::answering([answer(200, "", "")]);
    let mut refused = Tried::new(&listener.url("/"), Some(Arc::new(Absent(Some("sealed")))));
    assert_eq!(refused.post(LONG), Err("sealed".to_owned()));
    let mut pending = Tried::new(&listener.url("/"), Some(Arc::new(Absent(None))));
    assert!(pending.post(SHORT).unwrap_err().ends_with("in time"));
    assert_eq!(listener.requests().len(), 0);
}

#[test]
fn a_receiver_that_never_answers_is_given_up_at_the_deadline() {
    let listener = Listener::answering([Answer::Silence]);
    let posted = Tried::new(&listener.url("/"), None).post(SHORT);
    assert!(posted.unwrap_err().ends_with("it does not answer in time"));
    let unfinished = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec();
    let listener = Listener::answering([Answer::Bytes(unfinished)]);
    let posted = Tried::new(&listener.url("/"), None).post(SHORT);
    assert!(posted.unwrap_err().ends_with("it does not answer in time"));
}

#[test]
fn a_connection_that_breaks_costs_one_more_request_and_no_third() {
    let (posted, requests) = post([Answer::Close, answer(200, "", "")]);
    assert_eq!((posted, requests), (Ok(()), 2));
    let (posted, requests) = post([Answer::Close, Answer::Close, answer(200, "", "")]);
    assert!(
        posted
            .unwrap_err()
            .ends_with("the connection broke before it answered")
    );
    assert_eq!(requests, 2);
}

#[test]
fn an_answer_is_read_up_to_64_kibibytes() {
    let longest = "x".repeat(64 * 1024);
    assert_eq!(post([answer(200, "", &longest)]).0, Ok(()));
    let (posted, _) = post([answer(200, "", &(longest + "x"))]);
    assert!(posted.unwrap_err().ends_with("too long to be read"));
}

#[test]
fn a_failure_names_the_host_and_neither_path_nor_query() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}/canary?canary");
    let error = Tried::new(&url, None).post(LONG).unwrap_err();
    let expected = format!("the collector at 127.0.0.1 port {port}: it refuses connections");
    assert_eq!(error, expected);
}
