//! Every login to Vault works at a real server, fails in words that name what to look at, and
//! leaves a token that is renewed while it is needed and revoked at the end.
//!
//! What an operator reads is tried on the real binary, by `keyward secrets check`; what happens
//! over time, on the provider itself.
#![cfg(feature = "vault")]

#[cfg(feature = "aws")]
mod aws;
mod certificates;
mod failures;
mod life;
mod logins;
pub(super) mod proofs;
mod wrapped;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use keyward::{
    call::CallIdentity,
    secrets::{
        memory::{Pool, TakenEnvironment},
        providers::{BuildContext, Fetch, Lookup, ProvidersSettings, SecretProvider, build},
    },
};
use serde_json::{Value, json};

use crate::support::{
    environment::unique,
    keyward::{Setup, write_private},
    openbao_api::Bao,
};

/// In every proof that tests send, and so in no output.
const CANARY: &str = "canary";

/// A secret and a policy that may read it and nothing else.
struct Readable {
    path: String,
    policy: String,
}

impl Readable {
    fn at(bao: &Bao) -> Self {
        let path = unique("login");
        bao.put_kv2("secret", &path, &json!({ "api_key": "canary-key" }));
        let policy = bao.policy_to_read(&path);
        Self { path, policy }
    }
}

/// The binary, set to fetch one secret; `auth` and `more` are further settings of the provider.
fn setup(address: &str, path: &str, auth: &str, more: &str) -> Setup {
    let vault = json!({ "address": address }).to_string();
    let vault = vault.trim_end_matches('}');
    let auth = match auth {
        "" => String::new(),
        auth => format!(", auth: {{ {auth} }}"),
    };
    Setup::with_config(&format!(
        "secrets:\n  providers:\n    vault: {vault}, kv: 2{auth}{more} }}\n  names:\n    key: {{ \
         ref: \"vault:secret/{path}#api_key\" }}\n"
    ))
}

/// Writes a file of one's own beside the configuration.
fn with_file(setup: Setup, name: &str, content: &str) -> Setup {
    write_private(&setup.folder().join(name), content);
    setup
}

/// Fetches once by the command; the operator's message if it failed. Nothing secret is in any
/// output.
#[track_caller]
fn check(setup: &Setup) -> Result<(), String> {
    let ended = setup.run(&["secrets", "check", "key", "--json"]);
    let output = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!output.contains(CANARY), "{output}");
    assert!(!output.contains("eyJ"), "part of a JWT is in {output}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{output}"));
    let result = &report["secrets"][0];
    if result["found"] == true {
        Ok(())
    } else {
        Err(result["error"].as_str().expect("an error").to_owned())
    }
}

/// It fails, and the operator's message holds all of these.
#[track_caller]
fn fails_with(setup: &Setup, words: &[&str]) {
    let error = check(setup).expect_err("the login must fail");
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

/// The provider itself, built from settings.
struct Store {
    provider: Arc<dyn SecretProvider>,
    pool: Arc<Pool>,
    asker: CallIdentity,
    reference: String,
}

impl Store {
    /// `vault` are the settings, without `kv`.
    fn new(mut vault: Value, path: &str) -> Self {
        vault["kv"] = json!(2);
        let settings = json!({ "vault": vault });
        let settings: ProvidersSettings = serde_json::from_value(settings).unwrap();
        let pool = Pool::reserve();
        let cx = BuildContext {
            config_dir: None,
            environment: &HashMap::new(),
            taken: &Arc::new(TakenEnvironment::default()),
            pool: &pool,
            recorder: &keyward::secrets::Unrecorded::shared(),
        };
        let built = build(&[], &BTreeMap::new(), &settings, cx);
        let provider = built
            .unwrap_or_else(|problems| panic!("{problems:?}"))
            .remove(0);
        let asker = CallIdentity {
            request_id: "0".repeat(32),
            tool: "test".into(),
            principal: "local".into(),
        };
        let reference = format!("vault:secret/{path}#api_key");
        Self {
            provider,
            pool,
            asker,
            reference,
        }
    }

    /// The value, or the operator's message.
    async fn fetch(&self) -> Result<String, String> {
        self.fetch_from(&self.reference).await
    }

    async fn fetch_from(&self, reference: &str) -> Result<String, String> {
        let reference = reference.parse().unwrap();
        let fetch = Fetch {
            reference: &reference,
            asker: &self.asker,
            pool: &self.pool,
        };
        match self.provider.fetch(fetch).await {
            Ok(Lookup::Found(found)) => {
                Ok(String::from_utf8(found.value.as_slice().to_vec()).unwrap())
            }
            Ok(Lookup::Miss) => Err("nothing is there".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn close(&self) {
        self.provider.close().await;
    }
}
