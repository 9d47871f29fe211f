//! Many secrets of Secrets Manager at once: the answers are those of single fetches, in the order of
//! the questions, and it takes as few requests as the API allows.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use keyward::secrets::providers::{ErrorKind, Fetch, Lookup, ProviderError};
use serde_json::json;

use super::{CANARY, Store, aws::CREDENTIALS};
use crate::support::{
    aws_front::{AwsFront, Seen, refusal},
    environment::unique,
    moto::Moto,
};

fn front(script: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static) -> AwsFront {
    AwsFront::start(Moto::shared().address(), script)
}

fn store(front: &AwsFront) -> Store {
    let aws = json!({ "region": Moto::REGION, "endpoint_url": front.url(), "retries": 0 });
    Store::with_taken(json!({ "aws": aws }), &CREDENTIALS).unwrap()
}

/// The answers in a short form: the value, `miss`, or the kind of error.
async fn fetch_many(store: &Store, references: &[String]) -> Vec<String> {
    let parsed: Vec<_> = references
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let fetches: Vec<_> = parsed
        .iter()
        .map(|reference| Fetch {
            reference,
            asker: &store.asker,
            pool: &store.pool,
        })
        .collect();
    let answers = store.provider.fetch_many(&fetches).await;
    let told = |answer: &Result<Lookup, ProviderError>| match answer {
        Ok(Lookup::Found(found)) => {
            assert!(found.version.is_some() && found.created_at.is_some());
            String::from_utf8(found.value.as_slice().to_vec()).unwrap()
        }
        Ok(Lookup::Miss) => "miss".to_owned(),
        Err(error) => {
            assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
            format!("{:?}", error.kind)
        }
    };
    answers.iter().map(told).collect()
}

/// References of every sort, and what each must give.
fn questions() -> (Vec<String>, Vec<String>) {
    let moto = Moto::shared();
    let (name, staged, binary, marked) = (
        unique("many"),
        unique("staged"),
        unique("binary"),
        unique("marked"),
    );
    let arn = moto.create(&name, r#"{"a": "canary-a", "b": "canary-b", "n": 1}"#);
    moto.create(&staged, "canary-old");
    moto.put(&staged, "canary-new");
    let bytes = json!({ "Name": binary, "SecretBinary": "Y2FuYXJ5LWJpbmFyeQ==" });
    moto.ask("CreateSecret", &bytes)
        .expect_success("CreateSecret");
    moto.create(&marked, "canary");
    moto.mark_for_deletion(&marked);
    let far = unique("far");
    let made = json!({ "Name": far, "SecretString": "canary-far" });
    moto.ask_in("us-west-2", "CreateSecret", &made)
        .expect_success("CreateSecret");
    let pairs = [
        (format!("aws:{staged}?stage=AWSPREVIOUS"), "canary-old"),
        (format!("aws:{name}#b"), "canary-b"),
        (format!("aws:{}", unique("never")), "miss"),
        (format!("aws:{far}?region=us-west-2"), "canary-far"),
        (format!("aws:{arn}#a"), "canary-a"),
        (format!("aws:{marked}"), "Deleted"),
        (format!("aws:{staged}"), "canary-new"),
        (format!("aws:{name}#c"), "FieldAbsent"),
        (format!("aws:{name}#n"), "Malformed"),
        (format!("aws:{binary}"), "canary-binary"),
    ];
    let (references, expected): (Vec<_>, Vec<&str>) = pairs.into_iter().unzip();
    let expected = expected.into_iter().map(str::to_owned).collect();
    (references, expected)
}

#[tokio::test]
async fn many_answers_are_those_of_single_fetches_in_the_order_of_the_questions() {
    let front = front(|_| None);
    let store = store(&front);
    let (references, expected) = questions();
    assert_eq!(fetch_many(&store, &references).await, expected);
    let mut actions = front.actions();
    actions.sort();
    // The stage alone; and the group of the region of the ARN, which is ours but written out.
    let batches = |actions: &[String]| {
        let is_batch = |action: &&String| *action == "BatchGetSecretValue";
        actions.iter().filter(is_batch).count()
    };
    assert_eq!(batches(&actions), 1, "{actions:?}");
    assert_eq!(actions.len(), 1 + 3, "{actions:?}");

    // One by one they read the same.
    for (reference, expected) in references.iter().zip(&expected) {
        let alone = fetch_many(&store, std::slice::from_ref(reference)).await;
        assert_eq!(alone, std::slice::from_ref(expected), "{reference}");
    }
    assert_eq!(batches(&front.actions()), 1, "one alone is no batch");
}

#[tokio::test]
async fn without_the_permission_for_many_each_is_read_by_itself() {
    for code in ["AccessDeniedException", "UnknownOperationException"] {
        let front = front(move |seen| {
            let is_batch = seen.action == "BatchGetSecretValue";
            is_batch.then(|| refusal(400, code, CANARY))
        });
        let (references, expected) = questions();
        assert_eq!(fetch_many(&store(&front), &references).await, expected);
        let single = |action: &&String| *action == "GetSecretValue";
        assert_eq!(front.actions().iter().filter(single).count(), 10);
    }
}

#[tokio::test]
async fn an_outage_is_told_of_each_and_not_asked_about_again() {
    let front = front(|_| Some(refusal(400, "ThrottlingException", CANARY)));
    let references = ["aws:a".to_owned(), "aws:b".to_owned()];
    let told = fetch_many(&store(&front), &references).await;
    assert_eq!(told, ["Throttled", "Throttled"]);
    assert_eq!(front.actions(), ["BatchGetSecretValue"]);
}

#[tokio::test]
async fn a_request_names_twenty_secrets_at_most_and_each_once() {
    let front = front(|_| None);
    let moto = Moto::shared();
    let names: Vec<_> = (0..21)
        .map(|index| moto.fresh(&json!({ "k": format!("canary-{index}") }).to_string()))
        .collect();
    let twice = || names.iter().chain(&names);
    let references: Vec<_> = twice().map(|name| format!("aws:{name}#k")).collect();
    let expected: Vec<_> = (0..42)
        .map(|index| format!("canary-{}", index % 21))
        .collect();
    assert_eq!(fetch_many(&store(&front), &references).await, expected);
    let asked: Vec<_> = front
        .seen()
        .iter()
        .map(|seen| seen.json["SecretIdList"].as_array().unwrap().len())
        .collect();
    assert_eq!(asked, [20, 1]);
}

#[tokio::test]
async fn an_answer_of_several_pages_is_read_to_its_end_and_no_further() {
    let entry = |name: &str| {
        json!({ "Name": name, "ARN": "arn:aws:x", "VersionId": "v-1", "CreatedDate": 1.0,
                "SecretString": format!("canary-{name}") })
    };
    let page = move |name: &str, next: Option<&str>| {
        json!({ "SecretValues": [entry(name)], "Errors": [], "NextToken": next }).to_string()
    };
    let paged = front(move |seen| {
        Some(match seen.json["NextToken"].as_str() {
            None => page("a", Some("2")).into_response(),
            Some(_) => page("b", None).into_response(),
        })
    });
    let references = ["aws:b".to_owned(), "aws:a".to_owned()];
    let told = fetch_many(&store(&paged), &references).await;
    assert_eq!(told, ["canary-b", "canary-a"]);

    let endless = front(move |_| Some(page("a", Some("again")).into_response()));
    let references = ["aws:a".to_owned(), "aws:a#k".to_owned()];
    let told = fetch_many(&store(&endless), &references).await;
    assert_eq!(told, ["canary-a", "Malformed"]);
    assert_eq!(endless.seen().len(), 20, "pages have an end");
}

#[tokio::test]
async fn a_throttled_answer_brings_along_how_long_to_wait() {
    let front = front(|_| {
        let mut answer = refusal(400, "ThrottlingException", CANARY);
        let wait = axum::http::HeaderValue::from_static("7");
        answer.headers_mut().insert("retry-after", wait);
        Some(answer)
    });
    let store = store(&front);
    let reference = "aws:a".parse().unwrap();
    let fetch = Fetch {
        reference: &reference,
        asker: &store.asker,
        pool: &store.pool,
    };
    let error = store.provider.fetch(fetch).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(
        front.actions(),
        ["GetSecretValue"],
        "the SDK does not ask again"
    );
}
