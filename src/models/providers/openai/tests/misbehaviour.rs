//! Upstreams that are slow, broken or hostile, and clients that give up.

use std::time::Duration;

use futures_util::poll;

use super::*;
use crate::models::Stage;

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (pair, elsewhere) = (Pair::with(|_| {}).await, Pair::with(|_| {}).await);
    let to = format!("{}/chat/completions", elsewhere.serving.base_url());
    let error = pair.meet(Behaviour::Redirect { to }).await.unwrap_err();
    assert_eq!(
        (error.code(), error.about.status),
        ("redirected", Some(307))
    );
    assert_eq!(elsewhere.stand_in().counts().arrived, 0);
    assert_eq!(pair.stand_in().counts().arrived, 1);
}

#[tokio::test]
async fn an_echoed_key_reaches_neither_the_answer_nor_an_error() {
    let pair = Pair::with(|_| {}).await;
    for form in Form::ALL {
        for status in [400, 401, 403, 404, 422, 429, 500] {
            let place = Place::ErrorBody(status);
            let error = pair
                .meet(Behaviour::Echo { place, form })
                .await
                .unwrap_err();
            assert_without_key(&told(&error));
        }
        let place = Place::Header;
        let error = pair
            .meet(Behaviour::Echo { place, form })
            .await
            .unwrap_err();
        assert_without_key(&told(&error));
        let json = pair
            .meet(Behaviour::Echo {
                place: Place::Json,
                form,
            })
            .await
            .unwrap();
        // A byte at a time is slow where a key is written long, and splits nothing more there.
        let bytes = if form == Form::Raw { 1 } else { 97 };
        for (delta_characters, frame_bytes) in [(1000, usize::MAX), (1, bytes), (7, 1000), (40, 13)]
        {
            let place = Place::Stream {
                delta_characters,
                frame_bytes,
            };
            let streamed = pair.meet(Behaviour::Echo { place, form }).await.unwrap();
            assert_eq!(streamed.answer, json.answer, "{form:?}");
        }
        assert!(json.answer.starts_with("The key is <"), "{}", json.answer);
        assert!(json.answer.ends_with(">, is it not?"), "{}", json.answer);
        assert!(json.answer.contains("[redacted]"), "{}", json.answer);
        assert_without_key(&format!("{json:?}"));
        assert_eq!(
            (json.model.as_str(), json.finish_reason),
            ("gpt-4.1", "unknown")
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let pair = Pair::with(|_| {}).await;
    for after_bytes in [0, 1, 200, 1000, 2500] {
        for behaviour in [
            Behaviour::Break { after_bytes },
            Behaviour::EndEarly { after_bytes },
        ] {
            let error = pair.meet(behaviour.clone()).await.unwrap_err();
            // A connection may break before the answer's head was flushed.
            let broken = matches!(behaviour, Behaviour::Break { .. });
            let expected =
                error.code() == "incomplete_answer" || (broken && error.code() == "upstream_down");
            assert!(expected, "{behaviour:?}: {error}");
        }
    }
}

#[tokio::test]
async fn giving_up_closes_the_connection() {
    let pair = Pair::with(|_| {}).await;
    let (request, cx) = (question(), context());
    for (count, behaviour) in [(1, Behaviour::Hold), (2, Behaviour::HoldMidway)] {
        pair.stand_in().script(behaviour);
        let mut call = pair.provider.complete(&request, &cx);
        let arrived = pair.stand_in().wait_until(|counts| counts.arrived == count);
        tokio::select! {
            _ = &mut call => panic!("answered while held"),
            _ = arrived => {}
        }
        assert!(poll!(&mut call).is_pending());
        drop(call);
        pair.stand_in()
            .wait_until(|counts| counts.abandoned == count)
            .await;
    }
    assert_eq!(pair.stand_in().counts().answered, 0);
}

#[tokio::test]
async fn progress_is_told_while_the_answer_comes() {
    let pair = Pair::with(|_| {}).await;
    pair.stand_in().script(Behaviour::HoldMidway);
    let (request, cx) = (question(), context());
    let mut progress = cx.progress.subscribe();
    let mut call = pair.provider.complete(&request, &cx);
    let halfway = tokio::select! {
        _ = &mut call => panic!("answered while held"),
        seen = progress.wait_for(|progress| progress.characters > 0) => seen.unwrap().characters,
    };
    assert!(halfway < REPLY.len() as u64);
    pair.stand_in().release(1);
    assert_eq!(call.await.unwrap().answer, REPLY);
    assert_eq!(progress.borrow().characters, REPLY.len() as u64);
}

#[tokio::test]
async fn deadlines_end_a_call_and_close_its_connection() {
    let short = Duration::from_millis(100);
    let pair = Pair::with(|settings| {
        settings.timeouts.connect = short;
        settings.timeouts.first_byte = short;
    });
    let pair = pair.await;
    let error = pair.meet(Behaviour::Hold).await.unwrap_err();
    assert!(matches!(
        error.kind,
        ModelErrorKind::TimedOut {
            stage: Stage::FirstByte,
            ..
        }
    ));
    pair.stand_in()
        .wait_until(|counts| counts.abandoned == 1)
        .await;

    let pair = Pair::with(|settings| settings.timeouts.total = short).await;
    let error = pair.meet(Behaviour::HoldMidway).await.unwrap_err();
    assert!(matches!(
        error.kind,
        ModelErrorKind::TimedOut {
            stage: Stage::Total,
            ..
        }
    ));
    pair.stand_in()
        .wait_until(|counts| counts.abandoned == 1)
        .await;
}

#[tokio::test]
async fn an_answer_without_end_is_ended() {
    let pair = Pair::with(|settings| settings.max_answer_bytes = 10_000).await;
    let error = pair.meet(Behaviour::Endless).await.unwrap_err();
    assert!(
        matches!(error.kind, ModelErrorKind::AnswerTooLarge { limit: 10_000 }),
        "{error}"
    );
    pair.stand_in()
        .wait_until(|counts| counts.abandoned == 1)
        .await;
}

#[tokio::test]
async fn nobody_listening_is_said_in_our_words() {
    let pair = Pair::with(|_| {}).await;
    let (base_url, address) = (pair.serving.base_url(), pair.serving.address());
    drop(pair);
    // The listener closes when its task has been dropped.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let (provider, _) = provider(&base_url, Some(KEY), |_| {});
    let error = provider
        .complete(&question(), &context())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model provider `openai` cannot be reached (the connection was refused); try again \
         later"
    );
    assert!(!told(&error).contains("127.0.0.1"));
}

#[tokio::test]
async fn strict_connections_are_used_once_and_pooled_ones_again() {
    use crate::models::Connections::{Pooled, Strict};
    for (connections, expected) in [(Strict, 3), (Pooled, 1)] {
        let pair = Pair::with(|settings| settings.connections = connections).await;
        for _ in 0..3 {
            pair.ask(question()).await.unwrap();
        }
        let mut peers: Vec<_> = pair
            .stand_in()
            .seen()
            .iter()
            .filter_map(|s| s.peer)
            .collect();
        peers.dedup();
        assert_eq!(peers.len(), expected, "{connections:?}");
    }
}
