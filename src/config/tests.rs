//! What this room promises, tried on whole files: nothing is shown that may be a key, nothing is
//! ignored, nothing panics, and each mistake is told at its place.

mod canary;
mod messages;
mod properties;
mod shipped;
mod versions;

use std::path::Path;

use super::{Config, ConfigError, Overrides, Style, parse};

/// The file that ships.
const SHIPPED: &str = include_str!("../../config/keyward.yaml");

/// The shipped file with its examples in force.
fn examples() -> String {
    let uncommented = SHIPPED.lines().map(|line| {
        let text = line.trim_start();
        match text.strip_prefix("# ") {
            Some(example) => format!("{}{example}\n", &line[..line.len() - text.len()]),
            None => format!("{line}\n"),
        }
    });
    uncommented.collect()
}

fn check(text: &str) -> Result<Config, ConfigError> {
    let path = Path::new("/etc/keyward/config.yaml");
    parse(text.as_bytes(), Some(path), &Overrides::default())
}

/// Everything that can be seen of a refusal.
fn outputs(error: &ConfigError) -> String {
    let human = error.human(Style { colour: false });
    format!("{human}\n{}\n{error}\n{error:?}", error.json())
}

fn human(text: &str) -> String {
    check(text).unwrap_err().human(Style::default())
}

/// Path, line and column of each finding, and its message.
fn findings(text: &str) -> Vec<String> {
    let ConfigError::Invalid(invalid) = check(text).unwrap_err() else {
        panic!("was not read")
    };
    let place = |at: Option<usize>| at.map_or("-".to_owned(), |at| at.to_string());
    let line = |finding: &super::Finding| {
        let (line, column) = (place(finding.line), place(finding.column));
        format!(
            "{line}:{column} {}: {}",
            finding.path.join("."),
            finding.message
        )
    };
    invalid.findings.iter().map(line).collect()
}
