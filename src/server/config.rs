//! Settings of the server: the HTTP transport.
//!
//! What makes an HTTP listener safe is decided here, at load, so that the transport cannot be
//! started without a token or on an address that others reach. Nothing here opens a socket.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Deserializer, de};

use super::{http::METRICS_PATH, principal::PrincipalSettings};
use crate::{secrets::SecretName, settings::Problem};

/// The section `server:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// The stdio transport.
    pub stdio: StdioSettings,
    /// The HTTP transport. Absent: stdio only.
    pub http: Option<HttpSettings>,
}

/// The section `server.stdio`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StdioSettings {
    /// Who the client's calls are made for.
    pub principal: PrincipalSettings,
}

/// The section `server.http`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Address and port. Default: `127.0.0.1:8787`.
    #[serde(deserialize_with = "listen")]
    pub listen: SocketAddr,
    /// The path that speaks MCP. Default: `/mcp`.
    pub path: String,
    /// The secret that clients send as their bearer token. Required.
    pub token_secret: Option<SecretName>,
    /// Who the calls of the token's bearer are made for.
    pub principal: PrincipalSettings,
    /// Values of the `Host` header that are served besides loopback names.
    pub allowed_hosts: Vec<String>,
    /// States that the boundary to the network is elsewhere; needed for an address that is not
    /// loopback.
    pub behind: Option<Behind>,
}

/// What stands between the listener and the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behind {
    /// A container's network, whose published ports decide who reaches it.
    Container,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            path: "/mcp".to_owned(),
            token_secret: None,
            principal: PrincipalSettings::default(),
            allowed_hosts: Vec::new(),
            behind: None,
        }
    }
}

impl ServerSettings {
    /// What is wrong beyond the form of each value.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let stdio = &self.stdio.principal;
        stdio.validate(&["server", "stdio", "principal"], &mut problems);
        if let Some(http) = &self.http {
            http.validate(&mut problems);
        }
        problems
    }
}

impl HttpSettings {
    fn validate(&self, problems: &mut Vec<Problem>) {
        let path = ["server", "http", "principal"];
        self.principal.validate(&path, problems);
        let mut refuse = |key: &str, message: &str, help: &str| {
            problems.push(Problem::at(["server", "http", key], message, help));
        };
        if self.token_secret.is_none() {
            refuse(
                "token_secret",
                "HTTP needs a bearer token, and no secret is named for it",
                "add `token_secret: http-token` and bind that name under `secrets.names`, or \
                 leave `server.http` out to serve stdio only",
            );
        }
        if !self.listen.ip().is_loopback() {
            if self.behind.is_none() {
                refuse(
                    "listen",
                    "the address is reachable from other machines, and this version has no TLS",
                    "listen on `127.0.0.1`, or state `behind: container` if the boundary to the \
                     network is elsewhere",
                );
            } else if self.allowed_hosts.is_empty() {
                refuse(
                    "allowed_hosts",
                    "an address that is not loopback needs the host names it is reached by",
                    "list them: `allowed_hosts: [keyward.internal]`",
                );
            }
        }
        if !is_plain_path(&self.path) {
            refuse(
                "path",
                "this is not a path that MCP can be served at",
                "write `/` and letters, digits, `-`, `_` or `.`, such as `/mcp`; `/healthz` \
                 and `/metrics` are taken",
            );
        }
        for (index, host) in self.allowed_hosts.iter().enumerate() {
            if !is_host(host) {
                problems.push(Problem::at(
                    ["server", "http", "allowed_hosts", &index.to_string()],
                    "this is not a host name, nor a host name with a port",
                    "write it as clients do, without scheme and path: `keyward.internal` or \
                     `keyward.internal:8787`",
                ));
            }
        }
    }
}

fn is_plain_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|segment| {
            !segment.is_empty() && segment != "." && segment != ".." && segment.chars().all(plain)
        })
    }) && !matches!(path, "/healthz" | METRICS_PATH)
}

fn is_host(host: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']');
    !host.is_empty() && host.len() <= 255 && host.chars().all(plain)
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom("expected an IP address and a port, such as `127.0.0.1:8787`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(http: HttpSettings) -> Vec<String> {
        let settings = ServerSettings {
            http: Some(http),
            ..ServerSettings::default()
        };
        settings
            .validate()
            .into_iter()
            .map(|problem| problem.path.join("."))
            .collect()
    }

    fn with_token() -> HttpSettings {
        HttpSettings {
            token_secret: "http-token".parse().ok(),
            ..HttpSettings::default()
        }
    }

    #[test]
    fn http_on_loopback_needs_a_token_and_nothing_else() {
        assert_eq!(paths(with_token()), Vec::<String>::new());
        assert_eq!(paths(HttpSettings::default()), ["server.http.token_secret"]);
    }

    #[test]
    fn a_reachable_address_needs_a_stated_boundary_and_host_names() {
        for address in ["0.0.0.0:8787", "[::]:8787", "192.0.2.1:80"] {
            let open = HttpSettings {
                listen: address.parse().unwrap(),
                ..with_token()
            };
            assert_eq!(paths(open.clone()), ["server.http.listen"]);
            let behind = HttpSettings {
                behind: Some(Behind::Container),
                ..open
            };
            assert_eq!(paths(behind.clone()), ["server.http.allowed_hosts"]);
            let named = HttpSettings {
                allowed_hosts: vec!["keyward".into()],
                ..behind
            };
            assert_eq!(paths(named), Vec::<String>::new());
        }
    }

    #[test]
    fn a_path_that_walks_or_hides_the_health_check_is_refused() {
        for path in [
            "", "mcp", "/", "/a//b", "/../x", "/a b", "/{x}", "/healthz", "/metrics",
        ] {
            let http = HttpSettings {
                path: path.into(),
                ..with_token()
            };
            assert_eq!(paths(http), ["server.http.path"], "{path}");
        }
    }

    #[test]
    fn a_url_is_not_a_host() {
        let http = HttpSettings {
            allowed_hosts: vec!["https://a/b".into()],
            ..with_token()
        };
        assert_eq!(paths(http), ["server.http.allowed_hosts.0"]);
    }
}
