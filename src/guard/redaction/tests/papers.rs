//! The page about redaction: what it shows can be used as it stands, and every rule is in it.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    super::{RedactionSettings, Redactor, personal::Kind, rules},
    Knows,
};

const PAGE: &str = include_str!("../../../../docs/redaction.md");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    redaction: RedactionSettings,
}

fn fenced(language: &str) -> Vec<&'static str> {
    let open = format!("```{language}\n");
    let blocks = PAGE.split(open.as_str()).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn what_the_page_shows_can_be_used() {
    let files: Vec<(usize, String)> = fenced("toml")
        .into_iter()
        .map(String::from)
        .enumerate()
        .collect();
    assert!(!files.is_empty() && !fenced("yaml").is_empty());
    for yaml in fenced("yaml") {
        let settings: Configuration = serde_saphyr::from_str(yaml).unwrap();
        let built = Redactor::new(&settings.redaction, &files, Arc::new(Knows("")));
        assert!(built.is_ok(), "{yaml} {:?}", built.err());
    }
}

#[test]
fn the_page_lists_every_rule() {
    let files = rules::FILES.iter();
    let patterns = files.flat_map(|(_, file)| rules::read(file, rules::Compile::Now).unwrap());
    let secrets = patterns.map(|pattern| pattern.id.to_string());
    let personal = Kind::ALL.iter().map(|kind| kind.id().to_owned());
    for id in secrets.chain(personal) {
        assert!(PAGE.contains(&format!("`{id}`")), "{id}");
    }
}
