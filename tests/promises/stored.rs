//! The arrangement of keys that change and stores that fail: a key in a real store, behind a proxy
//! that counts what the store is asked.

use serde_json::json;

use super::arrangement::{KEY, chat_settings};
use crate::support::{
    environment::unique,
    keyward::{Keyward, LEGACY, Setup, write_private},
    moto::Moto,
    openbao::DevServer,
    openbao_api::Bao,
    pausing_proxy::PausingProxy,
    upstream::Upstream,
};

/// The key of version `number`: each is shaped like a real one, and none is part of another.
pub fn key(number: usize) -> String {
    format!("sk-turn{number:03}-{}", &KEY["sk-promise-".len()..])
}

/// A key in a store that keeps versions, and the way to it.
pub struct Stored {
    place: In,
    name: String,
    /// Before the store.
    pub proxy: PausingProxy,
}

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum In {
    /// OpenBao's KV v2.
    Vault,
    /// Secrets Manager.
    Aws,
}

impl Stored {
    /// Puts `value` where no other test has anything.
    pub fn put(place: In, value: &str) -> Self {
        let target = match place {
            In::Vault => DevServer::shared().address(),
            In::Aws => Moto::shared().address(),
        };
        let stored = Self {
            place,
            name: unique("turning"),
            proxy: PausingProxy::start(target),
        };
        if place == In::Aws {
            Moto::shared().create(&stored.name, &fields(value));
        } else {
            stored.rotate(value);
        }
        stored
    }

    /// Makes `value` the current version.
    pub fn rotate(&self, value: &str) {
        match self.place {
            In::Vault => {
                let fields = json!({ "api_key": value });
                DevServer::shared().put_kv2("secret", &self.name, &fields);
            }
            In::Aws => drop(Moto::shared().put(&self.name, &fields(value))),
        }
    }

    /// How often the store was asked for it.
    pub fn fetches(&self) -> usize {
        self.proxy.count(self.path())
    }

    /// What the path of a question for it holds.
    pub fn path(&self) -> &str {
        match self.place {
            In::Vault => &self.name,
            // All of its questions have one path, and the proxy serves this secret alone.
            In::Aws => "POST",
        }
    }

    /// A server whose model provider uses it; `terms` are further settings of the name, such as
    /// `ttl: 1h`.
    pub fn serve(&self, upstream: &Upstream, terms: &str) -> Keyward {
        serve(self.setup(upstream, terms))
    }

    /// The same, not yet started.
    pub fn setup(&self, upstream: &Upstream, terms: &str) -> Setup {
        let url = self.proxy.url();
        let name = &self.name;
        match self.place {
            In::Vault => in_vault(
                upstream,
                &url,
                &format!("vault:secret/{name}#api_key"),
                terms,
                "",
                DevServer::shared(),
            ),
            In::Aws => {
                let region = Moto::REGION;
                let aws = format!("    aws: {{ region: {region}, endpoint_url: \"{url}\" }}\n");
                let reference = format!("aws:{name}#api_key");
                Setup::with_config(&settings(upstream, &reference, terms, &aws))
                    .envs(Moto::credentials())
            }
        }
    }
}

/// The key at `reference` in the Vault at `address`, whose root token `bao` has; `more` are further
/// lines of the provider's settings.
pub fn in_vault(
    upstream: &Upstream,
    address: &str,
    reference: &str,
    terms: &str,
    more: &str,
    bao: &Bao,
) -> Setup {
    let vault = format!(
        "    vault:\n      address: \"{address}\"\n      kv: 2\n      auth: \
         {{ token_file: vault-token }}\n{more}"
    );
    let setup = Setup::with_config(&settings(upstream, reference, terms, &vault));
    write_private(&setup.folder().join("vault-token"), bao.token());
    setup
}

fn settings(upstream: &Upstream, reference: &str, terms: &str, provider: &str) -> String {
    let comma = if terms.is_empty() { "" } else { ", " };
    chat_settings(upstream, "env:X")
        .replace(
            "ref: \"env:X\"",
            &format!("ref: \"{reference}\"{comma}{terms}"),
        )
        .replace("secrets:\n", &format!("secrets:\n  providers:\n{provider}"))
}

fn fields(value: &str) -> String {
    json!({ "api_key": value }).to_string()
}

/// Starts it, through its handshake.
pub fn serve(setup: Setup) -> Keyward {
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    keyward
}
