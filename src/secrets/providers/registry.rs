//! Which secret providers exist, and how those that a configuration uses are built.
//!
//! Everything a provider must be registered in is made from the one list at the end of the
//! imports: the settings, the building, the variables to take, the advice about a provider that
//! was left out of the build. Building does no I/O.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Deserialize;

use super::{BuildContext, SecretProvider};
use crate::{nearest::meant, secrets::Reference, settings::Problem};

/// What a provider's settings can do; the registry knows nothing more of a provider.
pub(super) trait ProviderSettings {
    /// Builds the provider, or says everything that is wrong with the settings. Paths begin at
    /// the root of the configuration.
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>>;

    /// The variables of the environment that hold keys, as far as the settings tell.
    fn secret_variables(&self) -> Vec<String> {
        Vec::new()
    }
}

macro_rules! registry {
    ($($(#[$doc:meta])* $name:ident, $feature:literal, $settings:ident;)*) => {
        /// The section `secrets.providers`.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct ProvidersSettings {
            $(
                $(#[$doc])*
                #[cfg(feature = $feature)]
                pub $name: Option<super::$name::$settings>,
                /// Settings of a provider that this build leaves out.
                #[cfg(not(feature = $feature))]
                pub $name: Option<LeftOut>,
            )*
        }

        const KNOWN: &[Known] = &[$(
            Known {
                name: stringify!($name),
                feature: $feature,
                #[cfg(feature = $feature)]
                settings: Some(|all| match &all.$name {
                    Some(settings) => Box::new(settings.clone()),
                    None => Box::new(super::$name::$settings::default()),
                }),
                #[cfg(not(feature = $feature))]
                settings: None,
                is_configured: |all| all.$name.is_some(),
            },
        )*];
    };
}

registry! {
    /// Variables of the environment, taken out of it at start.
    env, "env", EnvSettings;
    /// Files: Docker and Kubernetes secrets, systemd credentials.
    file, "file", FileSettings;
    /// HashiCorp Vault and OpenBao.
    vault, "vault", VaultSettings;
    /// AWS Secrets Manager.
    aws, "aws", AwsSettings;
    /// Amazon Bedrock's API keys, made of AWS credentials.
    bedrock, "aws", BedrockSettings;
    /// Commands that print a secret.
    exec, "exec", ExecSettings;
}

/// Settings that nobody will read, kept so that their presence can be refused with advice.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(from = "serde::de::IgnoredAny")]
pub struct LeftOut;

impl From<serde::de::IgnoredAny> for LeftOut {
    fn from(_: serde::de::IgnoredAny) -> Self {
        Self
    }
}

type SettingsOf = fn(&ProvidersSettings) -> Box<dyn ProviderSettings>;

struct Known {
    name: &'static str,
    feature: &'static str,
    /// `None` if the build leaves the provider out.
    settings: Option<SettingsOf>,
    is_configured: fn(&ProvidersSettings) -> bool,
}

/// The providers that references name, each with the path of the first key that names it.
pub type Mentions = BTreeMap<String, Vec<String>>;

/// Builds every provider that the configuration uses: those of `chain` first and in its order,
/// then those that only references or settings name.
///
/// # Errors
/// All problems of all providers at once.
pub fn build(
    chain: &[String],
    mentions: &Mentions,
    settings: &ProvidersSettings,
    cx: BuildContext<'_>,
) -> Result<Vec<Arc<dyn SecretProvider>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut used: Vec<&'static Known> = Vec::new();
    let chain_path = |index: usize| vec!["secrets".into(), "chain".into(), index.to_string()];
    for (index, name) in chain.iter().enumerate() {
        match find(name, chain_path(index)) {
            Ok(known) if used.iter().any(|other| other.name == known.name) => {
                problems.push(Problem::at(
                    chain_path(index),
                    format!("`{}` stands twice in the chain", known.name),
                    "name each provider once",
                ));
            }
            Ok(known) => used.push(known),
            Err(problem) => problems.push(problem),
        }
    }
    let configured = KNOWN
        .iter()
        .filter(|known| (known.is_configured)(settings))
        .map(|known| (known.name.to_owned(), section(known.name)));
    for (name, path) in mentions.clone().into_iter().chain(configured) {
        match find(&name, path) {
            Ok(known) if used.iter().any(|other| other.name == known.name) => {}
            Ok(known) => used.push(known),
            Err(problem) => problems.push(problem),
        }
    }
    let mut providers = Vec::new();
    for known in used {
        let Some(settings_of) = known.settings else {
            continue;
        };
        match settings_of(settings).build(cx) {
            Ok(provider) => providers.push(provider),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(providers)
    } else {
        Err(problems)
    }
}

/// Logins that are taken whether or not their provider is used: a child or a later reader of the
/// environment block has no business with them.
const LOGINS: [&str; 4] = [
    "VAULT_TOKEN",
    "BAO_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// Whether a variable holds a login of a store, which is Keyward's alone.
#[cfg(feature = "exec")]
pub(super) fn is_login(name: &str) -> bool {
    LOGINS.contains(&name)
}

/// The names of all variables that must be taken out of the environment at start, for this
/// configuration: what references and settings name, the well-known ones, and the logins of stores.
#[must_use]
pub fn env_names<'a>(
    settings: &ProvidersSettings,
    references: impl IntoIterator<Item = &'a Reference>,
) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = LOGINS.iter().map(|&name| name.to_owned()).collect();
    names.extend(
        references
            .into_iter()
            .filter(|reference| reference.provider() == "env")
            .map(|reference| reference.path().to_owned()),
    );
    // Taken whether or not their provider is used: a key that nobody asks for has even less reason
    // to stay readable in the environment block.
    for settings_of in KNOWN.iter().filter_map(|known| known.settings) {
        names.extend(settings_of(settings).secret_variables());
    }
    names
}

/// A provider's section, as a path.
pub(super) fn section(name: &str) -> Vec<String> {
    vec!["secrets".into(), "providers".into(), name.to_owned()]
}

fn find(name: &str, path: Vec<String>) -> Result<&'static Known, Problem> {
    match KNOWN.iter().find(|known| known.name == name) {
        Some(known) if known.settings.is_some() => Ok(known),
        Some(Known { name, feature, .. }) => Err(Problem::at(
            path,
            format!("the secret provider `{name}` is not part of this build"),
            format!(
                "build with `--features {feature}`, or use a provider that is: {}",
                present()
            ),
        )),
        None => Err(Problem::at(
            path,
            "no secret provider has this name",
            match meant(name, KNOWN.iter().map(|known| known.name)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the secret providers are: {}", present()),
            },
        )),
    }
}

/// The providers that are part of this build.
#[must_use]
pub fn built_in() -> Vec<&'static str> {
    KNOWN
        .iter()
        .filter(|known| known.settings.is_some())
        .map(|known| known.name)
        .collect()
}

fn present() -> String {
    built_in().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::secrets::{
        memory::{Pool, TakenEnvironment},
        providers::OnError,
    };

    fn try_build(
        chain: &[&str],
        mentions: &[&str],
        json: &str,
    ) -> Result<Vec<String>, Vec<Problem>> {
        let chain: Vec<_> = chain.iter().map(|&name| name.to_owned()).collect();
        let path = || vec!["secrets".to_owned(), "names".to_owned(), "x".to_owned()];
        let mentions = mentions
            .iter()
            .map(|&name| (name.to_owned(), path()))
            .collect();
        let settings: ProvidersSettings = serde_json::from_str(json).unwrap();
        let cx = BuildContext {
            config_dir: None,
            environment: &HashMap::new(),
            taken: &Arc::new(TakenEnvironment::default()),
            pool: &Pool::reserve(),
            recorder: &crate::secrets::Unrecorded::shared(),
        };
        let providers = build(&chain, &mentions, &settings, cx)?;
        Ok(providers
            .iter()
            .map(|provider| provider.name().to_owned())
            .collect())
    }

    #[test]
    #[cfg(all(feature = "env", feature = "file"))]
    fn the_chain_comes_first_and_each_provider_once() {
        assert_eq!(
            try_build(&["file"], &["file", "env"], "{}").unwrap(),
            ["file".to_owned(), "env".to_owned()]
        );
        assert_eq!(
            try_build(&[], &[], r#"{"file": {}}"#).unwrap(),
            ["file".to_owned()]
        );
    }

    #[test]
    fn a_misspelt_provider_is_refused_with_the_name_that_was_meant() {
        let problems = try_build(&["vualt"], &["sk-secret"], "{}").unwrap_err();
        assert_eq!(problems[0].path, ["secrets", "chain", "0"]);
        assert_eq!(problems[0].help, "did you mean `vault`?");
        assert_eq!(problems[1].path, ["secrets", "names", "x"]);
        assert!(
            !format!("{problems:?}").contains("sk-secret"),
            "the name is not repeated"
        );
    }

    #[test]
    #[cfg(feature = "env")]
    fn a_provider_twice_in_the_chain_is_refused() {
        assert_eq!(
            try_build(&["env", "env"], &[], "{}").unwrap_err()[0].path[2],
            "1"
        );
    }

    #[test]
    #[cfg(not(feature = "vault"))]
    fn a_provider_left_out_of_the_build_is_refused_with_its_feature() {
        let problems = try_build(&["vault"], &[], r#"{"vault": {"address": "x"}}"#).unwrap_err();
        assert!(
            problems[0].help.contains("--features vault"),
            "{problems:?}"
        );
    }

    #[test]
    #[cfg(feature = "env")]
    fn a_provider_that_fails_stops_the_chain_unless_its_settings_say_next() {
        let on_error = |json: &str| {
            let cx = BuildContext {
                config_dir: None,
                environment: &HashMap::new(),
                taken: &Arc::new(TakenEnvironment::default()),
                pool: &Pool::reserve(),
                recorder: &crate::secrets::Unrecorded::shared(),
            };
            let settings = serde_json::from_str(json).unwrap();
            build(&[], &Mentions::new(), &settings, cx).unwrap()[0].on_error()
        };
        assert_eq!(on_error(r#"{"env": {}}"#), OnError::Stop);
        assert_eq!(on_error(r#"{"env": {"on_error": "next"}}"#), OnError::Next);
    }

    #[test]
    #[cfg(feature = "env")]
    fn variables_to_take_come_from_references_settings_and_the_table() {
        let settings: ProvidersSettings =
            serde_json::from_str(r#"{"env": {"names": {"openai": "MY_KEY"}}}"#).unwrap();
        let reference: Reference = "env:BACKUP_KEY".parse().unwrap();
        let names = env_names(&settings, [&reference]);
        for name in ["BACKUP_KEY", "MY_KEY", "GEMINI_API_KEY"] {
            assert!(names.contains(name), "{name} in {names:?}");
        }
        assert!(!names.contains("PATH"), "{names:?}");
    }

    #[test]
    fn the_logins_of_stores_are_taken_whether_or_not_they_are_used() {
        let names = env_names(&ProvidersSettings::default(), []);
        for name in LOGINS {
            assert!(names.contains(name), "{name} in {names:?}");
        }
    }
}
