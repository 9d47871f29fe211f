//! Who may use a secret, and to which hosts its value may be sent.
//!
//! Stands before every fetch: a call that may not use a secret causes no request to its store. What
//! is not restricted by configuration is still bound to the host that its user was set up with, so
//! that no later turn (an address from an answer, a redirect) can take a key elsewhere.

use std::{collections::BTreeMap, fmt};

use reqwest::Url;

/// Who a secret is fetched for: a part of this program, or its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consumer {
    /// A configured model provider, by its name.
    ModelProvider(String),
    /// This server itself, to check a bearer token. The value is sent nowhere.
    Server,
    /// The audit, to sign, to hash or to be let in where records are kept.
    Audit,
    /// A person at the command line, who is shown no value.
    Operator,
}

impl Consumer {
    /// For logs, metrics and audit: one of few words.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::ModelProvider(name) => name,
            Self::Server => "server",
            Self::Audit => "audit",
            Self::Operator => "operator",
        }
    }
}

/// A host, with or without a port, or all hosts below a domain (`*.example.com`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// Lower case; without `*.`.
    host: String,
    is_suffix: bool,
    port: Option<u16>,
}

/// The restrictions of one secret. `None`: any.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub(super) hosts: Option<Vec<HostPattern>>,
    pub(super) tools: Option<Vec<String>>,
    pub(super) principals: Option<Vec<String>>,
    pub(super) model_providers: Option<Vec<String>>,
}

/// Why a secret may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// Its value may not be sent to this host.
    #[error("its value may not be sent to this host; `allowed_hosts` names those it may")]
    Host,
    /// Not in a call of this tool.
    #[error("this tool may not use it; `allowed_tools` names those that may")]
    Tool,
    /// Not on behalf of this principal.
    #[error("this principal may not use it; `allowed_principals` names those who may")]
    Principal,
    /// Not by this part of the program.
    #[error("this model provider may not use it; `allowed_model_providers` names those that may")]
    Consumer,
}

impl Access {
    /// Whether a consumer may use the secret at all: known when the program is set up.
    pub(super) fn admits(&self, consumer: &Consumer) -> bool {
        match consumer {
            Consumer::ModelProvider(name) => contains(self.model_providers.as_ref(), name),
            Consumer::Server | Consumer::Audit => {
                self.model_providers.is_none() && self.tools.is_none() && self.principals.is_none()
            }
            Consumer::Operator => true,
        }
    }

    /// Whether this call may use it.
    pub(super) fn check_call(&self, tool: &str, principal: &str) -> Result<(), NotAllowed> {
        if !contains(self.tools.as_ref(), tool) {
            return Err(NotAllowed::Tool);
        }
        if !contains(self.principals.as_ref(), principal) {
            return Err(NotAllowed::Principal);
        }
        Ok(())
    }

    /// The lists, for the operator; `None`: not restricted.
    pub(super) fn lists(&self) -> BTreeMap<&'static str, Option<Vec<String>>> {
        let hosts = self.hosts.as_ref();
        let hosts = hosts.map(|hosts| hosts.iter().map(ToString::to_string).collect());
        BTreeMap::from([
            ("hosts", hosts),
            ("tools", self.tools.clone()),
            ("principals", self.principals.clone()),
            ("model_providers", self.model_providers.clone()),
        ])
    }

    /// Whether the value may be sent to `url`: a host that configuration allows, else `home`, the
    /// address that its user was set up with.
    pub(super) fn check_host(&self, url: &Url, home: &Url) -> Result<(), NotAllowed> {
        let is_allowed = match &self.hosts {
            Some(hosts) => hosts.iter().any(|host| host.matches(url)),
            None => url.origin() == home.origin(),
        };
        if is_allowed {
            Ok(())
        } else {
            Err(NotAllowed::Host)
        }
    }
}

fn contains(allowed: Option<&Vec<String>>, name: &str) -> bool {
    allowed.is_none_or(|allowed| allowed.iter().any(|allowed| allowed == name))
}

impl HostPattern {
    /// Reads `host`, `host:port`, `*.domain` or `[address]:port`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_suffix, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // The URL parser settles case, international names and the forms of addresses, as it will
        // for the URL that is compared.
        let url = Url::parse(&format!("https://{rest}/")).ok()?;
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !rest.contains(['/', '*', '@', '\\']);
        let port = match rest.rsplit_once(':') {
            Some((_, digits)) if !digits.ends_with(']') => Some(digits.parse().ok()?),
            _ => None,
        };
        is_bare.then_some(Self {
            host: url.host_str()?.to_owned(),
            is_suffix,
            port,
        })
    }

    pub(super) fn matches(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let is_host = if self.is_suffix {
            host.strip_suffix(&self.host)
                .is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        } else {
            host == self.host
        };
        is_host
            && self
                .port
                .is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = if self.is_suffix { "*." } else { "" };
        write!(f, "{any}{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_pattern_matches_that_host_and_no_other() {
        for (pattern, matches, not) in [
            (
                "api.openai.com",
                &["https://API.openai.com/v1", "https://api.openai.com:8443/"][..],
                &[
                    "https://openai.com/",
                    "https://api.openai.com.evil.example/",
                    "https://evil.example/api.openai.com",
                    "https://api.openai.com@evil.example/",
                ][..],
            ),
            (
                "*.openai.azure.com",
                &[
                    "https://team.openai.azure.com/",
                    "https://a.b.openai.azure.com/",
                ],
                &[
                    "https://openai.azure.com/",
                    "https://evilopenai.azure.com/",
                    "https://.openai.azure.com.evil.example/",
                ],
            ),
            (
                "gateway.example:8443",
                &["https://gateway.example:8443/"],
                &["https://gateway.example/", "http://gateway.example:80/"],
            ),
            ("[::1]:9", &["http://[0:0::1]:9/"], &["http://[::1]:8/"]),
        ] {
            let pattern = HostPattern::parse(pattern).unwrap();
            for good in matches {
                assert!(pattern.matches(&url(good)), "{pattern:?} {good}");
            }
            for bad in not {
                assert!(!pattern.matches(&url(bad)), "{pattern:?} {bad}");
            }
        }
    }

    #[test]
    fn what_is_no_host_is_no_pattern() {
        for wrong in [
            "",
            "*",
            "*.*.example",
            "https://a.example",
            "a.example/v1",
            "u@a.example",
            "a.example:x",
            "a.example?x",
            "a b",
        ] {
            assert_eq!(HostPattern::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_a_list_only_the_users_own_address_is_allowed() {
        let access = Access::default();
        let home = url("https://api.example/v1/chat/completions");
        assert!(access.check_host(&home, &home).is_ok());
        for elsewhere in [
            "https://api.example:444/v1",
            "http://api.example/v1",
            "https://other.example/v1",
        ] {
            assert_eq!(
                access.check_host(&url(elsewhere), &home),
                Err(NotAllowed::Host),
                "{elsewhere}"
            );
        }
    }

    #[test]
    fn tools_principals_and_model_providers_are_checked_each_for_itself() {
        let access = Access {
            tools: Some(vec!["chat".into()]),
            principals: Some(vec!["alice".into()]),
            model_providers: Some(vec!["openai".into()]),
            hosts: None,
        };
        assert_eq!(access.check_call("chat", "alice"), Ok(()));
        assert_eq!(access.check_call("clink", "alice"), Err(NotAllowed::Tool));
        assert_eq!(access.check_call("chat", "bob"), Err(NotAllowed::Principal));
        assert!(access.admits(&Consumer::ModelProvider("openai".into())));
        assert!(!access.admits(&Consumer::ModelProvider("other".into())));
        assert!(!access.admits(&Consumer::Server));
        assert!(access.admits(&Consumer::Operator));
    }
}
