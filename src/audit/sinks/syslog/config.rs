//! Settings of the syslog sink, and what makes a destination one.
//!
//! Syslog over TCP and UDP is clear text. A record holds no key, but it tells who did what, so
//! another machine is refused here unless the operator states that something else protects the
//! way. Nothing is looked up or opened.

use std::{fmt, path::PathBuf, time::Duration};

use reqwest::Url;
use serde::Deserialize;

use crate::{
    audit::sinks::deadline,
    outbound,
    settings::{self, Problem},
};

/// The sink `syslog`. Exactly one of `unix`, `tcp` and `udp` says where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyslogSettings {
    /// The socket of a daemon on this machine, such as `/dev/log`.
    pub unix: Option<PathBuf>,
    /// `host:port` of a daemon that takes messages over TCP, each with its length before it.
    pub tcp: Option<String>,
    /// `host:port` of a daemon that takes messages over UDP. Whether it got one is never known.
    pub udp: Option<String>,
    /// Under which facility records are filed. Default: `authpriv`.
    pub facility: Facility,
    /// Whether records may cross the network in clear text.
    pub allow_plaintext: bool,
    /// How long a batch may take. Default: `5s`.
    #[serde(deserialize_with = "settings::duration")]
    pub deadline: Duration,
}

/// A facility (RFC 5424, table 1) that security messages may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Facility {
    /// 4: security.
    Auth,
    /// 10: security, for fewer eyes.
    Authpriv,
    /// 13: named `log audit` in the RFC.
    Audit,
    /// 16.
    Local0,
    /// 17.
    Local1,
    /// 18.
    Local2,
    /// 19.
    Local3,
    /// 20.
    Local4,
    /// 21.
    Local5,
    /// 22.
    Local6,
    /// 23.
    Local7,
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Unix(PathBuf),
    Tcp(HostPort),
    Udp(HostPort),
}

/// A host and a port, in the form in which they are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPort {
    /// Lower case; an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    is_loopback: bool,
}

impl Default for SyslogSettings {
    fn default() -> Self {
        Self {
            unix: None,
            tcp: None,
            udp: None,
            facility: Facility::Authpriv,
            allow_plaintext: false,
            deadline: deadline::DEFAULT,
        }
    }
}

impl SyslogSettings {
    /// What is wrong beyond the form of each value; `path` leads to these settings.
    #[must_use]
    pub fn validate(&self, path: &[&str]) -> Vec<Problem> {
        let destination = self.destination().err().map(|refusal| {
            let path = path.iter().copied().chain(refusal.key);
            Problem::at(path, refusal.message, refusal.help)
        });
        destination
            .into_iter()
            .chain(deadline::validate(self.deadline, path))
            .collect()
    }

    /// Where messages go.
    pub(super) fn destination(&self) -> Result<Destination, Refusal> {
        match (&self.unix, &self.tcp, &self.udp) {
            (Some(path), None, None) if path.is_absolute() => Ok(Destination::Unix(path.clone())),
            (Some(_), None, None) => Err(Refusal {
                key: Some("unix"),
                message: "the path of a socket begins with `/`",
                help: "most systems have `/dev/log`",
            }),
            (None, Some(address), None) => self.remote("tcp", address).map(Destination::Tcp),
            (None, None, Some(address)) => self.remote("udp", address).map(Destination::Udp),
            _ => Err(Refusal {
                key: None,
                message: "a syslog sink goes to exactly one place",
                help: "write one of `unix: /dev/log`, `tcp: \"host:601\"` and `udp: \"host:514\"`; \
                       for a second place, add a second sink",
            }),
        }
    }

    fn remote(&self, key: &'static str, address: &str) -> Result<HostPort, Refusal> {
        let refusal = |message, help| Refusal {
            key: Some(key),
            message,
            help,
        };
        let address = HostPort::parse(address).ok_or_else(|| {
            refusal(
                "this is not a host with a port",
                "write both, such as `127.0.0.1:514`, `logs.example:601` or `[::1]:514`",
            )
        })?;
        if address.is_loopback || self.allow_plaintext {
            return Ok(address);
        }
        Err(refusal(
            "records would cross the network readable, and say who did what",
            "send them to a daemon on this machine that forwards them encrypted, or set \
             `allow_plaintext: true` if something else protects the way",
        ))
    }
}

/// Why there is no destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) key: Option<&'static str>,
    pub(super) message: &'static str,
    pub(super) help: &'static str,
}

impl Facility {
    /// Its number in RFC 5424, table 1; `authpriv` is 10 there, without that name.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Auth => 4,
            Self::Authpriv => 10,
            Self::Audit => 13,
            Self::Local0 => 16,
            Self::Local1 => 17,
            Self::Local2 => 18,
            Self::Local3 => 19,
            Self::Local4 => 20,
            Self::Local5 => 21,
            Self::Local6 => 22,
            Self::Local7 => 23,
        }
    }
}

impl HostPort {
    fn parse(text: &str) -> Option<Self> {
        let is_bare = !text.contains(['/', '\\', '@', '?', '#', '*', '%'])
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let (_, port) = text.rsplit_once(':')?;
        // Of a URL's port the parser drops the default, so it is read by itself.
        let port = port.parse().ok().filter(|port| *port > 0)?;
        // What is this machine is decided on URLs.
        let url = Url::parse(&format!("http://{text}/")).ok()?;
        let host = url.host_str()?;
        is_bare.then(|| Self {
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port,
            is_loopback: outbound::is_loopback(&url),
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(HostPort { host, port, .. }) | Self::Udp(HostPort { host, port, .. }) => {
                write!(f, "{host} port {port}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> SyslogSettings {
        serde_json::from_str(json).unwrap()
    }

    fn problems(json: &str) -> Vec<String> {
        read(json)
            .validate(&["audit", "sinks", "0", "syslog"])
            .into_iter()
            .map(|problem| problem.path.join("."))
            .collect()
    }

    #[test]
    fn a_sink_goes_to_exactly_one_place() {
        for good in [
            r#"{ "unix": "/dev/log" }"#,
            r#"{ "tcp": "127.0.0.1:601" }"#,
            r#"{ "udp": "[::1]:514", "facility": "audit" }"#,
        ] {
            assert_eq!(problems(good), Vec::<String>::new(), "{good}");
        }
        for wrong in ["{}", r#"{ "unix": "/dev/log", "udp": "127.0.0.1:514" }"#] {
            assert_eq!(problems(wrong), ["audit.sinks.0.syslog"], "{wrong}");
        }
        let relative = r#"{ "unix": "dev/log" }"#;
        assert_eq!(problems(relative), ["audit.sinks.0.syslog.unix"]);
    }

    #[test]
    fn another_machine_needs_leave_for_clear_text() {
        for (key, there) in [
            ("tcp", "logs.example:601"),
            ("udp", "192.0.2.1:514"),
            ("tcp", "localhost.example:601"),
            ("tcp", "0.0.0.0:601"),
        ] {
            let path = format!("audit.sinks.0.syslog.{key}");
            let plain = format!(r#"{{ "{key}": "{there}" }}"#);
            assert_eq!(problems(&plain), [path], "{there}");
            let allowed = format!(r#"{{ "{key}": "{there}", "allow_plaintext": true }}"#);
            assert_eq!(problems(&allowed), Vec::<String>::new(), "{there}");
        }
    }

    #[test]
    fn what_is_no_host_with_a_port_is_refused_without_being_repeated() {
        for wrong in [
            "canary",
            "canary:",
            "canary:0",
            "canary:65536",
            "canary:port",
            ":514",
            "u@canary:514",
            "http://canary:514",
            "canary:514/x",
            "canary\\n:514",
            "::1",
        ] {
            let json = format!(r#"{{ "tcp": "{wrong}", "allow_plaintext": true }}"#);
            let problems = read(&json).validate(&[]);
            assert_eq!(problems.len(), 1, "{wrong}");
            assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
        }
    }

    #[test]
    fn a_host_is_kept_in_the_form_in_which_it_is_resolved() {
        let parse = |text| HostPort::parse(text).map(|it| (it.host, it.port));
        assert_eq!(parse("LOCALHOST:80"), Some(("localhost".into(), 80)));
        assert_eq!(parse("[0:0::1]:514"), Some(("::1".into(), 514)));
    }

    #[test]
    fn an_error_can_say_where_the_sink_goes_to() {
        for (settings, told) in [
            (r#"{ "unix": "/dev/log" }"#, "/dev/log"),
            (r#"{ "tcp": "LOCALHOST:601" }"#, "localhost port 601"),
            (r#"{ "udp": "[::1]:514" }"#, "::1 port 514"),
        ] {
            let destination = read(settings).destination().ok().unwrap();
            assert_eq!(destination.to_string(), told);
        }
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        assert!(serde_json::from_str::<SyslogSettings>(r#"{ "facility": "kern" }"#).is_err());
        assert!(serde_json::from_str::<SyslogSettings>(r#"{ "tls": true }"#).is_err());
    }
}
