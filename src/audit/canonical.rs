//! The order of members in a line, by RFC 8785: what is put in, and what is put in order, without
//! reading the JSON into values first.
//!
//! It works on JSON that this program wrote a moment ago: compact, an object, its names ASCII and
//! without escapes, so that their bytes are in the order of section 3.2.3. Nothing that came from
//! elsewhere may be given to it.

use super::Hash;

/// One member of an object.
struct Member<'a> {
    /// Where it begins in the object.
    at: usize,
    name: &'a str,
    /// Name, colon and value.
    text: &'a str,
}

/// The members of an object, as they stand.
struct Members<'a> {
    object: &'a str,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let bytes = self.object.as_bytes();
        let begin = self.at;
        let name_end = end_of_string(bytes, begin + 1)?;
        let mut depth = 0_u32;
        let mut at = name_end + 1;
        loop {
            match bytes.get(at)? {
                b'"' => at = end_of_string(bytes, at + 1)?,
                b'{' | b'[' => depth += 1,
                b',' | b'}' if depth == 0 => break,
                b'}' | b']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            at += 1;
        }
        self.at = at + 1;
        Some(Member {
            at: begin,
            name: self.object.get(begin + 1..name_end)?,
            text: self.object.get(begin..at)?,
        })
    }
}

fn members(object: &str) -> Members<'_> {
    Members { object, at: 1 }
}

/// Where the quote stands that ends the string whose first byte is at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at)? == &b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The same object with its members in order.
pub(super) fn in_order(object: &str) -> Option<String> {
    let mut members: Vec<Member<'_>> = members(object).collect();
    members.sort_unstable_by_key(|member| member.name);
    let mut ordered = String::with_capacity(object.len() + 80);
    for member in &members {
        ordered.push(if ordered.is_empty() { '{' } else { ',' });
        ordered.push_str(member.text);
    }
    ordered.push('}');
    // Nothing may have been passed over.
    (ordered.len() == object.len()).then_some(ordered)
}

/// `object`, whose members are in order, with the member `hash` at its place. There is always one
/// after it: `prev`.
pub(super) fn with_hash(mut object: String, hash: &Hash) -> Option<String> {
    let at = members(&object).find(|member| member.name > "hash")?.at;
    object.insert_str(at, &format!("\"hash\":\"{hash}\","));
    Some(object)
}
