//! From finds that overlap to pieces that are replaced, each once.
//!
//! A piece covers everything that any of its finds covers, is told by the weightiest of them (the
//! widest among equals), begins and ends between characters and never cuts a mark in two.

use std::ops::Range;

/// A find: which rule, by its place in the table of rules, and where in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    /// The rule.
    pub(super) rule: usize,
    /// Where.
    pub(super) range: Range<usize>,
}

/// The pieces of `text` that `hits` cover, in order; a hit within one of `marks` is none. `weight`
/// is that of a rule.
pub(super) fn pieces<W: Ord>(
    text: &str,
    hits: Vec<Hit>,
    marks: &[Range<usize>],
    weight: impl Fn(usize) -> W,
) -> Vec<Hit> {
    let mut hits: Vec<Hit> = hits
        .into_iter()
        .filter(|hit| !hit.range.is_empty())
        .filter_map(|hit| widen(text, hit, marks))
        .collect();
    hits.sort_by_key(|hit| (hit.range.start, hit.range.end, hit.rule));
    let mut pieces: Vec<(Hit, (W, usize))> = Vec::new();
    for hit in hits {
        let weight = (weight(hit.rule), hit.range.len());
        match pieces.last_mut() {
            Some((piece, heaviest)) if hit.range.start < piece.range.end => {
                if weight > *heaviest {
                    (piece.rule, *heaviest) = (hit.rule, weight);
                }
                piece.range.end = piece.range.end.max(hit.range.end);
            }
            _ => pieces.push((hit, weight)),
        }
    }
    pieces.into_iter().map(|(piece, _)| piece).collect()
}

fn widen(text: &str, mut hit: Hit, marks: &[Range<usize>]) -> Option<Hit> {
    hit.range = text.floor_char_boundary(hit.range.start)..text.ceil_char_boundary(hit.range.end);
    let first = marks.partition_point(|mark| mark.end <= hit.range.start);
    for mark in marks.get(first..).unwrap_or_default() {
        if mark.start >= hit.range.end {
            break;
        }
        if mark.start <= hit.range.start && hit.range.end <= mark.end {
            return None;
        }
        hit.range = hit.range.start.min(mark.start)..hit.range.end.max(mark.end);
    }
    Some(hit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(text: &str, hits: &[(usize, Range<usize>)], mark: Range<usize>) -> Vec<Hit> {
        let hits = hits.iter().cloned();
        let hits = hits.map(|(rule, range)| Hit { rule, range }).collect();
        pieces(text, hits, &[mark], |rule| rule == 9)
    }

    fn hit(rule: usize, range: Range<usize>) -> Hit {
        Hit { rule, range }
    }

    #[test]
    fn hits_that_overlap_are_one_piece_told_by_the_weightiest_and_neighbours_are_two() {
        let text = "0123456789";
        assert_eq!(
            merged(text, &[(1, 2..4), (2, 3..7), (3, 6..7), (4, 7..9)], 0..0),
            [hit(2, 2..7), hit(4, 7..9)]
        );
        assert_eq!(merged(text, &[(5, 1..3), (2, 1..3)], 0..0), [hit(2, 1..3)]);
        assert_eq!(merged(text, &[(9, 1..3), (2, 0..8)], 0..0), [hit(9, 0..8)]);
        assert_eq!(merged(text, &[(5, 3..3)], 0..0), []);
    }

    #[test]
    fn a_piece_cuts_neither_a_character_nor_a_mark() {
        assert_eq!(merged("aéb", &[(0, 2..4)], 0..0), [hit(0, 1..4)]);
        let text = "ab[redacted]cd";
        assert_eq!(merged(text, &[(0, 5..9), (0, 2..12)], 2..12), []);
        assert_eq!(merged(text, &[(0, 5..13)], 2..12), [hit(0, 2..13)]);
        assert_eq!(merged(text, &[(0, 0..3)], 2..12), [hit(0, 0..12)]);
        assert_eq!(merged(text, &[(0, 0..2)], 2..12), [hit(0, 0..2)]);
    }
}
