//! The nearest of a few names to a misspelt one.
//!
//! Only names that the program itself knows are ever suggested; what was written is not repeated.

/// The one of `names` that is at most two edits away from `written`.
pub(super) fn nearest<'a>(
    written: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (distance(written, name), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .map(|(_, name)| name)
}

/// Levenshtein's distance in bytes.
fn distance(left: &str, right: &str) -> usize {
    // Nothing near a provider's name is this long; a pasted text must not cost quadratic time.
    if left.len() > 32 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, byte) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.bytes().enumerate() {
            let replace = diagonal + usize::from(byte != other);
            diagonal = row[column + 1];
            row[column + 1] = replace.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_a_stranger_is_not() {
        let names = ["env", "file", "vault", "aws"];
        for (written, meant) in [
            ("vualt", Some("vault")),
            ("vaults", Some("vault")),
            ("fil", Some("file")),
            ("gcp", None),
        ] {
            assert_eq!(nearest(written, names), meant, "{written}");
        }
        assert_eq!(nearest(&"v".repeat(9000), names), None);
    }
}
