//! Where a rule is tried: around its keywords, and further where a match reaches the edge.
//!
//! The work is bounded by the windows' length, not by the text's: a match is looked for from 128
//! bytes before a keyword to 512 behind it.

use std::{collections::BTreeMap, ops::Range};

use super::{
    super::{merge::Hit, rules::Pattern},
    budget::{Budget, Exhausted},
    keywords::Keywords,
};

const BEFORE: usize = 128;
const BEHIND: usize = 512;
/// A match that ends so near to the edge might go on, were there more: its last part may be cut.
const NEAR: usize = 64;

/// Tries every rule around its keywords, and those of `everywhere` on all of `text`. A rule is told
/// by its place in `patterns`.
pub(super) fn find(
    patterns: &[Pattern],
    keywords: &Keywords,
    everywhere: &[usize],
    text: &[u8],
    budget: &mut Budget,
    hits: &mut Vec<Hit>,
) -> Result<(), Exhausted> {
    // By rule; each rule's are in order and apart.
    let mut windows: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
    keywords.find(text, |keyword, rules| {
        let start = keyword.start.saturating_sub(BEFORE);
        let end = text.len().min(keyword.end + BEHIND);
        for &rule in rules {
            let windows = windows.entry(rule).or_default();
            match windows.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ => windows.push(start..end),
            }
        }
    });
    for &rule in everywhere {
        windows.insert(rule, std::iter::once(0..text.len()).collect());
    }
    for (rule, windows) in windows {
        let Some(pattern) = patterns.get(rule) else {
            continue;
        };
        // Where the last match ended: nothing before it is looked at again.
        let mut done = 0;
        for window in windows {
            let window = window.start.max(done)..window.end;
            if !window.is_empty() {
                done = search(pattern, text, window, done, budget, |range| {
                    hits.push(Hit { rule, range });
                })?;
            }
        }
    }
    Ok(())
}

/// Finds all matches in `window`, which grows with a match that reaches its edge but not below
/// `floor`. Says where the last one ended.
fn search(
    pattern: &Pattern,
    text: &[u8],
    mut window: Range<usize>,
    mut floor: usize,
    budget: &mut Budget,
    mut hit: impl FnMut(Range<usize>),
) -> Result<usize, Exhausted> {
    while window.start < window.end {
        let within = text.get(..window.end).unwrap_or(text);
        let Some(found) = pattern.next(within, window.start) else {
            budget.spend(window.len())?;
            break;
        };
        budget.spend(found.whole.end - window.start + found.whole.len())?;
        let is_cut_behind = found.whole.end + NEAR > window.end && window.end < text.len();
        let is_cut_before = found.whole.start == window.start && window.start > floor;
        if is_cut_behind || is_cut_before {
            let length = window.len();
            if is_cut_behind {
                window.end = text.len().min(window.end + length);
            }
            if is_cut_before {
                window.start = floor.max(window.start.saturating_sub(length));
            }
            continue;
        }
        // What did not count may have swallowed the beginning of what does, behind its name.
        let next = match found.secret {
            Some(secret) => {
                hit(secret);
                found.whole.end
            }
            None if found.secret_start > found.whole.start => found.secret_start,
            None => found.whole.end,
        };
        window.start = next.max(window.start + 1);
        floor = window.start;
    }
    Ok(floor)
}
