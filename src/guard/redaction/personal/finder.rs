//! Which kinds there are, and the search for all of them.
//!
//! An address is looked for at each `@`, everything else where digits stand close together.

use std::ops::Range;

use memchr::memchr_iter;

use super::{card, digits, email, iban, phone, ssn};

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// An email address.
    Email,
    /// A bank account's number.
    Iban,
    /// A payment card's number.
    PaymentCard,
    /// A social security number of the United States.
    UsSsn,
    /// A telephone number.
    Phone,
}

impl Kind {
    /// All kinds. Of two that begin at the same place the earlier one counts.
    pub(in super::super) const ALL: [Self; 5] = [
        Self::Email,
        Self::Iban,
        Self::PaymentCard,
        Self::UsSsn,
        Self::Phone,
    ];

    /// The id, as of a rule.
    pub(in super::super) fn id(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Iban => "iban",
            Self::PaymentCard => "payment-card",
            Self::UsSsn => "us-ssn",
            Self::Phone => "phone",
        }
    }

    /// Where a number of this kind ends that begins at `at`, where a word does.
    fn end(self, text: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Email => None,
            Self::Iban => iban::end(text, at),
            Self::PaymentCard => card::end(text, at),
            Self::UsSsn => ssn::end(text, at),
            Self::Phone => phone::end(text, at),
        }
    }
}

/// Calls `found` with each find: the place of its kind in `kinds`, and where it is.
pub(in super::super) fn find(
    text: &[u8],
    kinds: &[Kind],
    found: &mut dyn FnMut(usize, Range<usize>),
) {
    if let Some(index) = kinds.iter().position(|kind| *kind == Kind::Email) {
        let mut floor = 0;
        for at in memchr_iter(b'@', text) {
            if let Some(range) = email::around(text, at, floor) {
                floor = range.end;
                found(index, range);
            }
        }
    }
    if kinds.iter().all(|kind| *kind == Kind::Email) {
        return;
    }
    for zone in digits::Zones::of(text) {
        let mut at = zone.start;
        while at < zone.end {
            let number = begins_number(text, at).then(|| {
                let ends = kinds.iter().map(|kind| kind.end(text, at));
                ends.enumerate()
                    .find_map(|(index, end)| Some((index, end?)))
            });
            match number.flatten() {
                Some((index, end)) => {
                    found(index, at..end);
                    at = end.max(at + 1);
                }
                None => at += 1,
            }
        }
    }
}

/// Whether a number may begin at `at`: not within a word or another number.
fn begins_number(text: &[u8], at: usize) -> bool {
    let may_begin = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'(');
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    text.get(at).copied().is_some_and(may_begin) && !before.copied().is_some_and(joins)
}

/// Whether a number may end before `at`.
pub(super) fn ends_number(text: &[u8], at: usize) -> bool {
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.get(at).copied().is_some_and(joins)
}
