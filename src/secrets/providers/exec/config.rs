//! Settings of `exec`: which commands there are, and what each of them gets to see.
//!
//! A command is written whole, word by word, and its words are no place for a key: every process
//! of the machine may read them. No program is looked at here; it may be installed later.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;

use super::{
    place::{PLACEHOLDER, Place},
    provider::ExecProvider,
    variables::{EnvironmentSettings, Variables},
};
use crate::{
    key_shape::looks_like_key,
    secrets::providers::{
        BreakerSettings, BuildContext, Limits, OnError, SecretProvider,
        registry::{ProviderSettings, section},
        template::Template,
    },
    settings::{self, Problem},
};

/// The section `secrets.providers.exec`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecSettings {
    /// The commands, by the names that references call them by: `exec:NAME` or `exec:NAME/path`.
    pub commands: BTreeMap<String, CommandSettings>,
    /// Where a name without a reference of its own is, such as `op/{name}`.
    pub lookup: Option<String>,
    /// How long one fetch may take, the wait for its turn and retries included. A command that
    /// still runs then is killed.
    #[serde(deserialize_with = "settings::duration")]
    pub timeout: Duration,
    /// How often a command that failed is run again.
    pub retries: u32,
    /// When commands are left alone because they keep failing. Default: never, since one breaker
    /// is for all commands, and one that fails would close the way to the others.
    pub breaker: Option<BreakerSettings>,
    /// What the chain does when a command fails: `stop` or `next`.
    pub on_error: OnError,
}

/// One command.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandSettings {
    /// The program, by its absolute path, and its arguments, as they are: there is no shell.
    /// `{path}` in an argument is the path of the reference.
    pub argv: Vec<String>,
    /// What the command gets to see of Keyward's environment. Default: nothing.
    pub env: EnvironmentSettings,
    /// Exit codes by which the command says that there is no such secret, and nothing else: on
    /// these the next place is asked. Default: none, every failure stops the call.
    pub not_found_exit_codes: Vec<u8>,
}

impl Default for ExecSettings {
    fn default() -> Self {
        Self {
            commands: BTreeMap::new(),
            lookup: None,
            timeout: Duration::from_secs(10),
            retries: 0,
            breaker: None,
            on_error: OnError::default(),
        }
    }
}

impl ProviderSettings for ExecSettings {
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut variables = HashMap::new();
        for (name, command) in &self.commands {
            command.check(name, &mut problems);
            let passed = command.variables(name, cx, &mut problems);
            variables.insert(name.clone(), passed);
        }
        let validate = |reference: &_| Place::of(reference, &self.commands).map(|_| ());
        let lookup = self
            .lookup
            .as_deref()
            .map(|text| Template::new("exec", text, validate));
        let lookup = lookup.transpose().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let limits = Limits {
            deadline: Some(self.timeout),
            retries: self.retries,
            breaker: self.breaker,
        };
        problems.extend(limits.problems("exec"));
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Arc::new(ExecProvider::new(
            self.commands.clone(),
            variables,
            lookup,
            limits,
            self.on_error,
        )))
    }

    fn secret_variables(&self) -> Vec<String> {
        let names = self.commands.values();
        let names = names.flat_map(|command| command.env.secret_names());
        names.cloned().collect()
    }
}

impl CommandSettings {
    pub(super) fn takes_a_path(&self) -> bool {
        self.argv.iter().any(|word| word.contains(PLACEHOLDER))
    }

    fn check(&self, name: &str, problems: &mut Vec<Problem>) {
        let mut refuse = |keys: &[&str], message: &str, help: &str| {
            problems.push(Problem::at(path_of(name, keys), message, help));
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !name.chars().all(named)
            || looks_like_key(name)
        {
            refuse(
                &[],
                "this cannot be a command's name",
                "write letters, digits and `-_.`, beginning with a letter or a digit",
            );
        }
        match self.argv.first() {
            None => refuse(
                &["argv"],
                "a command has a program",
                "write `argv: [\"/usr/bin/op\", \"read\", \"op://vault/{path}\"]`",
            ),
            Some(program) if !program.starts_with('/') => refuse(
                &["argv", "0"],
                "the program is not written by its absolute path, and PATH is not searched: \
                 whoever could change PATH would choose what runs",
                "write the path that `command -v` shows, such as `/usr/bin/op`",
            ),
            Some(program) if program.contains(PLACEHOLDER) => refuse(
                &["argv", "0"],
                "a reference cannot choose the program",
                "write the program's path, and `{path}` in its arguments",
            ),
            Some(_) => {}
        }
        for (index, word) in self.argv.iter().enumerate() {
            let at = ["argv", &index.to_string()];
            if looks_like_key(word) {
                refuse(
                    &at,
                    "this looks like a key, and every process of the machine may read a command's \
                     arguments",
                    "let the command find its login by itself, or pass a variable by \
                     `env.secret`; and replace the key: it has been in a file",
                );
            } else if word.contains('\0') {
                refuse(&at, "an argument has no zero byte in it", "remove it");
            } else if word.contains("{name}") {
                refuse(
                    &at,
                    "`{name}` has no meaning in a command",
                    "write `{path}` here, and `lookup: NAME/{name}` for names without references",
                );
            }
        }
        if self.not_found_exit_codes.contains(&0) {
            refuse(
                &["not_found_exit_codes"],
                "0 is the exit code of success",
                "list the codes by which the command says that there is no such secret",
            );
        }
    }

    /// The variables that it gets, by their values at start.
    fn variables(
        &self,
        name: &str,
        cx: BuildContext<'_>,
        problems: &mut Vec<Problem>,
    ) -> Arc<Variables> {
        let refuse = |list: &'static str, index: usize, (message, help)| {
            let path = path_of(name, &["env", list, &index.to_string()]);
            problems.push(Problem::at(path, message, help));
        };
        Arc::new(self.env.resolve(cx, refuse))
    }
}

fn path_of(name: &str, keys: &[&str]) -> Vec<String> {
    let mut path = section("exec");
    path.extend(
        ["commands", name]
            .into_iter()
            .chain(keys.iter().copied())
            .map(str::to_owned),
    );
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::memory::{Pool, TakenEnvironment};

    /// The paths of all problems, below the provider's section.
    fn problems(json: &str) -> Vec<String> {
        let settings: ExecSettings = serde_json::from_str(json).unwrap();
        let environment = HashMap::from([("HOME".to_owned(), "/root".to_owned())]);
        let pool = Pool::reserve();
        let taken = [
            ("OPENAI_API_KEY", Some("canary")),
            ("MINE", Some("canary")),
            ("VAULT_TOKEN", None),
        ];
        let cx = BuildContext {
            config_dir: None,
            environment: &environment,
            taken: &Arc::new(TakenEnvironment::from_values(&pool, taken)),
            pool: &pool,
            recorder: &crate::secrets::Unrecorded::shared(),
        };
        let problems = settings.build(cx).err().unwrap_or_default();
        assert!(!format!("{problems:?}").contains("sk-"), "{problems:?}");
        let paths = problems.iter().map(|problem| problem.path[4..].join("."));
        paths.collect()
    }

    #[test]
    fn a_command_is_an_absolute_path_and_words_without_keys() {
        for (argv, wrong) in [
            (r#"["/usr/bin/op", "read", "op://a/{path}"]"#, ""),
            (r#"["/usr/bin/x", "--template", "{{.Data}}"]"#, ""),
            ("[]", "op.argv"),
            (r#"["op"]"#, "op.argv.0"),
            (r#"["./op"]"#, "op.argv.0"),
            (r#"["/opt/{path}"]"#, "op.argv.0"),
            (r#"["/bin/x", "sk-proj-0123456789abcdef"]"#, "op.argv.1"),
            (r#"["/bin/x", "op://{name}"]"#, "op.argv.1"),
        ] {
            let json = format!(r#"{{"commands": {{"op": {{"argv": {argv}}}}}}}"#);
            assert_eq!(problems(&json).join(" "), wrong, "{argv}");
        }
        let zero = r#"{"commands": {"op": {"argv": ["/x"], "not_found_exit_codes": [0]}}}"#;
        assert_eq!(problems(zero), ["op.not_found_exit_codes"]);
        let name = r#"{"commands": {"-op/x": {"argv": ["/x"]}}}"#;
        assert_eq!(problems(name), ["-op/x"]);
    }

    /// The problems of one name in the list `list`, beside `HOME`.
    fn listed(list: &str, name: &str) -> Vec<String> {
        let env = format!(r#"{{"{list}": ["HOME", "{name}"]}}"#);
        problems(&format!(
            r#"{{"commands": {{"op": {{"argv": ["/x"], "env": {env}}}}}}}"#
        ))
    }

    #[test]
    fn a_variable_that_was_taken_or_looks_like_a_credential_is_not_passed_on_plainly() {
        assert_eq!(listed("pass", "UNSET"), [""; 0]);
        for name in [
            "OPENAI_API_KEY",
            "MINE",
            "VAULT_TOKEN",
            "OP_TOKEN",
            "A=B",
            "",
            "1A",
        ] {
            assert_eq!(listed("pass", name), ["op.env.pass.1"], "{name}");
        }
    }

    #[test]
    fn any_variable_but_a_login_of_keywards_own_may_be_listed_as_a_commands_secret() {
        for name in [
            "OP_SERVICE_ACCOUNT_TOKEN",
            "OPENAI_API_KEY",
            "MINE",
            "UNSET",
        ] {
            assert_eq!(listed("secret", name), [""; 0], "{name}");
        }
        for name in ["VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY", "A=B", "", "1A"] {
            assert_eq!(listed("secret", name), ["op.env.secret.1"], "{name}");
        }
        let pasted = listed("secret", "sk-proj-0123456789abcdef");
        assert_eq!(pasted, ["op.env.secret.1"]);
    }

    #[test]
    fn the_secret_variables_of_all_commands_are_taken_at_start() {
        let settings: ExecSettings = serde_json::from_str(
            r#"{"commands": {
                "a": {"env": {"pass": ["HOME"], "secret": ["A_TOKEN", "no name"]}},
                "b": {"env": {"secret": ["B_TOKEN"]}}
            }}"#,
        )
        .unwrap();
        assert_eq!(settings.secret_variables(), ["A_TOKEN", "B_TOKEN"]);
    }

    #[test]
    fn a_lookup_names_a_command_that_takes_a_path() {
        let lookup = |lookup: &str| {
            let commands = r#"{"op": {"argv": ["/x", "{path}"]}, "one": {"argv": ["/x"]}}"#;
            let json = format!(r#"{{"commands": {commands}, "lookup": "{lookup}"}}"#);
            let settings: ExecSettings = serde_json::from_str(&json).unwrap();
            let cx = BuildContext {
                config_dir: None,
                environment: &HashMap::new(),
                taken: &Arc::default(),
                pool: &Pool::reserve(),
                recorder: &crate::secrets::Unrecorded::shared(),
            };
            settings.build(cx).is_ok()
        };
        assert!(lookup("op/ai/{name}") && lookup("op/{name}#password"));
        for wrong in ["one/{name}", "nope/{name}", "{name}", "op/-{name}", "op/x"] {
            assert!(!lookup(wrong), "{wrong}");
        }
    }
}
