//! Settings of `bedrock`.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::BedrockProvider;
use crate::{
    secrets::providers::{
        BreakerSettings, BuildContext, Limits, OnError, SecretProvider,
        aws::{
            AssumeRoleSettings,
            http::{Ground, Proxy},
            keys::Keys,
        },
        endpoint::Endpoint,
        registry::{ProviderSettings, section},
    },
    settings::{self, Problem},
};

/// The section `secrets.providers.bedrock`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BedrockSettings {
    /// The role to assume with whatever credentials are found.
    pub assume_role: Option<AssumeRoleSettings>,
    /// Another address of STS, where `assume_role` assumes its role. Default: the region's, or
    /// what the SDK finds (`AWS_ENDPOINT_URL_STS`, the profile).
    pub sts_endpoint_url: Option<String>,
    /// Permits plain `http` to another machine, for STS.
    pub allow_plaintext: bool,
    /// How long one key may take to be made, finding credentials included.
    #[serde(deserialize_with = "settings::duration")]
    pub timeout: Duration,
    /// How often what failed for a passing reason is tried again.
    pub retries: u32,
    /// When the search for credentials is left alone for a while.
    pub breaker: BreakerSettings,
    /// What the chain does when no key can be made: `stop` or `next`.
    pub on_error: OnError,
}

impl Default for BedrockSettings {
    fn default() -> Self {
        Self {
            assume_role: None,
            sts_endpoint_url: None,
            allow_plaintext: false,
            timeout: Duration::from_secs(10),
            retries: 2,
            breaker: BreakerSettings::default(),
            on_error: OnError::default(),
        }
    }
}

/// The path of a setting.
fn key(name: &str) -> Vec<String> {
    let mut path = section("bedrock");
    path.push(name.to_owned());
    path
}

impl ProviderSettings for BedrockSettings {
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>> {
        let limits = Limits {
            deadline: Some(self.timeout),
            retries: self.retries,
            breaker: Some(self.breaker),
        };
        let mut problems = limits.problems("bedrock");
        let sts = self
            .sts_endpoint_url
            .as_ref()
            .map(|address| Endpoint::new(address, self.allow_plaintext, key("sts_endpoint_url")));
        let sts = sts.transpose().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        if self.sts_endpoint_url.is_some() && self.assume_role.is_none() {
            problems.push(Problem::at(
                key("sts_endpoint_url"),
                "without `assume_role` this would never be asked",
                "remove it; for a web identity, set AWS_ENDPOINT_URL_STS",
            ));
        }
        let role = self.assume_role.as_ref();
        let role = role.map(|role| role.check(&key("assume_role")));
        let role = role.transpose().unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let ground = Ground {
            region: None,
            fips: None,
            dual_stack: None,
            allow_plaintext: self.allow_plaintext,
            proxy: Proxy::of(cx.environment),
        };
        Ok(Arc::new(BedrockProvider {
            keys: Keys::of(cx, ground, role, sts),
            limits,
            on_error: self.on_error,
        }))
    }
}
