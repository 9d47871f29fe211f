//! Many keys at once, keys that leave, and keys that come while texts are searched.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use proptest::prelude::*;

use super::*;

fn key(number: u64) -> String {
    varied(40, number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

#[test]
fn among_many_keys_each_is_recognised() {
    let mut keys: Vec<_> = (0..300).map(key).collect();
    keys.extend((0..100).map(|number| varied(8 + number % 8, number as u64)));
    let live = knowing(keys.iter().map(String::as_str));
    for key in &keys {
        assert_eq!(live.redact(&format!("<{key}>")), "<[redacted]>");
    }
    let all = keys.join(" ");
    assert_eq!(live.redact(&all), vec![MARK; keys.len()].join(" "));
    assert!(!live.holds(&key(300)));
}

#[test]
fn beyond_a_thousand_keys_the_one_handed_out_least_recently_is_forgotten() {
    // The tables are built anew for each, which is slow without optimisation.
    let small = |number: usize| format!("key-{number:04}");
    let live = LiveSecrets::new();
    let remember = |key: &str| live.remember(mark(key.as_bytes()), key.as_bytes());
    for number in 0..1024 {
        remember(&small(number));
    }
    remember(&small(0));
    remember(&small(1024));
    assert!(live.holds(&small(0)), "it was handed out again");
    assert!(!live.holds(&small(1)), "the oldest left");
    assert!((2..=1024).all(|number| live.holds(&small(number))));
    // One that left is new again.
    remember(&small(1));
    assert!(live.holds(&small(1)) && !live.holds(&small(2)));
}

#[test]
fn long_keys_take_the_place_of_many() {
    let live = LiveSecrets::new();
    let keys: Vec<_> = (0..10).map(|number| varied(16 * 1024, number)).collect();
    live.remember(mark(KEY.as_bytes()), KEY.as_bytes());
    for key in &keys {
        live.remember(mark(key.as_bytes()), key.as_bytes());
    }
    assert!(!live.holds(KEY));
    assert!(!live.holds(&keys[1][..1000]));
    // 128 KiB of them.
    assert!(keys[2..].iter().all(|key| live.holds(&key[16_000..16_300])));
}

#[test]
fn what_keys_share_stays_known_until_the_last_of_them_has_left() {
    let live = LiveSecrets::new();
    let shared = varied(20, 7);
    let long = |number| format!("{shared}{}", varied(16 * 1024 - 20, number));
    let remember = |key: &str| live.remember(mark(key.as_bytes()), key.as_bytes());
    remember(&long(0));
    remember(&long(1));
    for number in 2..9 {
        remember(&varied(16 * 1024, 100 + number));
    }
    assert!(live.holds(&shared));
    remember(&varied(16 * 1024, 200));
    assert!(!live.holds(&shared));
}

#[test]
fn a_key_is_recognised_from_the_moment_it_is_remembered_whatever_others_do() {
    let live = knowing([KEY]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(live.redact(&format!("<{KEY}>")), "<[redacted]>");
                }
            });
        }
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let live = &live;
                // Two of them bring the same keys at the same time.
                scope.spawn(move || {
                    for number in 0..30 {
                        let key = key(writer / 2 * 1000 + number);
                        live.remember(mark(key.as_bytes()), key.as_bytes());
                        assert!(live.holds(&key));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

proptest! {
    #[test]
    fn keys_of_all_lengths_are_found_among_one_another(
        keys in prop::collection::vec("[a-d%\\\\/]{8,24}", 1..6),
        between in "[a-d ]{0,12}",
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let live = knowing(keys.iter().map(String::as_str));
        let text = keys.join(&between);
        let whole = live.redact(&text).into_owned();
        for key in &keys {
            prop_assert!(!whole.contains(key.as_str()), "{} in {}", key, whole);
        }
        prop_assert_eq!(&filtered(live.stream(), cut(&text, &cuts)), &whole);
    }
}
