//! The pool's promises: no overlap, always wiped, waits in order, fails in time.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

const GRANULE: usize = super::super::slots::GRANULE_BYTES;

/// All bytes of the pool. Only where no buffer is used meanwhile.
fn everything(pool: &Pool) -> &[u8] {
    let mapping = pool.shared.mapping.as_ref().unwrap();
    // SAFETY: the tests below change no buffer while they hold the slice.
    unsafe { mapping.bytes_of(&(0..mapping.bytes())) }
}

fn fill(pool: &Pool) -> Vec<LockedBuffer> {
    std::iter::from_fn(|| pool.try_store(&[1; GRANULE]).ok()).collect()
}

#[test]
fn a_dropped_value_is_wiped_at_once() {
    let pool = Pool::reserve();
    let buffer = pool.try_store(b"a key that is wiped").unwrap();
    assert_eq!(buffer.as_slice(), b"a key that is wiped");
    assert!(everything(&pool).starts_with(b"a key that is wiped"));
    drop(buffer);
    assert!(everything(&pool).iter().all(|byte| *byte == 0));
    assert_eq!(pool.used_bytes(), 0);
}

#[test]
fn a_buffer_outlives_the_handle_to_its_pool() {
    let pool = Pool::reserve();
    let buffer = pool.try_store(b"kept").unwrap();
    drop(pool);
    assert_eq!(buffer.as_slice(), b"kept");
}

#[test]
fn a_buffer_does_not_show_its_value() {
    let buffer = Pool::reserve().try_store(b"sk-do-not-print").unwrap();
    assert_eq!(format!("{buffer:?}"), "LockedBuffer { length: 15, .. }");
}

#[test]
fn the_values_lie_within_the_range_that_the_pool_names() {
    let pool = Pool::reserve();
    let buffer = pool.try_store(b"here").unwrap();
    let address = buffer.as_slice().as_ptr().addr() as u64;
    assert!(pool.address_range().contains(&address));
    assert_eq!(pool.address_range().count(), pool.report().bytes);
}

#[test]
fn sixteen_pages_hold_a_thousand_small_keys() {
    assert!(fill(&Pool::reserve()).len() >= 1_000);
}

#[tokio::test]
async fn a_full_pool_fails_after_its_longest_wait_with_advice() {
    let pool = Pool::reserve_with(Lock::Prefer, Duration::from_millis(50));
    let _held = fill(&pool);
    let before = Instant::now();
    let error = pool.store(b"late").await.unwrap_err();
    assert!(before.elapsed() >= Duration::from_millis(50));
    assert!(error.to_string().contains("send fewer at once"));
}

#[tokio::test]
async fn a_value_larger_than_the_pool_fails_without_waiting() {
    let pool = Pool::reserve_with(Lock::Prefer, Duration::MAX);
    assert_eq!(
        pool.store(&vec![0; pool.report().bytes + 1])
            .await
            .unwrap_err(),
        PoolFull
    );
}

#[tokio::test]
async fn waiters_are_served_in_order_even_if_a_later_one_would_fit() {
    let pool = Pool::reserve();
    let mut held = fill(&pool);
    let large = [2; 2 * GRANULE];
    let mut first = Box::pin(pool.store(&large));
    let mut second = Box::pin(pool.store(b"small"));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    held.remove(0);
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    held.remove(0);
    let large_buffer = first.await.unwrap();
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    drop(large_buffer);
    assert_eq!(second.await.unwrap().as_slice(), b"small");
}

#[tokio::test]
async fn a_waiter_that_gives_up_lets_the_next_one_in() {
    let pool = Pool::reserve();
    let mut held = fill(&pool);
    let mut first = Box::pin(pool.store(b"first"));
    let mut second = Box::pin(pool.store(b"second"));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    held.pop();
    drop(first);
    assert_eq!(second.await.unwrap().as_slice(), b"second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_a_pool_that_holds_few_of_their_values() {
    let pool = Pool::reserve();
    let tasks: Vec<_> = (0..100_u8)
        .map(|task| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                for _ in 0..20 {
                    let value = vec![task; 6_000];
                    let buffer = pool.store(&value).await.unwrap();
                    tokio::task::yield_now().await;
                    assert_eq!(buffer.as_slice(), value);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(pool.used_bytes(), 0);
}

proptest! {
    // Each case looks at the whole pool after each step.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_held_is_intact_and_the_rest_is_zero(
        steps in prop::collection::vec((0_usize..3_000, any::<u8>(), any::<prop::sample::Index>(), any::<bool>()), 1..120)
    ) {
        let pool = Pool::reserve();
        let mut held: Vec<(u8, usize, LockedBuffer)> = Vec::new();
        for (bytes, fill, which, free) in steps {
            let fill = fill.max(1);
            if free && !held.is_empty() {
                drop(held.swap_remove(which.index(held.len())));
            } else if let Ok(buffer) = pool.try_store(&vec![fill; bytes]) {
                held.push((fill, bytes, buffer));
            }
            for (fill, bytes, buffer) in &held {
                prop_assert_eq!(buffer.as_slice(), vec![*fill; *bytes]);
            }
            let written: usize = held.iter().map(|(_, bytes, _)| bytes).sum();
            let not_zero = everything(&pool).iter().filter(|byte| **byte != 0).count();
            prop_assert_eq!(not_zero, written);
        }
    }
}
