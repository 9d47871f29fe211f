//! The places a key may come from, each with a key that never existed before and with the other
//! secrets that stand on the way to it.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use keyward::secrets::memory::scanner::Canary;
use serde_json::json;
use zeroize::Zeroizing;

use crate::support::{
    environment::unique,
    keyward::{Setup, write_private},
    moto::Moto,
    openbao::TlsServer,
    openbao_api::{AppRole, Bao},
    tls::{Authority, Protocol},
    upstream::{Dialect, MODEL, Upstream},
};

/// Where a key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Env,
    File,
    /// Vault's KV v2 over TLS with its own authority, by an AppRole login.
    VaultAppRole,
    /// The same by a token in a file.
    VaultToken,
    Aws,
    /// A command that prints it.
    Exec,
}

impl Place {
    pub const ALL: [Self; 6] = [
        Self::Env,
        Self::File,
        Self::VaultAppRole,
        Self::VaultToken,
        Self::Aws,
        Self::Exec,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::File => "file",
            Self::VaultAppRole => "vault, AppRole",
            Self::VaultToken => "vault, token file",
            Self::Aws => "aws",
            Self::Exec => "exec",
        }
    }

    /// How many copies stay in the pool when no call runs.
    pub fn rest(self) -> usize {
        usize::from(self == Self::Env)
    }
}

/// What the upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Http1,
    Http2,
    Plain,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Http1, Self::Http2, Self::Plain];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "TLS, HTTP/1.1",
            Self::Http2 => "TLS, HTTP/2",
            Self::Plain => "plain, loopback",
        }
    }

    /// A key for it. Lengths as vendors have them, and one of a generated password: none is that
    /// of the blocks in which something may be gathered on the way.
    fn key(self) -> Zeroizing<String> {
        Canary::random(match self {
            Self::Http1 => 51,
            Self::Http2 => 164,
            Self::Plain => 20,
        })
    }

    /// A stand-in that takes exactly `key`.
    pub fn upstream(self, key: &str) -> Upstream {
        match self {
            Self::Http1 => {
                Upstream::start_tls(&AUTHORITY, Protocol::Http1, Dialect::OpenAi, Some(key))
            }
            Self::Http2 => {
                Upstream::start_tls(&AUTHORITY, Protocol::Http2, Dialect::OpenAi, Some(key))
            }
            Self::Plain => Upstream::start(Dialect::OpenAi, Some(key)),
        }
    }
}

/// A secret that is not the key, and how many copies of it may rest in the pool.
pub struct Other {
    pub name: &'static str,
    pub text: Zeroizing<String>,
    pub rest: usize,
}

/// A server's configuration, and what to look for in its memory.
pub struct Arranged {
    pub setup: Setup,
    pub key: Zeroizing<String>,
    pub others: Vec<Other>,
    pub upstream: Upstream,
}

pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);
static VAULT: LazyLock<TlsServer> = LazyLock::new(|| {
    let vault = TlsServer::start(&AUTHORITY);
    vault.mount_kv("secret", 2);
    vault
});

/// A key put into `place`, an upstream that takes it, and a server's configuration for both.
/// `more` are further lines of the model provider's settings.
pub fn arrange(place: Place, way: Way, more: &str) -> Arranged {
    let key = way.key();
    let upstream = way.upstream(&key);
    match place {
        Place::Env => {
            let setup = Setup::with_config(&settings("", "env:STAND_IN_KEY", &upstream, more));
            let setup = setup.env("STAND_IN_KEY", key.as_str());
            whole(setup, key, Vec::new(), upstream)
        }
        Place::File => {
            let setup = Setup::with_config(&settings("", "file:key", &upstream, more));
            write_private(&setup.folder().join("key"), &format!("{}\n", *key));
            whole(setup, key, Vec::new(), upstream)
        }
        Place::VaultAppRole => {
            let (reference, role) = in_vault(&VAULT, &key);
            let vault = app_role_settings(VAULT.address(), &role);
            let setup = Setup::with_config(&settings(&vault, &reference, &upstream, more));
            role.write_secret_id(setup.folder());
            let secret_id = other("AppRole secret id", role.secret_id, 0);
            whole(setup, key, vec![secret_id], upstream)
        }
        Place::VaultToken => {
            let (reference, role) = in_vault(&VAULT, &key);
            let token = Canary::random(26);
            let policies = json!({ "id": *token, "policies": [role.name], "no_parent": true });
            VAULT.put("auth/token/create", &policies);
            let vault = vault_settings(VAULT.address(), "token_file: token");
            let setup = Setup::with_config(&settings(&vault, &reference, &upstream, more));
            write_private(&setup.folder().join("token"), &token);
            // Looked for in `logins`, which knows when its life is looked up.
            whole(setup, key, Vec::new(), upstream)
        }
        Place::Aws => arrange_aws(Moto::shared().address(), key, upstream, more),
        Place::Exec => {
            let setup = Setup::with_config("");
            let file = setup.folder().join("key");
            write_private(&file, &format!("{}\n", *key));
            let exec =
                format!("    exec: {{ commands: {{ cat: {{ argv: [/bin/cat, {file:?}] }} }} }}\n");
            let settings = settings(&exec, "exec:cat", &upstream, more);
            write_private(setup.config_file(), &settings);
            whole(setup, key, Vec::new(), upstream)
        }
    }
}

/// A key in Secrets Manager, to be asked for at `address`.
pub fn arrange_aws(
    address: &str,
    key: Zeroizing<String>,
    upstream: Upstream,
    more: &str,
) -> Arranged {
    let name = Moto::shared().fresh(&json!({ "api_key": *key }).to_string());
    let (secret, session) = (Canary::random(40), Canary::random(128));
    let region = Moto::REGION;
    let aws = format!("    aws: {{ region: {region}, endpoint_url: \"{address}\" }}\n");
    let reference = format!("aws:{name}#api_key");
    let setup = Setup::with_config(&settings(&aws, &reference, &upstream, more)).envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", secret.as_str()),
        ("AWS_SESSION_TOKEN", session.as_str()),
    ]);
    let others = vec![
        other("AWS secret access key", secret.to_string(), 1),
        other("AWS session token", session.to_string(), 1),
    ];
    whole(setup, key, others, upstream)
}

fn whole(setup: Setup, key: Zeroizing<String>, others: Vec<Other>, upstream: Upstream) -> Arranged {
    Arranged {
        setup,
        key,
        others,
        upstream,
    }
}

fn other(name: &'static str, text: String, rest: usize) -> Other {
    let text = Zeroizing::new(text);
    Other { name, text, rest }
}

/// Puts `key` into KV v2; gives its reference and a role that may read it.
pub fn in_vault(vault: &Bao, key: &str) -> (String, AppRole) {
    let path = unique("ai");
    vault.put_kv2("secret", &path, &json!({ "api_key": key }));
    let rules = format!("path \"secret/data/{path}\" {{ capabilities = [\"read\"] }}");
    let role = vault.app_role(&rules, &json!({ "token_ttl": "5m" }));
    (format!("vault:secret/{path}#api_key"), role)
}

/// The real server, for a proxy to stand before.
pub fn vault() -> &'static TlsServer {
    &VAULT
}

pub fn app_role_settings(address: &str, role: &AppRole) -> String {
    let role_id = &role.role_id;
    let login = format!("approle: {{ role_id: \"{role_id}\", secret_id_file: secret_id }}");
    vault_settings(address, &login)
}

pub fn vault_settings(address: &str, login: &str) -> String {
    let ca_file: &Path = &AUTHORITY.ca_file;
    format!(
        "    vault:\n      address: \"{address}\"\n      kv: 2\n      ca_file: {ca_file:?}\n      \
         auth: {{ {login} }}\n"
    )
}

/// A whole configuration: `providers` are secret providers, `more` belongs to the model provider.
pub fn settings(providers: &str, reference: &str, upstream: &Upstream, more: &str) -> String {
    let base_url = upstream.base_url();
    let ca_file = if base_url.starts_with("https") {
        let ca_file: &PathBuf = &AUTHORITY.ca_file;
        format!("      ca_file: {ca_file:?}\n")
    } else {
        String::new()
    };
    let providers = if providers.is_empty() {
        String::new()
    } else {
        format!("  providers:\n{providers}")
    };
    format!(
        r#"secrets:
{providers}  names:
    stand-in: {{ ref: "{reference}" }}
models:
  providers:
    stand-in:
      protocol: openai
      base_url: "{base_url}"
      secret: stand-in
      max_tokens_field: max_completion_tokens
      models: [{MODEL}]
{ca_file}{more}"#
    )
}
