//! What people and programs read.

use std::collections::HashMap;

use super::{check, findings, human};
use crate::{
    config::{CheckExit, ConfigError, Overrides, Style, load},
    telemetry::LogLevel,
};

#[test]
fn a_typo_is_shown_at_its_place_with_the_word_that_was_meant() {
    insta::assert_snapshot!(human(
        "log:\n  levle: info\n  format: text # of sk-0123456789abcdef\n"
    ));
}

#[test]
fn a_refused_choice_is_shown_and_its_neighbours_are_not() {
    insta::assert_snapshot!(human(
        "log: { level: verbose, format: text }\nmodels: { default: auto }\n"
    ));
}

#[test]
fn a_refused_duration_is_shown() {
    insta::assert_snapshot!(human(
        "secrets: { providers: { vault: { timeout: 10 minutes } } }\n"
    ));
    let other = human("secrets: { providers: { vault: { timeout: 10d } } }\n");
    assert!(other.contains("timeout: 10d"));
}

#[test]
fn a_pasted_key_is_hidden_in_the_line_with_the_mistake() {
    insta::assert_snapshot!(human(
        "models:\n  providers:\n    openai:\n      api_key: sk-proj-0123456789abcdef\n"
    ));
}

#[test]
fn an_open_quote_is_told_in_our_words() {
    insta::assert_snapshot!(human("log:\n  level: \"info\nmodels:\n  default: auto\n"));
}

#[test]
fn http_without_a_token_is_refused_at_its_section() {
    insta::assert_snapshot!(human("server:\n  http:\n    listen: 0.0.0.0:8787\n"));
}

#[test]
fn json_tells_place_key_and_help() {
    let error = check("log:\n  level: loud\nconversations: {}\n").unwrap_err();
    assert_eq!(error.exit(), CheckExit::Invalid);
    insta::assert_snapshot!(serde_json::to_string_pretty(&error.json()).unwrap());
}

#[test]
fn all_mistakes_are_told_in_one_run_in_the_order_of_the_file() {
    let text = "log:\n  level: 5\n  format: [text]\n  colour: red\nserver:\n  \
                http:\n    allowed_hosts: many\n    listen: here\nsecrets:\n  chain: env\n  \
                providers: { vault: { timeout: soon } }\n  names:\n    a: { ref: x, ttl: often }\nmodels: []\n";
    insta::assert_snapshot!(findings(text).join("\n"));
}

#[test]
fn what_only_follows_from_a_mistake_is_not_told() {
    let text = "models:\n  providers:\n    a:\n      base_url: http://127.0.0.1/v1\n      models:\n        \
                - { nme: m }\n";
    assert_eq!(
        findings(text),
        ["6:13 models.providers.a.models.0.nme: there is no key `nme` here"]
    );
}

#[test]
fn a_key_written_twice_is_refused_where_it_stands_again() {
    assert_eq!(
        findings("log: {}\nmodels: {}\nlog: {}\n"),
        ["3:1 : `log` is written twice in this map"]
    );
}

#[test]
fn yaml_that_means_more_than_it_says_is_refused() {
    for (text, said) in [
        ("log: &a { level: info }\n", "anchors and aliases"),
        ("log: *a\n", "alias"),
        ("log: !include x.yaml\n", "tags are not used"),
        ("log: {}\n---\nlog: {}\n", "second YAML document"),
        ("%YAML 1.2\n---\nlog: {}\n", "begin with `%`"),
        ("? [a]\n: b\n", "a key is a single word"),
        ("log:\n\tlevel: info\n", "a tab"),
    ] {
        let findings = findings(text).join("\n");
        assert!(findings.contains(said), "{text}: {findings}");
    }
    let deep = "[".repeat(200);
    assert!(human(&deep).contains("nested too deep"));
}

#[test]
fn a_file_that_is_no_utf8_is_refused_without_its_bytes() {
    let bytes = b"log:\n  level: sk-0123456789abcdef \xff\xfe\n";
    let error = crate::config::parse(bytes, None, &Overrides::default()).unwrap_err();
    let shown = error.human(Style::default());
    assert!(
        shown.contains("not UTF-8") && !shown.contains("0123456789"),
        "{shown}"
    );
    assert_eq!(error.json()["problems"][0]["line"], 2);
}

#[test]
fn empty_files_and_sections_are_the_defaults() {
    for text in [
        "",
        "# nothing\n",
        "log:\nserver:\nsecrets:\nmodels:\n",
        "\u{feff}log: {}\n",
    ] {
        assert!(check(text).is_ok(), "{text:?}");
    }
    assert!(check("just words").is_err());
    assert!(check("[]").is_err());
}

#[test]
fn flags_and_variables_win_over_the_file_and_no_file_works() {
    let nothing: HashMap<String, String> = HashMap::new();
    let overrides = Overrides {
        http: "127.0.0.1:0".parse().ok(),
        log_level: Some(LogLevel::Debug),
        log_format: None,
        default_model: Some(String::new()),
        ..Overrides::default()
    };
    // Where the machine has a system-wide file this says nothing.
    if !std::path::Path::new("/etc/keyward/config.yaml").exists() {
        assert!(
            load(None, &nothing, &Overrides::default())
                .unwrap()
                .path
                .is_none()
        );
        let error = load(None, &nothing, &overrides).unwrap_err();
        assert_eq!(error.json()["problems"][0]["path"][2], "token_secret");
    }
    let text = "log: { level: error, format: json }\nserver: { http: { token_secret: t } }\n";
    let config = crate::config::parse(text.as_bytes(), None, &overrides).unwrap();
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.models.default, "auto");
    assert_eq!(config.server.http.unwrap().listen.port(), 0);
}

#[test]
fn a_path_that_the_reason_names_is_not_written_before_it_again() {
    use crate::config::Unreadable;
    let refused = |file: &str, writable: &str| {
        let error = ConfigError::Unreadable {
            path: file.into(),
            reason: Unreadable::Writable(writable.into()),
        };
        format!("{error} {}", error.human(Style::default()))
    };
    let file = refused("/etc/k.yaml", "/etc/k.yaml");
    // Once in the message, once in the help.
    assert_eq!(file.matches("/etc/k.yaml").count(), 2, "{file}");
    let folder = refused("/etc/k.yaml", "/etc");
    assert!(folder.contains("/etc/k.yaml: /etc may be"), "{folder}");
}

#[test]
fn a_file_that_was_named_and_is_absent_is_an_error() {
    let nothing: HashMap<String, String> = HashMap::new();
    let absent = std::path::Path::new("/nowhere/config.yaml");
    let error = load(Some(absent), &nothing, &Overrides::default()).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert_eq!(error.exit(), CheckExit::Unreadable);
    insta::assert_snapshot!(error.human(Style::default()));
}
