//! Fingerprints: what is kept in the place of a piece of a key.
//!
//! Apart because everything that must hold for secrecy and for false alarms is decided here. A
//! piece becomes two polynomials over random points, which roll along a key at the cost of a few
//! products, and each of these is hashed with a random key. Two different pieces agree in one
//! polynomial with a chance of 32 in 2^61 at most, in both and in 32 bits of the second hash with
//! one of less than 2^-80: a false alarm is not to be expected in the life of any process.
//!
//! It must never see more than one unit, or eight written characters, at a time: a hash that
//! gathers blocks, as SHA-256 does, would leave a piece of the key on the stack.

use std::{
    hash::{BuildHasher, RandomState},
    iter,
};

use zeroize::DefaultIsZeroes;

/// The Mersenne prime that polynomials are taken by.
const PRIME: u64 = (1 << 61) - 1;

/// The random keys by which pieces are fingerprinted.
#[derive(Clone)]
pub(super) struct Fingerprints {
    points: [u64; 2],
    hashers: [RandomState; 2],
    grams: [u64; 2],
}

/// The polynomials of a row of units.
#[derive(Clone, Copy, Default)]
pub(super) struct Print([u64; 2]);

/// A fingerprint to keep: a [`Print`], hashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sealed {
    /// By which it is sorted and found.
    pub(super) place: u64,
    /// By which what was found is confirmed.
    pub(super) check: u32,
}

impl DefaultIsZeroes for Sealed {}

impl Fingerprints {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let number = |name: &str| random.hash_one(name);
        let point = |name| number(name) % (PRIME - 256) + 256;
        Self {
            points: ["point", "other point"].map(point),
            hashers: [RandomState::new(), RandomState::new()],
            grams: [number("mask"), number("factor") | 1],
        }
    }

    /// The print of a row with one more unit at its end.
    pub(super) fn extended(&self, Print(mut values): Print, unit: u8) -> Print {
        for (value, point) in values.iter_mut().zip(self.points) {
            *value = extended(*value, unit, point);
        }
        Print(values)
    }

    pub(super) fn sealed(&self, Print([one, other]): Print) -> Sealed {
        let [place, check] = &self.hashers;
        Sealed {
            place: place.hash_one(one),
            check: check.hash_one(other) as u32,
        }
    }

    /// The fingerprints of all rows of `units` units in `chain`, each `step` units after the one
    /// before.
    pub(super) fn windows(
        &self,
        chain: impl Iterator<Item = u8> + Clone,
        units: usize,
        step: usize,
    ) -> impl Iterator<Item = Sealed> {
        let powers = self
            .points
            .map(|point| iter::repeat_n(point, units).fold(1, product));
        let mut ahead = Print::default();
        let mut rest = chain.clone();
        for unit in rest.by_ref().take(units - 1) {
            ahead = self.extended(ahead, unit);
        }
        let mut behind = Print::default();
        let prints = rest.zip(chain).map(move |(next, left)| {
            ahead = self.extended(ahead, next);
            let mut print = ahead;
            for ((value, past), power) in print.0.iter_mut().zip(behind.0).zip(powers) {
                *value = reduced(*value + PRIME - product(past, power));
            }
            behind = self.extended(behind, left);
            print
        });
        prints.step_by(step).map(|print| self.sealed(print))
    }

    /// The hash of up to eight written characters, of whose 32 bits each is as good as another.
    pub(super) fn gram(&self, gram: u64) -> u32 {
        let [mask, factor] = self.grams;
        let wide = u128::from(gram ^ mask) * u128::from(factor);
        let folded = (wide >> 64) as u64 ^ wide as u64;
        (folded >> 32) as u32 ^ folded as u32
    }
}

fn extended(value: u64, unit: u8, point: u64) -> u64 {
    // Counted from 1, so that a zero is not the same as none.
    reduced(product(value, point) + u64::from(unit) + 1)
}

/// The product of two numbers below the prime.
fn product(one: u64, other: u64) -> u64 {
    let wide = u128::from(one) * u128::from(other);
    // Both halves are below 2^61.
    reduced((wide as u64 & PRIME) + (wide >> 61) as u64)
}

/// What is below twice the prime, below the prime.
fn reduced(value: u64) -> u64 {
    value.checked_sub(PRIME).unwrap_or(value)
}
