//! Forms that hold secrets: `name=value&…`, percent-encoded.

/// A form (`application/x-www-form-urlencoded`), wiped when dropped.
pub(super) type Form = zeroize::Zeroizing<Vec<u8>>;

/// Appends `name=value`. All is encoded but what RFC 3986, section 2.3, calls unreserved.
pub(super) fn put(form: &mut Form, name: &str, value: &[u8]) {
    if !form.is_empty() {
        form.push(b'&');
    }
    form.extend_from_slice(name.as_bytes());
    form.push(b'=');
    for byte in value {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            form.push(*byte);
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            form.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}
