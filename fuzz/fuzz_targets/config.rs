//! The configuration parser: whatever is read, it ends with settings or findings, and a key that
//! stands anywhere in it is in no output.
//!
//! The first two bytes say where the key is put into the rest.

#![no_main]

use keyward::config::{Overrides, Style, parse};
use libfuzzer_sys::fuzz_target;

const KEY: &[u8] = b"sk-proj-CanaryQ7xZ41vW90kLm2Np8Rt5YbEd";
const PARTS: [&str; 3] = ["CanaryQ7", "W90kLm2N", "Rt5YbEd"];

fuzz_target!(|data: &[u8]| {
    let Some((place, text)) = data.split_first_chunk::<2>() else {
        return;
    };
    let place = usize::from(u16::from_le_bytes(*place)) % (text.len() + 1);
    let with_key = [&text[..place], KEY, &text[place..]].concat();
    for text in [text, with_key.as_slice()] {
        let Err(error) = parse(text, None, &Overrides::default()) else {
            continue;
        };
        let human = error.human(Style::default());
        let shown = format!("{human}{}{error}{error:?}", error.json());
        // The fuzzer may find the parts itself and put them where a name may stand; only the
        // whole key is certainly ours.
        assert!(
            !PARTS.iter().all(|part| shown.contains(part)),
            "the key is shown"
        );
    }
});
