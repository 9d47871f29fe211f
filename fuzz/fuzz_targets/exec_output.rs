//! What commands print: picking a value ends, gives nothing that can be no key, and a failure's
//! words quote nothing of the output.
//!
//! The first byte says whether a field is picked, the next two where a key is put into the rest.

#![no_main]

use keyward::secrets::providers::{MAX_VALUE_BYTES, exec::fuzzing::picked};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const KEY: &[u8] = b"sk-proj-CanaryQ7xZ41vW90kLm2Np8Rt5YbEd";

fuzz_target!(|data: &[u8]| {
    let Some(([choice, a, b], output)) = data.split_first_chunk::<3>() else {
        return;
    };
    let is_field = choice & 1 == 1;
    let place = usize::from(u16::from_le_bytes([*a, *b])) % (output.len() + 1);
    let with_key = [&output[..place], KEY, &output[place..]].concat();
    for output in [output, with_key.as_slice()] {
        match picked(output, is_field) {
            Ok(value) => {
                assert!((1..=MAX_VALUE_BYTES).contains(&value.len()));
                // Lines are those of a document: a key in PEM, or a JSON object.
                let is_document = value.starts_with(b"-----BEGIN ")
                    || value.trim_ascii_start().starts_with(b"{");
                let is_line = |byte: u8| is_document && matches!(byte, b'\n' | b'\r' | b'\t');
                let is_stray = |byte: &u8| byte.is_ascii_control() && !is_line(*byte);
                assert!(!value.iter().any(is_stray));
                if !is_field {
                    assert!(output.starts_with(&value) && output.len() - value.len() <= 2);
                } else if let Ok(parsed) = serde_json::from_slice::<Value>(output) {
                    assert_eq!(
                        parsed["k"].as_str().map(str::as_bytes),
                        Some(value.as_slice())
                    );
                }
            }
            Err(words) => assert!(!words.contains("Canary"), "{words}"),
        }
    }
});
