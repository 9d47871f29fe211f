//! Settings of `vault`, and the standard variables that complete them.
//!
//! `VAULT_SKIP_VERIFY` is not among those: nothing turns the check of a certificate off. Nor is
//! `VAULT_TLS_SERVER_NAME`: the HTTP client verifies the name that it connects to.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    kv::KvSettings,
    login::{AuthSettings, Preparing, standard},
    place::validate,
    provider::VaultProvider,
    session::Session,
    tls::TlsFiles,
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
    /// A folder of such files, instead of one. Default: `BAO_CAPATH` or `VAULT_CAPATH`.
    pub ca_path: Option<PathBuf>,
    /// A PEM file with the certificate that we show to a Vault that asks for one. Default:
    /// `BAO_CLIENT_CERT` or `VAULT_CLIENT_CERT`.
    pub client_certificate_file: Option<PathBuf>,
    /// A PEM file with its private key. Default: `BAO_CLIENT_KEY` or `VAULT_CLIENT_KEY`.
    pub client_key_file: Option<PathBuf>,
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
            ca_path: None,
            client_certificate_file: None,
            client_key_file: None,
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

impl ProviderSettings for VaultSettings {
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>> {
        let mut problems = Vec::new();
        let standard = |name: &str| standard(cx, name);
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
        let is_https = endpoint.as_ref().is_some_and(Endpoint::is_https);
        let mut tls = self.tls(cx, is_https, &mut problems);
        let mut preparing = Preparing {
            cx,
            problems: &mut problems,
            is_https,
            has_certificate: tls.identity.is_some(),
            is_certificate_set: self.client_certificate_file.is_some(),
            certificate: None,
        };
        let login = AuthSettings::prepare(self.auth.as_ref(), &mut preparing);
        tls.identity = preparing.certificate.or(tls.identity);
        let (Some(endpoint), Some(login), true) = (endpoint, login, problems.is_empty()) else {
            return Err(problems);
        };
        warn_of_ignored(cx);
        let credentials = tls.credentials.clone();
        let wire = Wire::new(endpoint, tls);
        let session = Session::new(
            wire,
            login,
            namespace,
            credentials,
            Arc::clone(cx.pool),
            Arc::clone(cx.recorder),
        );
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
    /// The files behind the connection, from settings or else from the standard variables.
    fn tls(&self, cx: BuildContext<'_>, is_https: bool, problems: &mut Vec<Problem>) -> TlsFiles {
        let place = |path: &PathBuf| match cx.config_dir {
            Some(folder) => folder.join(path),
            None => path.clone(),
        };
        let file = |set: &Option<PathBuf>, variable: &str| match set {
            Some(path) => Some(place(path)),
            None => standard(cx, variable).map(PathBuf::from),
        };
        let mut refuse = |key: &str, message: &str, help: &str| {
            problems.push(Problem::at(with(section("vault"), key), message, help));
        };
        // What is set here is not mixed with what is set there.
        let (is_ca_set, key) = (self.ca_file.is_some(), "client_certificate_file");
        let ca_file = match self.ca_path {
            Some(_) if is_ca_set => {
                let help = "remove this or `ca_file`";
                refuse("ca_path", "the authorities are named twice", help);
                None
            }
            Some(_) => None,
            None => file(&self.ca_file, "CACERT"),
        };
        let is_set = self.client_certificate_file.is_some() || self.client_key_file.is_some();
        let identity = if is_set {
            let (certificate, key) = (&self.client_certificate_file, &self.client_key_file);
            (certificate.as_ref().map(place), key.as_ref().map(place))
        } else {
            let variable = |name| standard(cx, name).map(PathBuf::from);
            (variable("CLIENT_CERT"), variable("CLIENT_KEY"))
        };
        let identity = match identity {
            (Some(_), Some(_)) if is_set && !is_https => {
                let help = "use `https://` in `address`, or remove this";
                refuse(key, "a certificate is shown over TLS alone", help);
                None
            }
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let help = "name both files, `client_certificate_file` and `client_key_file` (or \
                            VAULT_CLIENT_CERT and VAULT_CLIENT_KEY)";
                refuse(
                    key,
                    "a client certificate needs its key, and a key its certificate",
                    help,
                );
                None
            }
        };
        let credentials = cx.environment.var("CREDENTIALS_DIRECTORY");
        TlsFiles {
            ca_path: ca_file
                .is_none()
                .then(|| file(&self.ca_path, "CAPATH"))
                .flatten(),
            ca_file,
            identity,
            credentials: credentials.map(PathBuf::from),
        }
    }

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

/// Tells of standard variables that Vault's own tools would follow and that are not followed here.
fn warn_of_ignored(cx: BuildContext<'_>) {
    let skips = standard(cx, "SKIP_VERIFY");
    // As Go's `strconv.ParseBool` reads it.
    if skips.is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
    {
        tracing::warn!(
            "VAULT_SKIP_VERIFY (or BAO_SKIP_VERIFY) is set and is not followed: the server's \
             certificate is always verified; `ca_file` says whom to trust"
        );
    }
    if standard(cx, "TLS_SERVER_NAME").is_some() {
        tracing::warn!(
            "VAULT_TLS_SERVER_NAME (or BAO_TLS_SERVER_NAME) is set and is not followed: the \
             certificate must be for the host in `address`"
        );
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
            recorder: &crate::secrets::Unrecorded::shared(),
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
    fn a_certificate_is_shown_with_its_key_over_tls_and_named_once() {
        let pair = r#""client_certificate_file": "c", "client_key_file": "k""#;
        let own = r#""certificate_file": "c", "key_file": "k""#;
        let (https, http) = ("https://v", "http://127.0.0.1");
        for (rest, address, wrong) in [
            (pair.to_owned(), https, ""),
            (pair.to_owned(), http, "vault.client_certificate_file"),
            (
                r#""client_key_file": "k""#.into(),
                https,
                "vault.client_certificate_file",
            ),
            (format!(r#""auth": {{"cert": {{{own}}}}}"#), https, ""),
            (
                format!(r#""auth": {{"cert": {{{own}}}}}"#),
                http,
                "vault.auth.cert",
            ),
            (format!(r#"{pair}, "auth": {{"cert": {{}}}}"#), https, ""),
            (
                format!(r#"{pair}, "auth": {{"cert": {{{own}}}}}"#),
                https,
                "vault.auth.cert.certificate_file",
            ),
            (r#""auth": {"cert": {}}"#.into(), https, "vault.auth.cert"),
            (
                r#""ca_file": "c", "ca_path": "p""#.into(),
                https,
                "vault.ca_path",
            ),
        ] {
            let json = format!(r#"{{"address": "{address}", {rest}}}"#);
            let expected: Vec<&str> = [wrong].into_iter().filter(|w| !w.is_empty()).collect();
            assert_eq!(problems(&json, &[]), expected, "{json}");
        }
        let variables = [("VAULT_CLIENT_CERT", "c"), ("VAULT_CLIENT_KEY", "k")];
        let json = r#"{"address": "https://v", "auth": {"cert": {}}}"#;
        assert_eq!(problems(json, &variables), [""; 0]);
        assert_eq!(
            problems(json, &variables[..1]),
            ["vault.client_certificate_file", "vault.auth.cert"]
        );
    }

    #[test]
    fn a_logins_names_are_checked_before_they_become_parts_of_a_path() {
        let address = r#""address": "https://v""#;
        for (auth, wrong) in [
            (
                r#"{"userpass": {"username": "a/b", "password_file": "p"}}"#,
                "userpass.username",
            ),
            (
                r#"{"jwt": {"token_file": "t", "mount": "a b"}}"#,
                "jwt.mount",
            ),
            (
                r#"{"kubernetes": {"role": "r", "mount": "../sys"}}"#,
                "kubernetes.mount",
            ),
            (
                r#"{"jwt": {"token_file": "t", "audience": ""}}"#,
                "jwt.audience",
            ),
            (r#"{"token_helper": {}}"#, "token_helper"),
            (
                r#"{"approle": {"role_id": "r", "secret_id_file": "a",
                    "wrapped_secret_id_file": "b"}}"#,
                "approle.wrapped_secret_id_file",
            ),
        ] {
            let json = format!(r#"{{{address}, "auth": {auth}}}"#);
            assert_eq!(
                problems(&json, &[]),
                [format!("vault.auth.{wrong}")],
                "{json}"
            );
        }
        let json = format!(r#"{{{address}, "auth": {{"token_helper": {{}}}}}}"#);
        assert_eq!(problems(&json, &[("HOME", "/home/x")]), [""; 0]);
    }
}
