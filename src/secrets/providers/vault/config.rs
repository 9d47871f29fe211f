//! Settings of `vault`, and the standard variables that complete them.
//!
//! `VAULT_SKIP_VERIFY` is not among those: nothing turns the check of a certificate off.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;

use super::{
    kv::KvSettings,
    place::validate,
    provider::VaultProvider,
    session::{Login, Session},
    wire::Wire,
};
use crate::{
    secrets::providers::{
        BreakerSettings, BuildContext, Limits, OnError, SecretProvider,
        endpoint::Endpoint,
        registry::{ProviderSettings, section},
        template::Template,
    },
    settings::{self, Problem},
};

/// The section `secrets.providers.vault`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultSettings {
    /// Where Vault is, such as `https://vault.example:8200`. Default: `BAO_ADDR` or `VAULT_ADDR`.
    pub address: Option<String>,
    /// The namespace to log in to and read from. Default: `BAO_NAMESPACE` or `VAULT_NAMESPACE`.
    pub namespace: Option<String>,
    /// A PEM file with the authorities to trust instead of the system's. Default: `BAO_CACERT` or
    /// `VAULT_CACERT`.
    pub ca_file: Option<PathBuf>,
    /// How to log in. Default: the token in `BAO_TOKEN` or `VAULT_TOKEN`.
    pub auth: Option<AuthSettings>,
    /// Where a name without a reference of its own is, such as `secret/ai/{name}#api_key`.
    pub lookup: Option<String>,
    /// The version of the KV engine: `1`, `2` or `auto`, for all mounts or by mount. `auto` asks
    /// Vault once and remembers.
    pub kv: KvSettings,
    /// How long one fetch may take, login and retries included.
    #[serde(deserialize_with = "settings::duration")]
    pub timeout: Duration,
    /// How often a fetch is tried again when Vault cannot be reached, fails or throttles.
    pub retries: u32,
    /// When Vault is left alone because it keeps failing.
    pub breaker: BreakerSettings,
    /// Permits plain `http` to another machine.
    pub allow_plaintext: bool,
    /// What the chain does when Vault fails: `stop` or `next`.
    pub on_error: OnError,
}

impl Default for VaultSettings {
    fn default() -> Self {
        Self {
            address: None,
            namespace: None,
            ca_file: None,
            auth: None,
            lookup: None,
            kv: KvSettings::default(),
            timeout: Duration::from_secs(5),
            retries: 2,
            breaker: BreakerSettings::default(),
            allow_plaintext: false,
            on_error: OnError::default(),
        }
    }
}

/// How to log in: exactly one of these.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthSettings {
    /// A file with a token, read again for each fetch so that it may rotate.
    TokenFile(PathBuf),
    /// AppRole.
    Approle(AppRoleSettings),
}

/// The section `auth.approle`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRoleSettings {
    /// The role's id, which is not secret.
    pub role_id: String,
    /// A file with the secret id, read again for each login.
    pub secret_id_file: PathBuf,
    /// Where the auth method is mounted.
    #[serde(default = "approle")]
    pub mount: String,
}

fn approle() -> String {
    "approle".to_owned()
}

impl ProviderSettings for VaultSettings {
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>> {
        let mut problems = Vec::new();
        let standard = |name: &str| {
            let names = [format!("BAO_{name}"), format!("VAULT_{name}")];
            names
                .iter()
                .find_map(|name| cx.environment.var(name).filter(|text| !text.is_empty()))
        };
        let endpoint = self.endpoint(standard("ADDR"), &mut problems);
        let lookup = self
            .lookup
            .as_deref()
            .map(|text| Template::new("vault", text, validate));
        let lookup = lookup.transpose().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let namespace = self.namespace.clone().or_else(|| standard("NAMESPACE"));
        let namespace = namespace.map(|text| text.trim_matches('/').to_owned());
        if namespace
            .as_ref()
            .is_some_and(|text| !text.chars().all(|c| c.is_ascii_graphic()))
        {
            problems.push(Problem::at(
                with(section("vault"), "namespace"),
                "a namespace has no white space and no special characters",
                "write its path, such as `team-a/dev`",
            ));
        }
        let limits = Limits {
            deadline: Some(self.timeout),
            retries: self.retries,
            breaker: Some(self.breaker),
        };
        problems.extend(limits.problems("vault"));
        let (Some(endpoint), true) = (endpoint, problems.is_empty()) else {
            return Err(problems);
        };
        let place = |path: &Path| match cx.config_dir {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        };
        let ca_file = match &self.ca_file {
            Some(path) => Some(place(path)),
            None => standard("CACERT").map(PathBuf::from),
        };
        let login = match &self.auth {
            None => Login::Environment(Arc::clone(cx.taken)),
            Some(AuthSettings::TokenFile(path)) => Login::TokenFile(place(path)),
            Some(AuthSettings::Approle(role)) => Login::AppRole {
                role_id: role.role_id.clone(),
                secret_id_file: place(&role.secret_id_file),
                mount: role.mount.trim_matches('/').to_owned(),
            },
        };
        let credentials = cx
            .environment
            .var("CREDENTIALS_DIRECTORY")
            .map(PathBuf::from);
        let wire = Wire::new(endpoint, ca_file);
        let session = Session::new(wire, login, namespace, credentials, Arc::clone(cx.pool));
        Ok(Arc::new(VaultProvider::new(
            session,
            lookup,
            self.kv.clone(),
            limits,
            self.on_error,
            Arc::clone(cx.pool),
        )))
    }
}

impl VaultSettings {
    fn endpoint(&self, standard: Option<String>, problems: &mut Vec<Problem>) -> Option<Endpoint> {
        let path = with(section("vault"), "address");
        let Some(address) = self.address.clone().or(standard) else {
            problems.push(Problem::at(
                path,
                "where Vault is, is not said",
                "write `address: https://vault.example:8200`, or set VAULT_ADDR",
            ));
            return None;
        };
        Endpoint::new(&address, self.allow_plaintext, path)
            .map_err(|problem| problems.push(problem))
            .ok()
    }
}

fn with(mut path: Vec<String>, key: &str) -> Vec<String> {
    path.push(key.to_owned());
    path
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::secrets::memory::Pool;

    fn problems(json: &str, environment: &[(&str, &str)]) -> Vec<String> {
        let settings: VaultSettings = serde_json::from_str(json).unwrap();
        let environment: HashMap<_, _> = environment
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let cx = BuildContext {
            config_dir: None,
            environment: &environment,
            taken: &Arc::default(),
            pool: &Pool::reserve(),
        };
        match settings.build(cx) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|p| p.path[2..].join(".")).collect(),
        }
    }

    #[test]
    fn an_address_comes_from_the_settings_or_a_standard_variable() {
        assert_eq!(problems("{}", &[]), ["vault.address"]);
        assert_eq!(
            problems("{}", &[("VAULT_ADDR", "http://127.0.0.1:8200")]),
            [""; 0]
        );
        assert_eq!(
            problems("{}", &[("VAULT_ADDR", "http://vault.example")]),
            ["vault.address"]
        );
        assert_eq!(problems(r#"{"address": "https://v:8200"}"#, &[]), [""; 0]);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let json = r#"{"address": "x", "lookup": "secret/ai#k", "timeout": "0s"}"#;
        assert_eq!(
            problems(json, &[]),
            ["vault.address", "vault.lookup", "vault.timeout"]
        );
        let no_field = r#"{"address": "https://v", "lookup": "secret/ai/{name}"}"#;
        assert_eq!(problems(no_field, &[]), ["vault.lookup"]);
    }

    #[test]
    fn one_way_to_log_in_is_written_as_a_map_of_one_key() {
        let parse = |auth: &str| serde_json::from_str::<AuthSettings>(auth);
        let role = r#"{"approle": {"role_id": "r", "secret_id_file": "s"}}"#;
        assert!(matches!(parse(role), Ok(AuthSettings::Approle(role)) if role.mount == "approle"));
        assert!(matches!(
            parse(r#"{"token_file": "t"}"#),
            Ok(AuthSettings::TokenFile(_))
        ));
        assert!(parse(r#"{"token": "t"}"#).is_err());
        assert!(parse(r#"{"approle": {"role_id": "r", "secret_id": "s"}}"#).is_err());
    }
}
