//! Which known names are most like a name that nobody knows.

/// The three of `known` that take the fewest edits to become `asked`, best first.
pub(super) fn nearest<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    // A model's name is short; what is longer is not one, and would only cost time.
    let asked: Vec<char> = asked
        .chars()
        .take(64)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let mut ranked: Vec<(usize, &str)> = known.map(|name| (distance(&asked, name), name)).collect();
    ranked.sort_by_key(|(edits, _)| *edits);
    ranked
        .into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Levenshtein's distance, one row at a time.
fn distance(asked: &[char], name: &str) -> usize {
    let mut row: Vec<usize> = (0..=asked.len()).collect();
    for (line, c) in name.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (column, other) in asked.iter().enumerate() {
            let above = row[column + 1];
            let best = (diagonal + usize::from(c != *other))
                .min(above + 1)
                .min(left + 1);
            row[column] = left;
            diagonal = above;
            left = best;
        }
        row[asked.len()] = left;
    }
    row[asked.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (from, to, edits) in [("", "", 0), ("abc", "abc", 0), ("", "ab", 2), ("ab", "", 2)] {
            assert_eq!(distance(&chars(from), to), edits, "{from} {to}");
        }
        assert_eq!(distance(&chars("kitten"), "sitting"), 3);
        assert_eq!(distance(&chars("gpt5"), "gpt-5"), 1);
    }

    #[test]
    fn the_best_comes_first_and_three_are_enough() {
        let known = ["gpt-4.1", "gpt-6-luna", "gpt-5", "grok-4.6", "qwen3:32b"];
        assert_eq!(nearest("gpt5", known.into_iter())[0], "gpt-5");
        assert_eq!(nearest("QWEN", known.into_iter()).len(), 3);
    }
}
