//! Finds every part of a key's forms in a stream of memory, in one pass.
//!
//! A part that counts is at least `fragment` bytes long, so it holds a four-byte group at one of
//! any `fragment - 3` neighbouring positions. Only each `fragment - 3`rd position is therefore
//! looked up; where the group there is one of a form's, the match is extended both ways to its
//! full length. That reads a byte in nine, and finds every window at every alignment.
//!
//! It knows addresses, not processes, and keeps nothing of what it was fed beyond one key's
//! length.

use std::{collections::HashMap, ops::Range};

use zeroize::Zeroizing;

use super::{
    needle::{Detector, Form, Needle},
    report::Findings,
};

/// How many bytes of a form are looked up at once.
const GROUP: usize = 4;

/// How many hashes the filter tells apart.
const FILTER: usize = 1 << 16;

/// A part of a form, found in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Found {
    form: usize,
    /// Where the part begins in the form.
    first: usize,
    /// Where the part begins in memory.
    address: u64,
}

/// The search for several keys at once.
pub(super) struct Matcher<'a> {
    /// Each form, with the position of its needle.
    forms: Vec<(usize, &'a Form)>,
    needles: usize,
    /// Where each group occurs: form and position in it.
    groups: HashMap<[u8; GROUP], Vec<(usize, usize)>>,
    filter: Vec<bool>,
    stride: usize,
    longest: usize,
    /// The bytes fed last, and the address behind them.
    buffer: Zeroizing<Vec<u8>>,
    end: u64,
    /// The longest part found at each place.
    found: HashMap<Found, usize>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(needles: &'a [Needle]) -> Self {
        let forms: Vec<(usize, &Form)> = needles
            .iter()
            .enumerate()
            .flat_map(|(needle, Needle { forms })| forms.iter().map(move |form| (needle, form)))
            .collect();
        let mut groups: HashMap<[u8; GROUP], Vec<(usize, usize)>> = HashMap::new();
        let mut filter = vec![false; FILTER];
        for (index, (_, form)) in forms.iter().enumerate() {
            for (at, bytes) in form.bytes.windows(GROUP).enumerate() {
                let group = group_of(bytes);
                filter[hash(group)] = true;
                groups.entry(group).or_default().push((index, at));
            }
        }
        let shortest = forms
            .iter()
            .map(|(_, form)| form.fragment)
            .min()
            .unwrap_or(GROUP);
        let longest = forms
            .iter()
            .map(|(_, form)| form.bytes.len())
            .max()
            .unwrap_or(0);
        Self {
            forms,
            needles: needles.len(),
            groups,
            filter,
            stride: (shortest + 1).saturating_sub(GROUP).max(1),
            longest,
            buffer: Zeroizing::new(Vec::new()),
            end: 0,
            found: HashMap::new(),
        }
    }

    /// Looks at `bytes`, which lie at `address`. What lies behind the bytes fed before continues
    /// them, so that nothing hides on a boundary.
    pub(super) fn feed(&mut self, address: u64, bytes: &[u8]) {
        if address == self.end {
            // No part is longer than what is kept, so one that crosses the boundary is seen whole.
            let dropped = self.buffer.len().saturating_sub(self.longest);
            self.buffer.drain(..dropped);
        } else {
            self.buffer.clear();
        }
        let seen = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        self.end = address + bytes.len() as u64;
        let start = self.end - self.buffer.len() as u64;

        let last = self.buffer.len().saturating_sub(GROUP - 1);
        let mut at = 0;
        while at < last {
            let group = group_of(&self.buffer[at..]);
            if self.filter[hash(group)] {
                for &(form, position) in self.groups.get(&group).map_or(&[][..], Vec::as_slice) {
                    let (first, length) =
                        extend(&self.buffer, at, &self.forms[form].1.bytes, position);
                    let begins = at - (position - first);
                    // What ends in the part seen before was found then, and may be cut off now.
                    if length >= self.forms[form].1.fragment && begins + length > seen {
                        let address = start + begins as u64;
                        let longest = self
                            .found
                            .entry(Found {
                                form,
                                first,
                                address,
                            })
                            .or_default();
                        *longest = length.max(*longest);
                    }
                }
            }
            at += self.stride;
        }
    }

    /// What was found of each needle: inside `pool`, and outside.
    pub(super) fn finish(self, pool: &[Range<u64>]) -> Vec<[Findings; 2]> {
        let mut findings = vec![[Findings::default(); 2]; self.needles];
        // How often each fragment of each form occurs, inside and outside.
        let mut fragments: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
        for (found, length) in &self.found {
            let (needle, form) = self.forms[found.form];
            let side = usize::from(!pool.iter().any(|range| range.contains(&found.address)));
            if form.detector == Detector::Raw && *length == form.bytes.len() {
                findings[needle][side].full_copies += 1;
            }
            let counts = fragments
                .entry((found.form, side))
                .or_insert_with(|| vec![0; form.bytes.len() + 1 - form.fragment]);
            for count in &mut counts[found.first..=found.first + length - form.fragment] {
                *count += 1;
            }
        }
        for ((form, side), counts) in fragments {
            let (needle, form) = self.forms[form];
            let findings = &mut findings[needle][side];
            let largest = match form.detector {
                Detector::Raw => &mut findings.largest_fragment_count,
                Detector::Base64 => &mut findings.base64,
                Detector::Huffman => &mut findings.huffman,
            };
            *largest = counts.into_iter().fold(*largest, usize::max);
        }
        findings
    }
}

/// The first four of `bytes`; the callers give at least four.
fn group_of(bytes: &[u8]) -> [u8; GROUP] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

fn hash(group: [u8; GROUP]) -> usize {
    (u32::from_le_bytes(group).wrapping_mul(0x9E37_79B1) >> 16) as usize
}

/// How far `memory` around `at` agrees with `form` around `position`: where in the form the
/// agreement begins, and its length.
fn extend(memory: &[u8], at: usize, form: &[u8], position: usize) -> (usize, usize) {
    let before = memory[..at].iter().rev().zip(form[..position].iter().rev());
    let left = before.take_while(|(a, b)| a == b).count();
    let after = memory[at..].iter().zip(&form[position..]);
    (
        position - left,
        left + after.take_while(|(a, b)| a == b).count(),
    )
}

#[cfg(test)]
mod tests;
