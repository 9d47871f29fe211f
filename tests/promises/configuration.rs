//! The configuration's promises, on the real binary: it comes from no stranger, says what is wrong
//! with it, and repeats nothing that may be a key.

use std::{
    fs::{Permissions, set_permissions},
    os::unix::fs::PermissionsExt,
};

use serde_json::Value;

use crate::support::keyward::{Ended, Setup, write_private};

const SHIPPED: &str = include_str!("../../config/keyward.yaml");
const KEY: &str = "sk-proj-CanaryQ7xZ41vW90kLm2Np8Rt5YbEd";

/// A provider elsewhere, as a hostile checkout would have it.
const HOSTILE: &str = "models:\n  providers:\n    evil:\n      base_url: https://evil.example/v1\n      \
                       secret: openai\n      models: [gpt-5]\n";

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {ended:?}"))
}

fn assert_hidden(ended: &Ended, written: &str) {
    for window in KEY.as_bytes().windows(8) {
        let window = std::str::from_utf8(window).unwrap();
        for output in [&ended.stdout, &ended.stderr] {
            assert!(
                !output.contains(window),
                "{window} is seen in:\n{output}\nof:\n{written}"
            );
        }
    }
}

#[test]
fn no_file_in_the_working_directory_is_read() {
    let without = json(&Setup::bare().run(&["check", "--json"]));
    let setup = Setup::bare();
    let here = setup.working_directory();
    for folder in [".config/keyward", "keyward", "config"] {
        std::fs::create_dir_all(here.join(folder)).unwrap();
    }
    for name in [
        "keyward.yaml",
        "keyward.yml",
        ".keyward.yaml",
        "config.yaml",
        "config/keyward.yaml",
        "keyward/config.yaml",
        ".config/keyward/config.yaml",
    ] {
        write_private(&here.join(name), HOSTILE);
    }
    for (name, value) in [
        ("XDG_CONFIG_HOME", "."),
        ("XDG_CONFIG_HOME", ".config"),
        ("A", "b"),
    ] {
        let setup = Setup::bare().env(name, value);
        for file in ["keyward/config.yaml", ".config/keyward/config.yaml"] {
            let path = setup.working_directory().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_private(&path, HOSTILE);
        }
        let ended = setup.run(&["check", "--json"]);
        assert_eq!(json(&ended), without, "{name}={value}");
    }
    assert_eq!(json(&setup.run(&["check", "--json"])), without);
    // The same file does change things where it may be read.
    let named = json(&Setup::with_config(HOSTILE).run(&["check", "--json"]));
    assert_eq!(named["models"][0]["provider"], "evil", "{named}");
}

#[test]
fn a_relative_variable_is_refused() {
    let setup = Setup::bare().env("KEYWARD_CONFIG", "keyward.yaml");
    write_private(&setup.working_directory().join("keyward.yaml"), HOSTILE);
    let ended = setup.run(&["check"]);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(ended.stderr.contains("absolute"), "{ended:?}");
}

#[test]
fn a_file_that_others_may_write_is_refused_by_every_command() {
    let setup = Setup::with_config("log: { level: info }\n");
    assert_eq!(setup.run(&["check"]).status.code(), Some(0));
    for mode in [0o620, 0o602, 0o666] {
        set_permissions(setup.config_file(), Permissions::from_mode(mode)).unwrap();
        for command in [&["check"][..], &["serve"], &["secrets", "check"]] {
            let ended = setup.run(command);
            assert_eq!(ended.status.code(), Some(2), "{mode:o} {ended:?}");
            assert!(ended.stderr.contains("chmod go-w"), "{ended:?}");
        }
    }
}

#[test]
fn a_key_that_passes_for_a_name_is_refused() {
    for text in [
        format!("secrets: {{ names: {{ {KEY}: {{ ref: 'env:A' }} }} }}\n"),
        format!("models: {{ providers: {{ openai: {{ models: [{KEY}] }} }} }}\n"),
        format!("models: {{ providers: {{ {KEY}: {{ preset: openai }} }} }}\n"),
        format!("server: {{ http: {{ token_secret: {KEY} }} }}\n"),
    ] {
        let ended = Setup::with_config(&text).run(&["check"]);
        assert_eq!(ended.status.code(), Some(1), "{text}{ended:?}");
        assert!(ended.stderr.contains("looks like a key"), "{ended:?}");
        assert_hidden(&ended, &text);
    }
}

#[test]
fn check_ends_with_0_1_or_2() {
    assert_eq!(Setup::bare().run(&["check"]).status.code(), Some(0));
    let shipped = Setup::with_config(SHIPPED).run(&["check"]);
    assert_eq!(shipped.status.code(), Some(0), "{shipped:?}");
    let examples = Setup::with_config(&examples()).run(&["check"]);
    assert_eq!(examples.status.code(), Some(0), "{examples:?}");
    let invalid = Setup::with_config("conversations: {}\n").run(&["check", "--json"]);
    assert_eq!(invalid.status.code(), Some(1), "{invalid:?}");
    let problem = &json(&invalid)["problems"][0];
    assert_eq!(problem["line"], 1);
    assert_eq!(
        problem["message"],
        "`conversations` is not in this version of Keyward"
    );
    let absent = Setup::bare().run(&["check", "--config", "/nowhere/keyward.yaml"]);
    assert_eq!(absent.status.code(), Some(2), "{absent:?}");
}

#[test]
fn without_a_terminal_there_are_no_colours() {
    let ended = Setup::with_config("log: { levle: info }\n").run(&["check"]);
    assert!(ended.stderr.contains("did you mean `level`?"), "{ended:?}");
    assert!(!ended.stderr.contains('\u{1b}'), "{ended:?}");
}

#[test]
fn a_key_at_any_value_of_the_default_configuration_is_in_no_output() {
    let examples = examples();
    let mut refused = 0;
    for text in [SHIPPED, &examples] {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if line.trim_start().starts_with('#') {
                continue;
            }
            for (start, word) in words(line) {
                let mut mutated: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
                mutated[number] = format!("{}{KEY}{}", &line[..start], &line[start + word..]);
                let mutated = mutated.join("\n");
                let setup = Setup::with_config(&mutated);
                for command in [&["check"][..], &["check", "--json"]] {
                    let ended = setup.run(command);
                    refused += usize::from(!ended.status.success());
                    assert_hidden(&ended, &mutated);
                }
            }
        }
    }
    assert!(refused > 100, "only {refused} were refused");
}

/// The shipped file with its examples in force.
fn examples() -> String {
    SHIPPED
        .lines()
        .filter(|line| !line.trim_start().starts_with("##"))
        .map(|line| format!("{}\n", line.replacen("# ", "", 1)))
        .collect()
}

/// Start and length of each word of a line, key or value.
fn words(line: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        let inside = c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '#');
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push((from, at - from));
                start = None;
            }
            _ => {}
        }
    }
    words
}
