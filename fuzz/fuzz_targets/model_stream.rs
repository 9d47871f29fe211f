//! Answers of models: reading ends, however the stream is cut into pieces it reads the same, and what
//! is cut off is never taken for another answer.
//!
//! The first three bytes choose the protocol, how many bytes come at a time, and where it is cut.

#![no_main]

use keyward::models::providers::fuzzing::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(([protocol, at_a_time, cut], bytes)) = data.split_first_chunk::<3>() else {
        return;
    };
    let protocol = usize::from(*protocol);
    let whole = read(protocol, bytes, usize::MAX);
    assert_eq!(read(protocol, bytes, usize::from(*at_a_time)), whole);
    let cut = bytes.len().saturating_sub(usize::from(*cut));
    // What is whole before its end stays so: nothing behind the end is waited for.
    if let (Some(early), Some(whole)) = (read(protocol, &bytes[..cut], 64), whole) {
        assert!(whole.0.starts_with(&early.0) || early.0.starts_with(&whole.0));
    }
});
