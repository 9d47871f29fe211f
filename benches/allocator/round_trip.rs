//! JSON read and written again, as each call does it with its request and its answer: what a
//! global allocator costs there.
//!
//! Both programs beside this file are this loop; they differ in their allocator alone. What each
//! prints is one line of nanoseconds a round trip, which the broker's bench reads: it runs both in turns.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on stops; its result is what it prints"
)]

use std::{hint::black_box, time::Instant};

use serde_json::{Value, json};

/// Messages in the request: about 1 KB, 8 KB and 64 KB of JSON.
const SIZES: [usize; 3] = [4, 32, 256];
const ROUNDS: usize = 8;
/// About this many bytes a round, so that rounds of each size take as long.
const BYTES_A_ROUND: usize = 4 << 20;

/// Prints the quickest round of each size (what else runs on the machine only ever adds): first with
/// a buffer that grows as it is written to, then with one that is large enough from the start.
pub fn measure() {
    for is_grown in [true, false] {
        for size in SIZES {
            print!("{:.1} ", quickest(size, is_grown));
        }
    }
    println!();
}

fn quickest(messages: usize, is_grown: bool) -> f64 {
    let text = request(messages);
    let times = BYTES_A_ROUND / text.len();
    let capacity = if is_grown { 128 } else { text.len() };
    let rounds = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        for _ in 0..times {
            let read: Value = serde_json::from_str(black_box(&text)).unwrap();
            // As `serde_json::to_vec` does it, which begins with 128 bytes.
            let mut written = Vec::with_capacity(capacity);
            serde_json::to_writer(&mut written, &read).unwrap();
            black_box(written);
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(times).unwrap())
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// A chat of so many messages, as it goes to a vendor.
fn request(messages: usize) -> String {
    let text =
        "Why does this function lock twice, and what would be lost if it did not? ".repeat(3);
    let messages: Vec<Value> = (0..messages)
        .map(|number| {
            let role = if number % 2 == 0 { "user" } else { "assistant" };
            json!({ "role": role, "content": text, "number": number })
        })
        .collect();
    json!({ "model": "stand-in", "stream": true, "messages": messages, "temperature": 0.2 })
        .to_string()
}
