//! Answers of Vault: reading ends, a value is what stands at the field and comes with a success
//! alone, a miss is bare, and a failure's words quote nothing of the answer.
//!
//! The first byte chooses status and version, the next two where a key is put into the rest.

#![no_main]

use keyward::secrets::providers::vault::fuzzing::{Meaning, meaning};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const KEY: &[u8] = b"sk-proj-CanaryQ7xZ41vW90kLm2Np8Rt5YbEd";
const STATUSES: [u16; 12] = [200, 204, 301, 400, 403, 404, 404, 412, 429, 500, 503, 599];

fuzz_target!(|data: &[u8]| {
    let Some(([choice, a, b], body)) = data.split_first_chunk::<3>() else {
        return;
    };
    let status = STATUSES[usize::from(choice >> 1) % STATUSES.len()];
    let is_version_2 = choice & 1 == 1;
    let place = usize::from(u16::from_le_bytes([*a, *b])) % (body.len() + 1);
    let with_key = [&body[..place], KEY, &body[place..]].concat();
    for body in [body, with_key.as_slice()] {
        let parsed = serde_json::from_slice::<Value>(body);
        match meaning(status, body, is_version_2) {
            Meaning::Value(text) => {
                assert!((200..300).contains(&status));
                let pointer = if is_version_2 {
                    "/data/data/api_key"
                } else {
                    "/data/api_key"
                };
                if let Ok(parsed) = parsed {
                    let there = parsed.pointer(pointer).and_then(Value::as_str);
                    assert_eq!(there.map(str::as_bytes), Some(text.as_slice()));
                }
            }
            Meaning::Miss => {
                let parsed = parsed.expect("what is no JSON is no miss");
                assert_eq!(
                    (status, &parsed["errors"]),
                    (404, &Value::Array(Vec::new()))
                );
                assert!(parsed["data"].is_null());
            }
            Meaning::Denied => assert_eq!(status, 403),
            Meaning::Failure(words) => assert!(!words.contains("Canary"), "{words}"),
        }
    }
});
