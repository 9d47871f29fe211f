//! The provider itself: from a reference to a command, from its output to a value.
//!
//! What an exit code means is decided here alone. Nothing but a code that the operator has listed
//! is a miss: most tools end alike for "no such item" and for "not logged in".

use std::{
    collections::{BTreeMap, HashMap},
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    sync::Arc,
};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{
    config::CommandSettings,
    place::Place,
    run::{self, Ended},
    variables::Variables,
};
use crate::secrets::{
    Reference, SecretName,
    providers::{
        ErrorKind, Fetch, Found, Limits, Lookup, MAX_VALUE_BYTES, OnError, Presence, ProviderError,
        SecretProvider,
        json_field::{self, NoText},
        template::Template,
        value,
    },
};

/// The longest JSON text that a field is picked from.
const MAX_JSON_BYTES: usize = 64 * 1024;

/// A value and the line end behind it.
const MAX_PLAIN_BYTES: usize = MAX_VALUE_BYTES + 2;

/// How many commands run at once. Others wait, within their deadline.
const MOST_AT_ONCE: usize = 4;

/// Keys that commands print.
pub(super) struct ExecProvider {
    pub(super) commands: BTreeMap<String, CommandSettings>,
    /// The variables that each command gets, by its name.
    pub(super) variables: HashMap<String, Arc<Variables>>,
    pub(super) lookup: Option<Template>,
    pub(super) limits: Limits,
    pub(super) on_error: OnError,
    turns: Arc<Semaphore>,
}

impl ExecProvider {
    pub(super) fn new(
        commands: BTreeMap<String, CommandSettings>,
        variables: HashMap<String, Arc<Variables>>,
        lookup: Option<Template>,
        limits: Limits,
        on_error: OnError,
    ) -> Self {
        Self {
            commands,
            variables,
            lookup,
            limits,
            on_error,
            turns: Arc::new(Semaphore::new(MOST_AT_ONCE)),
        }
    }

    async fn look_up(&self, fetch: Fetch<'_>) -> Result<Lookup, ProviderError> {
        // A name that the lookup template let in may have made a path that is none.
        let place = Place::of(fetch.reference, &self.commands)
            .map_err(|detail| ProviderError::new(ErrorKind::Misconfigured, detail))?;
        let about = format!("the command `{}`", place.name);
        let max_bytes = match fetch.reference.field() {
            Some(_) => MAX_JSON_BYTES,
            None => MAX_PLAIN_BYTES,
        };
        let variables = self.variables.get(place.name).cloned().unwrap_or_default();
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| ProviderError::new(ErrorKind::ServerFailed, "shut down"))?;
        let ended = run::run(place.argv(), variables, turn, max_bytes, &about).await?;
        if !ended.status.success() {
            return place.command.judge(&ended, &about);
        }
        let text = pick(&ended.output, fetch.reference, &about)?;
        let stored = fetch.pool.store(&text).await;
        let value =
            stored.map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))?;
        Ok(Lookup::Found(Found {
            value: Arc::new(value),
            version: None,
            created_at: None,
            expires_at: None,
        }))
    }
}

impl CommandSettings {
    /// What an end without success means.
    fn judge(&self, ended: &Ended, about: &str) -> Result<Lookup, ProviderError> {
        let code = ended.status.code().and_then(|code| u8::try_from(code).ok());
        if code.is_some_and(|code| self.not_found_exit_codes.contains(&code)) {
            return Ok(Lookup::Miss);
        }
        let unseen = match ended.complaints {
            0 => "; it wrote nothing to standard error".to_owned(),
            count => format!(
                "; it wrote {count} bytes to standard error, which are not shown because they may \
                 quote a secret: run it by hand to read them"
            ),
        };
        Err(ProviderError::new(
            ErrorKind::ServerFailed,
            format!("{about} {}{unseen}", how(ended.status)),
        ))
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".to_owned(),
    }
}

/// The value in a command's output.
pub(super) fn pick(
    output: &[u8],
    reference: &Reference,
    about: &str,
) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    let malformed = |what: &str| {
        Err(ProviderError::new(
            ErrorKind::Malformed,
            format!("{about} {what}"),
        ))
    };
    let Some(field) = reference.field() else {
        let text = value::without_line_end(output);
        if text.is_empty() {
            return malformed("ended well and printed nothing");
        }
        let place = format!("what {about} printed");
        value::check(text, &place)?;
        return Ok(Zeroizing::new(text.to_vec()));
    };
    match json_field::find(output, &json_field::steps(field)) {
        Ok(text) => {
            let text = text.as_bytes();
            value::check(text, &format!("the field that {about} printed"))?;
            Ok(Zeroizing::new(text.to_vec()))
        }
        Err(NoText::NotJson) => malformed("printed something else than one JSON text"),
        Err(NoText::NotString) => malformed("printed something else than a string at the field"),
        Err(NoText::Absent) => Err(ProviderError::new(
            ErrorKind::FieldAbsent,
            format!("{about} printed JSON without the field"),
        )),
    }
}

impl SecretProvider for ExecProvider {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn locate(&self, name: &SecretName) -> Option<Reference> {
        self.lookup.as_ref()?.locate(name)
    }

    fn validate(&self, reference: &Reference) -> Result<(), String> {
        Place::of(reference, &self.commands).map(|_| ())
    }

    fn presence(&self, _: &Reference) -> Presence {
        Presence::Unknown
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        Box::pin(self.look_up(fetch))
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(output: &str, reference: &str) -> Result<String, ErrorKind> {
        pick(output.as_bytes(), &reference.parse().unwrap(), "ABOUT")
            .map(|text| String::from_utf8(text.to_vec()).unwrap())
            .map_err(|error| {
                assert!(!error.detail.contains("canary"), "{error}");
                error.kind
            })
    }

    #[test]
    fn one_line_end_is_stripped_and_what_can_be_no_key_is_refused() {
        for output in ["canary", "canary\n", "canary\r\n"] {
            assert_eq!(picked(output, "exec:x"), Ok("canary".into()));
        }
        for output in ["", "\n", "canary\n\n", "can\nary\n"] {
            assert_eq!(
                picked(output, "exec:x"),
                Err(ErrorKind::Malformed),
                "{output:?}"
            );
        }
    }

    #[test]
    fn a_field_is_picked_from_json() {
        let json = "{\"k\": \"canary\", \"n\": 1}\n";
        assert_eq!(picked(json, "exec:x#k"), Ok("canary".into()));
        assert_eq!(picked(json, "exec:x#/k"), Ok("canary".into()));
        assert_eq!(picked(json, "exec:x#z"), Err(ErrorKind::FieldAbsent));
        assert_eq!(picked(json, "exec:x#n"), Err(ErrorKind::Malformed));
        assert_eq!(picked("canary", "exec:x#k"), Err(ErrorKind::Malformed));
    }

    /// Each command leaves a folder for as long as it runs, and notes how many there are.
    const COUNTS: &str = "mkdir \"$0.d/$1\"; ls \"$0.d\" | wc -l >> \"$0.counts\"\n\
                          sleep 0.1; rmdir \"$0.d/$1\"; echo key\n";

    #[tokio::test]
    async fn no_more_commands_run_at_once_than_allowed_and_the_others_wait_for_their_turn() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        std::fs::write(&script, COUNTS).unwrap();
        std::fs::create_dir(folder.path().join("script.d")).unwrap();
        let argv = ["/bin/sh", script.to_str().unwrap(), "{path}"];
        let command = CommandSettings {
            argv: argv.map(str::to_owned).to_vec(),
            ..CommandSettings::default()
        };
        let commands = BTreeMap::from([("c".to_owned(), command)]);
        let (limits, on_error) = (Limits::default(), OnError::Stop);
        let provider = ExecProvider::new(commands, HashMap::new(), None, limits, on_error);
        let pool = crate::secrets::memory::Pool::reserve();
        let asker = crate::call::CallIdentity {
            request_id: "r".into(),
            tool: "t".into(),
            principal: "local".into(),
        };
        let references: Vec<Reference> = (0..12)
            .map(|number| format!("exec:c/{number}").parse().unwrap())
            .collect();
        let fetches = references.iter().map(|reference| {
            provider.fetch(Fetch {
                reference,
                asker: &asker,
                pool: &pool,
            })
        });
        for outcome in futures_util::future::join_all(fetches).await {
            assert!(matches!(outcome, Ok(Lookup::Found(_))), "{outcome:?}");
        }
        let counts = std::fs::read_to_string(folder.path().join("script.counts")).unwrap();
        let counts: Vec<usize> = counts
            .lines()
            .map(|line| line.trim().parse().unwrap())
            .collect();
        assert_eq!(counts.len(), 12);
        assert!(
            counts.iter().all(|count| *count <= MOST_AT_ONCE),
            "{counts:?}"
        );
    }
}
