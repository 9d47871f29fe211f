//! The keys that are out: every value that the broker handed out in this process is recognised in
//! text, whole or in part, in the ways in which keys are written, without being kept.
//!
//! Apart from the broker because it answers another question: not which key a name has, but
//! whether a text holds any of them. It takes bytes and text and knows no names, no providers and
//! no calls. It must never hold bytes of a key, whatever their form, nor put decoded text in a row.
//!
//! What is recognised: every run of 16 consecutive bytes of a key, or the whole of a shorter one,
//! - as it is, in whatever ASCII case;
//! - in base64, in both alphabets and at every alignment; up to four bits that share a character
//!   with a neighbour may stay;
//! - in hexadecimal, in either case; half a byte at an end may stay;
//! - each of these with any of its characters written as `%2f`, as `\u002f`, as `\/` or as another
//!   of JSON's short escapes.
//!
//! What in a key itself reads as an escape is known as it is, or escaped with the rest. Not
//! recognised: text that was escaped twice, compressed or enciphered, `\u00e4` for a character of
//! two bytes, and keys that are spelt, split or translated on purpose. Nothing here stops who
//! means to leak a key and may process it; it stops the echo, the log line and the pasted file.
//!
//! What is kept are fingerprints under random keys of this process (`fingerprint`). They hide a
//! key from whoever reads a swap file, a core or a buffer; whoever can read all memory of the
//! running process at leisure could test guesses on them, as they could take the next key.
//!
//! The way of a text: `scan` looks at every eighth place for the beginning of anything known
//! (`gate`), and only around such a place reads character by character (`reading`), in every
//! `alphabet`, and compares (`group`, `pieces`). `member` is one key, cut up; `known` decides which
//! keys are remembered; `filter` does the same to a stream.

mod alphabet;
mod filter;
mod fingerprint;
mod gate;
mod group;
mod known;
mod member;
mod pieces;
mod reading;
mod scan;
#[cfg(test)]
mod tests;

pub use filter::Filter;
pub use known::LiveSecrets;

/// What stands where a key stood.
const MARK: &str = "[redacted]";
