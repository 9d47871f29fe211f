//! The search for pieces of keys in a text, one group at a time.
//!
//! Apart from the group because it only decides where to look. All of the text is passed at the
//! speed of one look at every eighth place; character by character is read only around a place
//! where something that is known may be. Two kinds of places can show a piece:
//!
//! - In a piece, or in what of it stands before its first escape, that is `stride + gram - 1`
//!   characters long or longer, a gram begins at one of the places of the stride, and the piece
//!   less than a stride before it.
//! - Otherwise the piece has an escape, and its first one is less than that from its beginning.
//!   Of a piece of `2 * gram - 1` characters or more, a gram begins with that escape or ends
//!   before it.
//!
//! Places are passed in order, and none is read twice. What stands between two that were read and
//! was not read itself is a stride or more away from the latter, so that its own place of the
//! stride came before. A place at which the text is too short to tell is read.

use std::ops::Range;

use memchr::memchr2;

use super::{
    group::{Found, Group, May},
    reading::{self, Escapes, Read, eight},
};

/// Appends to `found` where pieces of keys of any of `groups` are in `text`: merged, in order, and
/// each from the beginning to the end of a character. Returns the place from which on more may
/// begin; with `open`, more text may follow.
pub(super) fn hits(
    groups: &[&Group],
    text: &str,
    open: bool,
    found: &mut Vec<Range<usize>>,
) -> usize {
    let own = found.len();
    let mut known = text.len();
    for group in groups {
        let first = found.len();
        let mut scan = Scan::of(group, text, open);
        for hit in scan.by_ref() {
            let hit = text.floor_char_boundary(hit.start)..text.ceil_char_boundary(hit.end);
            add(hit, found, first);
        }
        known = scan.undecided().map_or(known, |place| known.min(place));
        // Those of two groups may lie in any order.
        if first > own {
            let mut all = found.split_off(own);
            all.sort_unstable_by_key(|hit| hit.start);
            all.into_iter().for_each(|hit| add(hit, found, own));
        }
    }
    known
}

/// Whether any piece of a key of `groups` is in `text`.
pub(super) fn holds(groups: &[&Group], text: &str) -> bool {
    let mut groups = groups.iter();
    groups.any(|group| Scan::of(group, text, false).next().is_some())
}

/// Appends `hit`, or lengthens the last of those from `first` on.
fn add(hit: Range<usize>, found: &mut Vec<Range<usize>>, first: usize) {
    match found.get_mut(first..).and_then(<[_]>::last_mut) {
        Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
        _ => found.push(hit),
    }
}

/// A search, which yields where pieces are. They may overlap, and begin each after the other.
struct Scan<'t> {
    group: &'t Group,
    text: &'t [u8],
    /// Whether more text may follow.
    open: bool,
    /// The next place to be read, and where reading ends for now.
    reading: Range<usize>,
    /// The next place of the stride.
    stride: usize,
    /// The next place with a character that an escape begins with.
    escape: usize,
    /// The first place of which is not known whether a piece begins there.
    undecided: usize,
}

impl<'t> Scan<'t> {
    fn of(group: &'t Group, text: &'t str, open: bool) -> Self {
        let text = if group.is_empty() { "" } else { text }.as_bytes();
        Self {
            group,
            text,
            open,
            reading: 0..0,
            stride: 0,
            escape: escape_from(text, 0),
            undecided: usize::MAX,
        }
    }

    /// The first place of which is not known whether a piece begins there, unless all are known.
    /// To be asked when there is no more to be found.
    fn undecided(&self) -> Option<usize> {
        (self.undecided < usize::MAX).then_some(self.undecided)
    }

    /// The next places that must be read.
    fn suspicion(&mut self) -> Option<Range<usize>> {
        let (gram, stride) = (self.group.shape.gram, self.group.shape.stride);
        while self.stride < usize::MAX {
            while self.stride <= self.escape {
                let place = self.stride;
                let Some(eight) = self.text.get(place..).and_then(eight) else {
                    // The rest is too short for a look, so all of it is read.
                    self.stride = usize::MAX;
                    return Some(place.saturating_sub(stride - 1)..self.text.len());
                };
                self.group.count(1);
                self.stride += stride;
                if self.group.may_hold(eight) {
                    return Some(place.saturating_sub(stride - 1)..place + 1);
                }
            }
            let place = self.escape;
            self.escape = escape_from(self.text, place + 1);
            if self.is_suspicious(place) {
                return Some(place.saturating_sub(stride + gram - 2)..place + 1);
            }
        }
        None
    }

    /// Whether at `place` an escape begins which may be the first of a piece.
    fn is_suspicious(&self, place: usize) -> bool {
        let text = self.text.get(place..).unwrap_or_default();
        let mut met = Escapes::default();
        met.meet(text);
        match reading::first(text, met, self.open) {
            Read::Of(_, 1) => return false,
            Read::Of(..) => {}
            Read::TooShort => return true,
        }
        let before = place.checked_sub(self.group.shape.gram);
        let before = before.and_then(|from| self.text.get(from..));
        if before.is_some_and(|before| eight(before).is_none_or(|eight| self.group.may_hold(eight)))
        {
            return true;
        }
        let itself = met;
        // Where the other kind of escape is met as well, it may count or not.
        self.may_begin(text, itself, &mut met)
            || met != itself && self.may_begin(text, met, &mut Escapes::default())
    }

    fn may_begin(&self, text: &[u8], escapes: Escapes, met: &mut Escapes) -> bool {
        self.group.may_begin(text, escapes, self.open, met) != May::Not
    }
}

impl Iterator for Scan<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.undecided == usize::MAX {
            let Some(place) = self.reading.next() else {
                let suspicion = self.suspicion()?;
                self.reading = suspicion.start.max(self.reading.end)..suspicion.end;
                continue;
            };
            let text = self.text.get(place..).unwrap_or_default();
            match self.group.find(text, self.open) {
                Found::None => {}
                Found::Of(length) => return Some(place..place + length),
                Found::Undecided => self.undecided = place,
            }
        }
        None
    }
}

/// The next place from `from` on with a character that an escape begins with, or one that no text
/// has.
fn escape_from(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    memchr2(b'%', b'\\', rest).map_or(usize::MAX, |at| from + at)
}
