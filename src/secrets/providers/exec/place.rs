//! From a reference to the words of a command.
//!
//! A reference is `exec:NAME` or `exec:NAME/path`, and the path stands in for `{path}` in the
//! command's words. Names of secrets end up in it, and with them parts that are not the operator's
//! own, so its alphabet is strict: it cannot be an option, walk, or name a file to read (`@file`).

use std::collections::BTreeMap;

use super::config::CommandSettings;
use crate::secrets::Reference;

/// What a path stands in for.
pub(super) const PLACEHOLDER: &str = "{path}";

const MAX_PATH_BYTES: usize = 512;

/// A reference, taken apart and checked against the commands that there are.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) command: &'a CommandSettings,
    path: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// # Errors
    /// What to write instead, without the reference.
    pub(super) fn of(
        reference: &'a Reference,
        commands: &'a BTreeMap<String, CommandSettings>,
    ) -> Result<Self, String> {
        if reference.option_names().next().is_some() {
            return Err("an `exec:` reference has no `?options`".into());
        }
        let (name, path) = match reference.path().split_once('/') {
            Some((name, path)) => (name, Some(path)),
            None => (reference.path(), None),
        };
        let Some((name, command)) = commands.get_key_value(name) else {
            let names: Vec<&str> = commands.keys().map(String::as_str).collect();
            return Err(format!(
                "no command has this name; under `secrets.providers.exec.commands` are: {}",
                match names[..] {
                    [] => "none".to_owned(),
                    _ => names.join(", "),
                }
            ));
        };
        match (command.takes_a_path(), path) {
            (true, None) => Err(format!(
                "the command `{name}` has `{PLACEHOLDER}` in it: write `exec:{name}/…`"
            )),
            (false, Some(_)) => Err(format!(
                "the command `{name}` has no `{PLACEHOLDER}` in it: write `exec:{name}` alone, or \
                 add it to `argv`"
            )),
            (true, Some(path)) if !is_path(path) => Err(
                "the path has letters, digits and `-_.@`, in parts set off by `/`, each of which \
                 begins with a letter, a digit or `_`"
                    .into(),
            ),
            _ => Ok(Self {
                name,
                command,
                path,
            }),
        }
    }

    /// The command's words, with the path in its place.
    pub(super) fn argv(&self) -> Vec<String> {
        let path = self.path.unwrap_or_default();
        let words = self.command.argv.iter();
        words.map(|word| word.replace(PLACEHOLDER, path)).collect()
    }
}

fn is_path(path: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let goes_on = |c: char| begins(c) || matches!(c, '-' | '.' | '@');
    path.len() <= MAX_PATH_BYTES
        && path
            .split('/')
            .all(|part| part.starts_with(begins) && part.chars().all(goes_on))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn commands() -> BTreeMap<String, CommandSettings> {
        let json = r#"{
            "op": {"argv": ["/usr/bin/op", "read", "op://ai/{path}"]},
            "bare": {"argv": ["/usr/bin/pass", "{path}", "--x={path}"]},
            "one": {"argv": ["/usr/bin/one"]}
        }"#;
        serde_json::from_str(json).unwrap()
    }

    fn argv(reference: &str) -> Result<Vec<String>, String> {
        Place::of(&reference.parse().unwrap(), &commands()).map(|place| place.argv())
    }

    #[test]
    fn the_path_stands_in_for_its_place_in_every_word() {
        let words = |reference| argv(reference).unwrap().join(" ");
        assert_eq!(words("exec:op/a/b_1"), "/usr/bin/op read op://ai/a/b_1");
        assert_eq!(
            words("exec:bare/me@x.y#f"),
            "/usr/bin/pass me@x.y --x=me@x.y"
        );
        assert_eq!(words("exec:one"), "/usr/bin/one");
    }

    #[test]
    fn a_path_that_could_be_anything_but_a_path_is_refused() {
        for (reference, said) in [
            ("exec:op/-x", "begins with"),
            ("exec:op/a/-x", "begins with"),
            ("exec:op/@file", "begins with"),
            ("exec:op/.hidden", "begins with"),
            ("exec:op//etc/passwd", "begins with"),
            ("exec:op/a/", "begins with"),
            ("exec:op/a;b", "begins with"),
            ("exec:op/a{path}", "begins with"),
            ("exec:op/é", "begins with"),
            ("exec:op", "exec:op/…"),
            ("exec:one/x", "alone"),
            ("exec:op/a?x=1", "options"),
            ("exec:nope/a", "bare, one, op"),
        ] {
            let refused = argv(reference).unwrap_err();
            assert!(refused.contains(said), "{reference}: {refused}");
        }
        assert!(argv(&format!("exec:op/{}", "x/".repeat(300) + "x")).is_err());
        assert!("exec:op/a/../b".parse::<Reference>().is_err());
    }

    proptest! {
        #[test]
        fn no_path_makes_a_word_into_an_option_or_adds_one(path in "[-a-zA-Z0-9_.@/{}~=:]{1,20}") {
            if let Ok(reference) = format!("exec:bare/{path}").parse::<Reference>()
                && let Ok(place) = Place::of(&reference, &commands())
            {
                let words = place.argv();
                prop_assert_eq!(words.len(), 3);
                prop_assert!(!words[1].starts_with(['-', '@', '/', '.']));
                prop_assert!(!words[1].contains("..") || !words[1].split('/').any(|p| p == ".."));
            }
        }
    }
}
