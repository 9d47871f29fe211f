//! The file that ships.

use super::{SHIPPED, check, examples, human};
use crate::config::{ConfigError, Finding, tree};

fn accepted(text: &str) -> crate::config::Config {
    check(text).unwrap_or_else(|_| panic!("{}", human(text)))
}

#[test]
fn the_shipped_file_is_valid_and_says_the_defaults() {
    let shipped = accepted(SHIPPED);
    let empty = accepted("");
    assert_eq!(shipped.server, empty.server);
    assert_eq!(shipped.log, empty.log);
    assert_eq!(shipped.models, empty.models);
    assert_eq!(shipped.memory, empty.memory);
    assert_eq!(shipped.policy, empty.policy);
    assert_eq!(shipped.audit, empty.audit);
    assert_eq!(shipped.redaction.in_words(), empty.redaction.in_words());
    assert_eq!(shipped.secrets.chain(), empty.secrets.chain());
}

#[test]
fn every_example_in_it_is_valid_when_uncommented() {
    let config = accepted(&examples());
    let http = config.server.http.unwrap();
    assert_eq!(http.token_secret.unwrap().as_str(), "http-token");
    assert_eq!(config.secrets.names.len(), 6);
    assert_eq!(config.models.providers.0.len(), 5);
    // What an example says of itself as default is the default.
    let defaults = crate::server::HttpSettings::default();
    assert_eq!((http.listen, http.path), (defaults.listen, defaults.path));
}

/// A key that is unknown in every map makes each map tell which keys it knows.
#[test]
fn every_setting_is_explained_in_it() {
    let text = examples();
    let mut known = Vec::new();
    for token in tree::parse(&text).tokens.iter().filter(|token| token.key) {
        let start: usize = text
            .chars()
            .take(token.span.start)
            .map(char::len_utf8)
            .sum();
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let flow = !text[line_start..start].trim().is_empty();
        let stranger = if flow {
            "zzzz: 1, ".to_owned()
        } else {
            format!("zzzz: 1\n{}", &text[line_start..start])
        };
        let mutated = format!("{}{stranger}{}", &text[..start], &text[start..]);
        let Err(ConfigError::Invalid(invalid)) = check(&mutated) else {
            continue;
        };
        // Where the name of an entry is free, its value is what does not fit.
        let help = |finding: &Finding| {
            let is_key = finding.message.starts_with("there is no key");
            let known = finding.help.strip_prefix("known here: ");
            known.filter(|_| is_key).map(str::to_owned)
        };
        known.extend(invalid.findings.iter().filter_map(help));
    }
    let words: std::collections::BTreeSet<&str> = known
        .iter()
        .flat_map(|help| help.split('`').skip(1).step_by(2))
        .collect();
    assert!(words.len() > 30, "{words:?}");
    for word in &words {
        assert!(
            SHIPPED.contains(&format!("{word}:")),
            "`{word}` is not explained"
        );
    }
}
