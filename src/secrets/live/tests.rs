//! Keys in every form, in every company, at every split; and what must pass.

mod bounds;
mod company;
mod forms;
mod scanning;
mod stream;

use std::{collections::hash_map::DefaultHasher, hash::Hasher as _, sync::Arc};

use super::*;

/// A key with everything in it that is written differently somewhere.
const KEY: &str = "sk-proj-T3BlbkFJ/abc+DEF_0123456789\"xyz%q";

/// A mark as the broker makes it, but for the random keys.
fn mark(value: &[u8]) -> [u8; 16] {
    let mut mark = [0; 16];
    for (seed, part) in mark.chunks_exact_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        hasher.write_usize(seed);
        hasher.write(value);
        part.copy_from_slice(&hasher.finish().to_ne_bytes());
    }
    mark
}

/// What knows `keys`.
fn knowing<'k>(keys: impl IntoIterator<Item = &'k str>) -> Arc<LiveSecrets> {
    let live = Arc::new(LiveSecrets::new());
    for key in keys {
        live.remember(mark(key.as_bytes()), key.as_bytes());
    }
    live
}

/// `pieces` through `filter`, as one stream.
fn filtered<'t>(mut filter: Filter, pieces: impl IntoIterator<Item = &'t str>) -> String {
    let mut out = String::new();
    for piece in pieces {
        filter.push(piece, &mut out);
    }
    filter.finish(&mut out);
    out
}

/// `text` cut at those of `cuts` at which it may be cut.
fn cut<'t>(text: &'t str, cuts: &[usize]) -> Vec<&'t str> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.retain(|cut| text.is_char_boundary(*cut));
    cuts.push(text.len());
    cuts.sort_unstable();
    let mut from = 0;
    let pieces = cuts.into_iter().map(|to| {
        let piece = &text[from..to];
        from = to;
        piece
    });
    pieces.collect()
}

/// Whether no 16 bytes in a row of `form` are in `text`.
fn none_survives(form: &str, text: &str) -> bool {
    let mut pieces = form.as_bytes().windows(16);
    !pieces.any(|piece| text.as_bytes().windows(16).any(|window| window == piece))
}

/// A text of so many characters in which hardly any row of them comes twice.
fn varied(characters: usize, mut state: u64) -> String {
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + ((state >> 33) % 94) as u8)
    };
    std::iter::repeat_with(next).take(characters).collect()
}
