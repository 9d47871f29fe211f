//! Settings of `aws`, and the standard variables that complete them.
//!
//! Everything else that the SDK reads for itself (profiles, roles, the metadata services) is left
//! to it; the endpoint is not, because a key's way must keep our rules.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    client::LazyClient,
    http::{Ground, Proxy},
    keys::Keys,
    place::validate,
    provider::AwsProvider,
    role::AssumeRoleSettings,
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
    /// Another address of STS, where `assume_role` assumes its role. Default: the region's, or
    /// what the SDK finds (`AWS_ENDPOINT_URL_STS`, the profile).
    pub sts_endpoint_url: Option<String>,
    /// The role to assume with whatever credentials are found.
    pub assume_role: Option<AssumeRoleSettings>,
    /// Whether to ask AWS's FIPS endpoints. Default: `AWS_USE_FIPS_ENDPOINT`, or the profile.
    pub fips: Option<bool>,
    /// Whether to ask AWS's dual-stack endpoints, which IPv6 reaches too. Default:
    /// `AWS_USE_DUALSTACK_ENDPOINT`, or the profile.
    pub dual_stack: Option<bool>,
    /// Where a name without a reference of its own is, such as `ai/{name}#api_key`.
    pub lookup: Option<String>,
    /// How long one fetch may take, retries and finding credentials included.
    #[serde(deserialize_with = "settings::duration")]
    pub timeout: Duration,
    /// How often a fetch that failed for a passing reason is tried again.
    pub retries: u32,
    /// When AWS is left alone for a while.
    pub breaker: BreakerSettings,
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
            sts_endpoint_url: None,
            assume_role: None,
            fips: None,
            dual_stack: None,
            lookup: None,
            timeout: Duration::from_secs(10),
            retries: 2,
            breaker: BreakerSettings::default(),
            allow_plaintext: false,
            on_error: OnError::default(),
        }
    }
}

impl ProviderSettings for AwsSettings {
    fn build(&self, cx: BuildContext<'_>) -> Result<Arc<dyn SecretProvider>, Vec<Problem>> {
        let mut problems = self.numbers();
        let variable = |name: &str| cx.environment.var(name).filter(|text| !text.is_empty());
        let switch = |setting: Option<bool>, name: &str| {
            let says = |word: &str| variable(name).is_some_and(|v| v.eq_ignore_ascii_case(word));
            let found = says("true").then_some(true);
            setting.or_else(|| found.or_else(|| says("false").then_some(false)))
        };
        let fips = switch(self.fips, "AWS_USE_FIPS_ENDPOINT");
        let dual_stack = switch(self.dual_stack, "AWS_USE_DUALSTACK_ENDPOINT");
        let address = self
            .endpoint_url
            .clone()
            .or_else(|| variable("AWS_ENDPOINT_URL_SECRETS_MANAGER"))
            .or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint_of = |address: Option<&String>, name: &str| {
            address
                .map(|address| Endpoint::new(address, self.allow_plaintext, key(name)))
                .transpose()
        };
        let lookup = self
            .lookup
            .as_deref()
            .map(|text| Template::new("aws", text, validate));
        let endpoint = kept(endpoint_of(address.as_ref(), "endpoint_url"), &mut problems);
        let sts = endpoint_of(self.sts_endpoint_url.as_ref(), "sts_endpoint_url");
        let sts = kept(sts, &mut problems);
        let lookup = kept(lookup.transpose(), &mut problems);
        for (name, is_on) in [("fips", fips), ("dual_stack", dual_stack)] {
            if is_on == Some(true) && (address.is_some() || self.sts_endpoint_url.is_some()) {
                problems.push(Problem::at(
                    key(name),
                    "this picks one of AWS's own addresses, and an endpoint URL names another",
                    "remove one of them: this, or `endpoint_url`, `sts_endpoint_url`, \
                     AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_SECRETS_MANAGER",
                ));
            }
        }
        if self.sts_endpoint_url.is_some() && self.assume_role.is_none() {
            problems.push(Problem::at(
                key("sts_endpoint_url"),
                "without `assume_role` this would never be asked",
                "remove it; for a web identity, set AWS_ENDPOINT_URL_STS",
            ));
        }
        let role = self
            .assume_role
            .as_ref()
            .map(|role| role.check(&key("assume_role")));
        let role = role.transpose().unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let ground = Ground {
            region: self.region.clone(),
            fips,
            dual_stack,
            allow_plaintext: self.allow_plaintext,
            proxy: Proxy::of(cx.environment),
        };
        Ok(Arc::new(AwsProvider {
            keys: Keys::of(cx, ground.clone(), role, sts),
            client: LazyClient::new(ground, endpoint),
            lookup,
            limits: self.limits(),
            on_error: self.on_error,
        }))
    }
}

impl AwsSettings {
    /// What is wrong with settings that depend on no other.
    fn limits(&self) -> Limits {
        Limits {
            deadline: Some(self.timeout),
            retries: self.retries,
            breaker: Some(self.breaker),
        }
    }

    fn numbers(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |path: Vec<String>, message: &str, help: &str| {
            problems.push(Problem::at(path, message, help));
        };
        let is_region = |text: &String| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        if !self.region.as_ref().is_none_or(is_region) {
            refuse(
                key("region"),
                "this is not the name of a region",
                "write one such as `eu-central-1`",
            );
        }
        problems.extend(self.limits().problems("aws"));
        problems
    }
}

/// The path of a setting.
fn key(name: &str) -> Vec<String> {
    let mut path = section("aws");
    path.push(name.to_owned());
    path
}

/// What was built, once the problem is told with the others.
fn kept<T>(built: Result<Option<T>, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    built.unwrap_or_else(|problem| {
        problems.push(problem);
        None
    })
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
            recorder: &crate::secrets::Unrecorded::shared(),
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
        let json = r#"{"region": "a b", "lookup": "x", "timeout": "0s", "retries": 11,
                       "breaker": {"failures": 0}, "assume_role": {"role_arn": "x"},
                       "sts_endpoint_url": "http://sts.example"}"#;
        let told = [
            "region",
            "timeout",
            "retries",
            "breaker",
            "sts_endpoint_url",
            "lookup",
            "assume_role",
        ];
        assert_eq!(problems(json, &[]), told);
    }

    #[test]
    fn a_kind_of_endpoint_and_an_endpoint_are_not_both_obeyed() {
        let url = "https://vpce.example";
        for kind in ["fips", "dual_stack"] {
            assert_eq!(problems(&format!(r#"{{"{kind}": true}}"#), &[]), [""; 0]);
            let both = format!(r#"{{"{kind}": true, "endpoint_url": "{url}"}}"#);
            assert_eq!(problems(&both, &[]), [kind]);
            let by_variable = format!(r#"{{"{kind}": true}}"#);
            assert_eq!(problems(&by_variable, &[("AWS_ENDPOINT_URL", url)]), [kind]);
            let off = format!(r#"{{"{kind}": false, "endpoint_url": "{url}"}}"#);
            let variables = [("AWS_USE_FIPS_ENDPOINT", "true")];
            let fips_remains = usize::from(kind == "dual_stack");
            assert_eq!(problems(&off, &variables).len(), fips_remains, "{kind}");
        }
    }

    #[test]
    fn an_address_of_sts_that_nobody_would_ask_is_refused() {
        let json = r#"{"sts_endpoint_url": "https://sts.example"}"#;
        assert_eq!(problems(json, &[]), ["sts_endpoint_url"]);
    }

    #[test]
    fn what_a_fetch_may_cost_is_what_the_settings_say() {
        let settings: AwsSettings = serde_json::from_str(
            r#"{"timeout": "3s", "retries": 5, "breaker": {"failures": 2, "open_for": "1m"}}"#,
        )
        .unwrap();
        let pool = Pool::reserve();
        let cx = BuildContext {
            config_dir: None,
            environment: &HashMap::new(),
            taken: &Arc::default(),
            pool: &pool,
            recorder: &crate::secrets::Unrecorded::shared(),
        };
        let limits = settings.build(cx).unwrap().limits();
        assert_eq!(limits.deadline, Some(Duration::from_secs(3)));
        assert_eq!(limits.retries, 5);
        let breaker = BreakerSettings {
            failures: 2,
            open_for: Duration::from_secs(60),
        };
        assert_eq!(limits.breaker, Some(breaker));
    }
}
