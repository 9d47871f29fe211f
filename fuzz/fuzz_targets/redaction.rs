//! Redaction: any text and any file of rules ends without a panic, and to redact what was redacted
//! changes nothing. A key that was handed out is in no output.
//!
//! The first byte says where the key is put into the text.

#![no_main]

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use keyward::{
    guard::redaction::{Direction, LiveNet, RedactionSettings, Redactor},
    secrets::live::LiveSecrets,
};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "sk-proj-CanaryQ7xZ41vW90kLm2Np8Rt5YbEd";

struct Live(LiveSecrets);

impl LiveNet for Live {
    fn ranges(&self, text: &str, found: &mut Vec<Range<usize>>) {
        self.0.ranges(text, found);
    }
}

fn live() -> Arc<Live> {
    static LIVE: OnceLock<Arc<Live>> = OnceLock::new();
    Arc::clone(LIVE.get_or_init(|| {
        let live = LiveSecrets::new();
        live.remember([7; 16], KEY.as_bytes());
        Arc::new(Live(live))
    }))
}

fn redactor() -> &'static Redactor {
    static REDACTOR: OnceLock<Redactor> = OnceLock::new();
    REDACTOR.get_or_init(|| {
        Redactor::new(&RedactionSettings::default(), &[], live()).expect("the shipped rules")
    })
}

fuzz_target!(|data: (u8, &str)| {
    let (place, text) = data;
    let _read = Redactor::new(
        &RedactionSettings::default(),
        &[(0, text.to_owned())],
        live(),
    );
    let place = text.floor_char_boundary(usize::from(place));
    let with_key = format!("{} {KEY} {}", &text[..place], &text[place..]);
    for direction in Direction::ALL {
        let once = redactor().text(direction, &with_key).text.into_owned();
        assert!(!once.contains(KEY), "the key survives");
        let twice = redactor().text(direction, &once);
        assert_eq!(twice.text, once, "redacted again");
    }
});
