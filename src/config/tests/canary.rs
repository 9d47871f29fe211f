//! The canary: a key-shaped text at every place of a configuration, as value and as key, beside
//! every kind of mistake, is in no output.

use super::{SHIPPED, check, examples, outputs};
use crate::{
    config::{Style, tree},
    settings::Problem,
};

/// Shaped like vendors' keys; each has a part that occurs nowhere else.
const CANARIES: [&str; 4] = [
    "sk-proj-CanaryQ7xZ41vW90kLm2Np8Rt5YbEd",
    "AIzaSyCanaryQ7xZ41vW90kLm2Np8Rt5YbEd",
    "0ca4a12f9b7d4e6f8e1c2a9b7d4e6f0f8e1c",
    "hvs.canaryq7xz41vw90klm2np8rt5ybed",
];

/// Fails if any eight characters of the canary in a row can be seen.
fn assert_hidden(canary: &str, text: &str, mutated: &str) {
    let windows = canary
        .as_bytes()
        .windows(8)
        .map(|window| std::str::from_utf8(window).unwrap());
    for window in windows {
        assert!(
            !text.contains(window),
            "{window} is seen in:\n{text}\nof:\n{mutated}"
        );
    }
}

/// The ways to write a canary where a scalar stood.
fn forms(canary: &str) -> Vec<String> {
    vec![
        canary.to_owned(),
        format!("\"{canary}\""),
        format!("'{canary}'"),
        format!("[{canary}]"),
        format!("{{{canary}: {canary}}}"),
        format!("{{level: \"{canary}\", x: {canary}}}"),
        format!("!{canary} {canary}"),
        format!("&{canary} {canary}"),
        format!("*{canary}"),
        format!("# {canary}"),
        format!("x # {canary}"),
        format!("\"{canary}"),
        format!("{canary}: {canary}"),
        format!("- {canary}"),
        format!("[{canary}, "),
        format!("\"\\q{canary}\""),
        format!("%{canary}"),
        format!("@{canary}"),
        format!("https://{canary}@host/v1"),
        format!("env:{canary}"),
        format!("5{canary}s"),
        format!("ä{canary}\u{1b}[31m"),
    ]
}

/// The text with something wrong on the line before and the line after `line`.
fn beside(text: &str, line: usize, canary: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let indent: String = lines[line].chars().take_while(|c| *c == ' ').collect();
    let with = |before: &str, after: &str| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines.insert(line + 1, format!("{indent}{after}"));
        lines.insert(line, format!("{indent}{before}"));
        lines.join("\n")
    };
    vec![
        text.to_owned(),
        with(&format!("zzz: {canary}"), &format!("{canary}: zzz")),
        with(
            &format!("zzz: |\n{indent}  {canary}\n{indent}  {canary}"),
            "audit: 5s",
        ),
        with(lines[line].trim(), lines[line].trim()),
        with(&format!("{canary}: 1"), &format!("{canary}: 1")),
        with("\tx: 1", "log: {level: 7s, format: loud}"),
        with("- x", "? [a]"),
        with(&format!("# {canary}"), &format!("<<: *{canary}")),
        with("---", "..."),
    ]
}

/// Each section of a configuration as one of its own: a whole one takes the square of its length.
fn sections(text: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for line in text.lines() {
        if sections.is_empty() || line.starts_with(|c: char| c.is_ascii_lowercase()) {
            sections.push(String::new());
        }
        if let Some(section) = sections.last_mut() {
            *section += line;
            section.push('\n');
        }
    }
    sections
}

#[test]
fn a_key_at_any_place_beside_any_mistake_is_in_no_output() {
    let mut refused = 0;
    let texts = [SHIPPED.to_owned(), examples()];
    for (number, text) in texts.iter().flat_map(|text| sections(text)).enumerate() {
        let text = &text;
        let parsed = tree::parse(text);
        assert!(parsed.complete && parsed.findings.is_empty());
        for (place, token) in parsed.tokens.iter().enumerate() {
            let start: usize = text
                .chars()
                .take(token.span.start)
                .map(char::len_utf8)
                .sum();
            let end: usize = text.chars().take(token.span.end).map(char::len_utf8).sum();
            // All canaries take their turn at neighbouring places; each place sees every form.
            let canary = CANARIES[(place + number) % CANARIES.len()];
            for (turn, form) in forms(canary).into_iter().enumerate() {
                let mutated = format!("{}{form}{}", &text[..start], &text[end..]);
                let line = text[..start].matches('\n').count();
                let beside = beside(&mutated, line, canary);
                // Each form alone, and beside one of the mistakes, which take their turns.
                let other = 1 + (turn + place) % (beside.len() - 1);
                for mutated in [&beside[0], &beside[other]] {
                    match check(mutated) {
                        Ok(config) => {
                            let problem = Problem::new("models.default", "no", "no");
                            let shown = outputs(&config.explain(vec![problem]));
                            assert_hidden(canary, &shown, mutated);
                            assert_hidden(canary, &format!("{config:?}"), mutated);
                        }
                        Err(error) => {
                            refused += 1;
                            assert_hidden(canary, &outputs(&error), mutated);
                        }
                    }
                }
            }
        }
    }
    assert!(
        refused > 3_000,
        "only {refused} of the mutations are mistakes"
    );
}

#[test]
fn every_mistake_beside_every_line_hides_the_key() {
    let canary = CANARIES[0];
    for line in 0..SHIPPED.lines().count() {
        for mutated in beside(SHIPPED, line, canary) {
            if let Err(error) = check(&mutated) {
                assert_hidden(canary, &outputs(&error), &mutated);
                let coloured = error.human(Style { colour: true });
                assert_hidden(canary, &coloured, &mutated);
            }
        }
    }
}

#[test]
fn a_room_that_repeats_a_value_leaks_nothing() {
    // No key's shape, so that it passes for a name.
    let canary = "Hidden/Word-Q7xZ41vW";
    let text = format!(
        "models:\n  default: auto\nsecrets:\n  names:\n    {canary}: {{ref: 'env:{canary}'}}\n"
    );
    let config = check(&text).unwrap();
    let path = ["secrets", "names", canary, "ref"];
    let help = format!("replace env:{canary} and {canary}");
    let error = config.explain(vec![Problem::at(
        path,
        format!("`{canary}` is wrong"),
        help,
    )]);
    let shown = outputs(&error);
    assert_hidden(canary, &shown, &text);
    assert!(shown.contains("`***` is wrong"), "{shown}");
    assert_eq!(error.json()["problems"][0]["line"], 5);
}
