//! When credentials are found anew, by a clock that the tests move.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;

/// Gives one of its answers for each permit.
struct Finder {
    asked: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
    /// How long what it finds lives, from `START`; `None` fails.
    answers: Vec<Option<u64>>,
}

impl Find for Finder {
    fn find(&self) -> BoxFuture<'_, Result<Credentials, ProviderError>> {
        Box::pin(async move {
            let index = self.asked.fetch_add(1, Ordering::SeqCst);
            self.permits.acquire().await.unwrap().forget();
            let Some(minutes) = self.answers[index] else {
                return Err(ProviderError::new(ErrorKind::LoginFailed, "no"));
            };
            Ok(Credentials::new(
                "id",
                format!("secret-{index}"),
                Some(format!("token-{index}")),
                (minutes > 0).then(|| at(minutes)),
                "test",
            ))
        })
    }
}

fn at(minutes: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + minutes * 60)
}

struct Fixture {
    held: Arc<Held>,
    asked: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
    pool: Arc<Pool>,
}

fn fixture(answers: &[Option<u64>]) -> Fixture {
    let (asked, permits, pool) = (Arc::default(), Arc::new(Semaphore::new(9)), Pool::reserve());
    let finder = Finder {
        asked: Arc::clone(&asked),
        permits: Arc::clone(&permits),
        answers: answers.to_vec(),
    };
    Fixture {
        held: Held::new(Box::new(finder), Arc::clone(&pool)),
        asked,
        permits,
        pool,
    }
}

impl Fixture {
    async fn secret(&self, minutes: u64) -> Result<String, ErrorKind> {
        let lent = self.held.get_at(at(minutes)).await;
        lent.map(|(credentials, _)| credentials.secret_access_key().to_owned())
            .map_err(|error| error.kind)
    }
}

#[test]
fn credentials_are_due_five_minutes_ahead_or_after_two_thirds_of_a_short_life() {
    for (lives, due) in [(60, 55), (15, 10), (3, 2), (0, 0)] {
        assert_eq!(refresh_at(at(0), at(lives)), at(due), "{lives}");
    }
    assert_eq!(refresh_at(at(9), at(3)), at(3), "already ended");
}

#[tokio::test]
async fn credentials_rest_in_the_pool_until_they_are_due() {
    let fixture = fixture(&[Some(60), Some(120)]);
    for (minutes, secret) in [(0, "secret-0"), (54, "secret-0"), (55, "secret-1")] {
        assert_eq!(fixture.secret(minutes).await.unwrap(), secret, "{minutes}");
    }
    let lent = fixture.held.get_at(at(56)).await.unwrap();
    assert_eq!(lent.0.session_token(), Some("token-1"));
    assert_eq!(fixture.asked.load(Ordering::SeqCst), 2);
    drop(lent);
    assert!(fixture.pool.used_bytes() > 0);
    drop(fixture.held);
    assert_eq!(fixture.pool.used_bytes(), 0, "nothing outlives the holder");
}

#[tokio::test]
async fn credentials_without_an_end_are_read_again_after_a_quarter_of_an_hour() {
    let fixture = fixture(&[Some(0), Some(0)]);
    for (minutes, secret) in [(0, "secret-0"), (9, "secret-0"), (10, "secret-1")] {
        assert_eq!(fixture.secret(minutes).await.unwrap(), secret, "{minutes}");
    }
}

#[tokio::test]
async fn a_failed_renewal_leaves_good_credentials_in_use_and_is_not_repeated_at_once() {
    let fixture = fixture(&[Some(60), None, None, Some(120)]);
    assert_eq!(fixture.secret(0).await.unwrap(), "secret-0");
    assert_eq!(fixture.secret(56).await.unwrap(), "secret-0");
    assert_eq!(fixture.secret(56).await.unwrap(), "secret-0");
    assert_eq!(fixture.asked.load(Ordering::SeqCst), 2, "not at once");
    assert_eq!(
        fixture.secret(60).await,
        Err(ErrorKind::LoginFailed),
        "ended"
    );
    assert_eq!(fixture.secret(60).await.unwrap(), "secret-3");
}

#[tokio::test]
async fn a_hundred_requests_share_one_login_and_its_failure() {
    let fixture = fixture(&[Some(60), None]);
    fixture.permits.forget_permits(9);
    for minutes in [0, 70] {
        let mut waiting: Vec<_> = (0..100)
            .map(|_| Box::pin(fixture.secret(minutes)))
            .collect();
        for waiter in &mut waiting {
            assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        }
        fixture.permits.add_permits(1);
        for waiter in waiting {
            assert_eq!(waiter.await.is_ok(), minutes == 0);
        }
    }
    assert_eq!(fixture.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn refused_credentials_are_let_go_and_only_kept_ones_are_worth_another_login() {
    let fixture = fixture(&[Some(60), Some(60)]);
    let (_, new) = fixture.held.get_at(at(0)).await.unwrap();
    let (_, kept) = fixture.held.get_at(at(0)).await.unwrap();
    assert!(fixture.held.forget(&kept), "newer ones might be had");
    assert_eq!(fixture.secret(0).await.unwrap(), "secret-1");
    assert!(!fixture.held.forget(&new), "it was found for this request");
    assert_eq!(
        fixture.secret(0).await.unwrap(),
        "secret-1",
        "not the newer"
    );
}
