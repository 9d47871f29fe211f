//! Settings of `aws`, and the standard variables that complete them.
//!
//! Everything else that the SDK reads for itself (profiles, roles, the metadata services) is left
//! to it; the endpoint is not, because a key's way must keep our rules.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    client::{LazyClient, Plan, Proxy},
    credentials::TakenCredentials,
    place::validate,
    provider::AwsProvider,
};
use crate::{
    secrets::providers::{
        BuildContext, OnError, SecretProvider,
        endpoint::Endpoint,
        registry::{ProviderSettings, section},
        template::Template,
    },
    settings::{self, Problem},
};

/// The section `secrets.providers.aws`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsSettings {
    /// The region, such as `eu-central-1`. Default: what the SDK finds (`AWS_REGION`, the profile,
    /// the instance).
    pub region: Option<String>,
    /// Another address than AWS's own, such as a VPC endpoint. Default:
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER` or `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// Where a name without a reference of its own is, such as `ai/{name}#api_key`.
    pub lookup: Option<String>,
    /// How long one fetch may take, retries and finding credentials included.
    #[serde(deserialize_with = "settings::duration")]
    pub timeout: Duration,
    /// Permits plain `http` to another machine.
    pub allow_plaintext: bool,
    /// What the chain does when AWS fails: `stop` or `next`.
    pub on_error: OnError,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            region: None,
            endpoint_url: None,
            lookup: None,
            timeout: Duration::from_secs(10),
            allow_plaintext: false,
            on_error: OnError::default(),
        }
    }
}

impl ProviderSettings for AwsSettings {
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>> {
        let mut problems = Vec::new();
        let key = |name: &str| {
            let mut path = section("aws");
            path.push(name.to_owned());
            path
        };
        let variable = |name: &str| cx.environment.var(name).filter(|text| !text.is_empty());
        let address = self
            .endpoint_url
            .clone()
            .or_else(|| variable("AWS_ENDPOINT_URL_SECRETS_MANAGER"))
            .or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint = address
            .map(|address| Endpoint::new(&address, self.allow_plaintext, key("endpoint_url")))
            .transpose();
        let lookup = self
            .lookup
            .as_deref()
            .map(|text| Template::new("aws", text, validate));
        let (endpoint, lookup) = (
            endpoint.unwrap_or_else(|problem| {
                problems.push(problem);
                None
            }),
            lookup.transpose().unwrap_or_else(|problem| {
                problems.push(problem);
                None
            }),
        );
        let is_region = |text: &String| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        if !self.region.as_ref().is_none_or(is_region) {
            problems.push(Problem::at(
                key("region"),
                "this is not the name of a region",
                "write one such as `eu-central-1`",
            ));
        }
        if self.timeout.is_zero() {
            problems.push(Problem::at(
                key("timeout"),
                "with no time at all no fetch can succeed",
                "write a duration such as `10s`",
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let proxy = variable("HTTPS_PROXY").or_else(|| variable("https_proxy"));
        let bypass = variable("NO_PROXY").or_else(|| variable("no_proxy"));
        let plan = Plan {
            region: self.region.clone(),
            endpoint,
            allow_plaintext: self.allow_plaintext,
            proxy: proxy.map(|url| Proxy {
                url,
                bypass: bypass.unwrap_or_default(),
            }),
            credentials: TakenCredentials {
                access_key_id: variable("AWS_ACCESS_KEY_ID"),
                taken: Arc::clone(cx.taken),
            },
        };
        let client = LazyClient::new(plan);
        Ok(Arc::new(AwsProvider {
            client,
            lookup,
            timeout: self.timeout,
            on_error: self.on_error,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::secrets::memory::Pool;

    fn problems(json: &str, environment: &[(&str, &str)]) -> Vec<String> {
        let settings: AwsSettings = serde_json::from_str(json).unwrap();
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
            Err(problems) => problems.iter().map(|p| p.path[3].clone()).collect(),
        }
    }

    #[test]
    fn an_endpoint_keeps_the_rules_wherever_it_comes_from() {
        assert_eq!(problems("{}", &[]), [""; 0]);
        assert_eq!(
            problems(r#"{"endpoint_url": "http://127.0.0.1:1"}"#, &[]),
            [""; 0]
        );
        assert_eq!(
            problems(r#"{"endpoint_url": "http://aws.example"}"#, &[]),
            ["endpoint_url"]
        );
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
            assert_eq!(
                problems("{}", &[(variable, "http://aws.example")]),
                ["endpoint_url"]
            );
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let json = r#"{"region": "a b", "lookup": "x", "timeout": "0s"}"#;
        assert_eq!(problems(json, &[]), ["lookup", "region", "timeout"]);
    }
}
