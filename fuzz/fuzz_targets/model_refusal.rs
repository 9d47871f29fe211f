//! Refusals of vendors: reading ends, and nothing that the vendor wrote is told on, a key least of all.
//!
//! The first three bytes choose the protocol, the status, and where a key is put into the rest.

#![no_main]

use keyward::models::providers::fuzzing::refusal;
use libfuzzer_sys::fuzz_target;

const KEY: &[u8] = b"sk-proj-CanaryQ7xZ41vW90kLm2Np8Rt5YbEd";
const STATUSES: [u16; 12] = [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 529];

fuzz_target!(|data: &[u8]| {
    let Some(([protocol, status, place], body)) = data.split_first_chunk::<3>() else {
        return;
    };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let place = usize::from(*place).min(body.len());
    let with_key = [&body[..place], KEY, &body[place..]].concat();
    for body in [body, with_key.as_slice()] {
        let told = refusal(usize::from(*protocol), status, body);
        assert!(!told.contains("Canary"), "{told}");
    }
});
