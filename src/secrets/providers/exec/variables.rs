//! What a command gets to see of Keyward's environment: names in the settings, values at start.
//!
//! A plain variable and a secret one are listed apart, because only the second is taken out of the
//! environment block into the pool. A name that looks like a credential's may therefore not stand
//! among the plain ones. No value is ever part of a message.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, sync::Arc};

use serde::Deserialize;
use tokio::process::Command;

use crate::{
    key_shape::looks_like_key,
    secrets::{
        memory::{LockedBuffer, Taken},
        providers::{BuildContext, ErrorKind, ProviderError, registry::is_login},
    },
};

/// The section `env` of a command.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentSettings {
    /// The variables that are passed on, by name, with the values that they had at start. None of
    /// them holds a credential.
    pub pass: Vec<String>,
    /// The variables that hold a credential of the command's own: taken out of the environment at
    /// start, kept in locked memory, and given to this command alone.
    pub secret: Vec<String>,
}

/// The variables of one command.
#[derive(Default)]
pub(super) struct Variables {
    plain: Vec<(String, String)>,
    secret: Vec<(String, Taken)>,
}

/// What is wrong with a name, and what to write instead.
type Refusal = (&'static str, &'static str);

impl EnvironmentSettings {
    /// The names that must be taken out of the environment at start.
    pub(super) fn secret_names(&self) -> impl Iterator<Item = &String> {
        let is_usable = |name: &&String| refuse_any(name).is_none();
        self.secret.iter().filter(is_usable)
    }

    /// The values of all names; `refuse` is told the list, the index and the reason of each name
    /// that cannot be there.
    pub(super) fn resolve(
        &self,
        cx: BuildContext<'_>,
        mut refuse: impl FnMut(&'static str, usize, Refusal),
    ) -> Variables {
        let mut variables = Variables::default();
        for (index, name) in self.pass.iter().enumerate() {
            match refuse_plain(name, cx) {
                Some(refusal) => refuse("pass", index, refusal),
                None => {
                    let value = cx.environment.var(name);
                    variables
                        .plain
                        .extend(value.map(|value| (name.clone(), value)));
                }
            }
        }
        for (index, name) in self.secret.iter().enumerate() {
            match refuse_any(name) {
                Some(refusal) => refuse("secret", index, refusal),
                None => {
                    let taken = cx.taken.lookup(name);
                    variables.secret.push((name.clone(), taken));
                }
            }
        }
        variables
    }
}

impl Variables {
    /// Gives them to `command`, which holds copies of the secret ones from here on: it must be
    /// dropped as soon as it is started.
    pub(super) fn give_to(&self, command: &mut Command, about: &str) -> Result<(), ProviderError> {
        command.envs(self.plain.iter().map(|(name, value)| (name, value)));
        for (name, taken) in &self.secret {
            if let Some(value) = usable(name, taken, about)? {
                // From the pool straight into the command: there is no copy of ours to wipe.
                command.env(name, OsStr::from_bytes(value.as_slice()));
            }
        }
        Ok(())
    }
}

/// The value to give; `None` if there is none to give.
fn usable<'a>(
    name: &str,
    taken: &'a Taken,
    about: &str,
) -> Result<Option<&'a Arc<LockedBuffer>>, ProviderError> {
    let (kind, what) = match taken {
        Taken::Value(value) => return Ok(Some(value)),
        Taken::Unset | Taken::Empty => return Ok(None),
        Taken::Malformed => (ErrorKind::Malformed, "holds a control character"),
        Taken::TooLong => (ErrorKind::Malformed, "is too long"),
        Taken::NoRoom => (ErrorKind::PoolFull, "had no room in locked memory at start"),
        Taken::NotAsked => (
            ErrorKind::Misconfigured,
            "was not listed when Keyward started; restart it",
        ),
    };
    let detail = format!("{about} is not run: its variable `{name}` {what}");
    Err(ProviderError::new(kind, detail))
}

fn refuse_plain(name: &str, cx: BuildContext<'_>) -> Option<Refusal> {
    refuse_any(name).or_else(|| {
        if cx.taken.was_asked(name) {
            Some((
                "this variable holds a secret of Keyward's own or of a command, which others do \
                 not get",
                "give the command a login of its own; or list the variable under `env.secret`, if \
                 this command is to have it",
            ))
        } else if names_a_credential(name) {
            Some((
                "by its name this variable holds a credential, which would stay readable in \
                 Keyward's environment",
                "list it under `env.secret`: the command gets it all the same",
            ))
        } else {
            None
        }
    })
}

/// What neither list may hold.
fn refuse_any(name: &str) -> Option<Refusal> {
    let shaped = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || name.starts_with(|c: char| c.is_ascii_digit())
        || !name.chars().all(shaped)
        || looks_like_key(name)
    {
        Some((
            "this is not the name of an environment variable",
            "write the variable's name, such as `HOME`, never its value",
        ))
    } else if is_login(name) {
        Some((
            "this variable holds a login of Keyward's own, which no other program gets",
            "give the command a login of its own, in a file or in another variable",
        ))
    } else {
        None
    }
}

/// Whether a variable holds a credential, as far as its name tells.
fn names_a_credential(name: &str) -> bool {
    /// Words that such names have in them.
    const WORDS: [&str; 6] = [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSPHRASE",
        "CREDENTIAL",
        "_KEY",
    ];
    /// What says where a credential is, or which one.
    const HARMLESS_ENDS: [&str; 5] = ["_FILE", "_PATH", "_DIR", "_SOCK", "_ID"];
    let name = name.to_ascii_uppercase();
    // The sessions of Bitwarden's and 1Password's tools (`bw unlock`, `op signin`).
    if name == "BW_SESSION" || name.starts_with("OP_SESSION") {
        return true;
    }
    // The settings of `pass` (pass(1), "ENVIRONMENT VARIABLES") hold none.
    if name.starts_with("PASSWORD_STORE_") || HARMLESS_ENDS.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    name.ends_with("KEY") || WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::memory::{Pool, TakenEnvironment};

    #[test]
    fn a_credential_is_known_by_its_name_and_a_path_to_one_is_none() {
        for name in [
            "OP_SERVICE_ACCOUNT_TOKEN",
            "AZURE_CLIENT_SECRET",
            "BW_PASSWORD",
            "GPG_PASSPHRASE",
            "GOOGLE_CREDENTIALS",
            "DOPPLER_API_KEY",
            "APIKEY",
            "my_api_key",
            "BW_SESSION",
            "OP_SESSION_abc",
        ] {
            assert!(names_a_credential(name), "{name}");
        }
        for name in [
            "HOME",
            "GNUPGHOME",
            "PASSWORD_STORE_DIR",
            "PASSWORD_STORE_KEY",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_ACCESS_KEY_ID",
            "SSH_AUTH_SOCK",
            "DBUS_SESSION_BUS_ADDRESS",
            "XDG_SESSION_ID",
        ] {
            assert!(!names_a_credential(name), "{name}");
        }
    }

    #[test]
    fn a_secret_variable_that_cannot_be_given_stops_the_run_and_one_without_value_does_not() {
        let pool = Pool::reserve();
        let values = [("SET", Some("v")), ("UNSET", None), ("EMPTY", Some(""))];
        let values = values.into_iter().chain([("BROKEN", Some("canary\tx"))]);
        let taken = TakenEnvironment::from_values(&pool, values);
        let given = |name: &str| usable(name, &taken.lookup(name), "ABOUT").map(|v| v.is_some());
        assert_eq!(given("SET").ok(), Some(true));
        assert_eq!(given("UNSET").ok(), Some(false));
        assert_eq!(given("EMPTY").ok(), Some(false));
        let broken = given("BROKEN").unwrap_err();
        assert_eq!(broken.kind, ErrorKind::Malformed);
        assert!(!broken.detail.contains("canary"), "{broken}");
        assert_eq!(given("OTHER").unwrap_err().kind, ErrorKind::Misconfigured);
    }
}
