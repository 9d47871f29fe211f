//! How much is believed of what a vendor sends: a value that is passed over if it is not what it
//! should be, and a list of a few items.
//!
//! Vendors add, rename and null what they count; none of it may cost an answer. And a list of
//! values is many times its text, so that none is built of as many items as there may be.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The most items of a list.
const FEW: usize = 256;

/// A `T`, or whatever else stands there.
#[derive(Debug)]
pub(in crate::models::providers) struct Lenient<T>(pub(in crate::models::providers) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

/// A list, of not too many items.
#[derive(Debug)]
pub(in crate::models::providers) struct Few<T>(pub(in crate::models::providers) Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = Few<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a few items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Few<T>, A::Error> {
                let mut few = Vec::new();
                while let Some(item) = items.next_element()? {
                    if few.len() == FEW {
                        return Err(A::Error::custom("too many items"));
                    }
                    few.push(item);
                }
                Ok(Few(few))
            }
        }
        from.deserialize_seq(Items(PhantomData))
    }
}
