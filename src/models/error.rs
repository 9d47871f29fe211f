//! Why a model did not answer, told twice: `Display` is for the client and says what to do,
//! `operator` is for the log.
//!
//! A vendor's own words are in neither, because vendors quote keys. What a vendor told us passes
//! as a status, a number we parsed or an id in a narrow alphabet, and only through the fields
//! below. Every kind has a code that stays the same from version to version.

use std::{fmt, time::Duration};

use super::Fallback;
use crate::secrets::SecretError;

/// A failed completion. `Display` is safe for a client.
#[derive(Debug, Clone)]
pub struct ModelError {
    /// What happened.
    pub kind: ModelErrorKind,
    /// Where it happened.
    pub about: Box<Circumstances>,
}

/// Where an error happened, as far as it is known. All of it may be logged.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// The provider that was asked, if one was.
    pub provider: Option<String>,
    /// The configured name of the model that was asked.
    pub model: Option<String>,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// The vendor's id of the request: 1 to 64 characters of `A-Z a-z 0-9 _ -`, and no part of
    /// the key.
    pub upstream_request_id: Option<String>,
    /// The key that was used, by name, provider and version.
    pub key: Option<String>,
    /// Whether an answer had begun: asking again could be answered, and paid, twice.
    pub has_begun: bool,
    /// The models that were asked after this one, and did not answer either.
    pub also_asked: Vec<Fallback>,
    /// Whether there was no connection to send the request on.
    pub is_unsent: bool,
}

/// The situations that a user or an operator treats differently.
#[derive(Debug, Clone)]
pub enum ModelErrorKind {
    /// No configured model has the name; these come nearest.
    UnknownModel {
        /// Configured names like it.
        nearest: Vec<String>,
    },
    /// `auto` was asked, and no provider has a key.
    NoneAvailable,
    /// The key could not be had.
    SecretUnavailable(Box<SecretError>),
    /// The key was had, and it cannot be sent as a header.
    KeyMalformed,
    /// The vendor does not accept the key.
    BadKey,
    /// The vendor wants a key, and no secret is configured.
    KeyMissing,
    /// The vendor accepts the key and forbids the request.
    NotPermitted,
    /// The vendor does not know the model, or this key may not use it.
    NoSuchModel,
    /// Nothing answers at the configured address.
    NoSuchEndpoint,
    /// Too many requests.
    RateLimited {
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// The account has no credit left.
    QuotaExceeded,
    /// Prompt and answer do not fit into the model's context.
    ContextTooLong {
        /// How many tokens fit, if the vendor told.
        limit: Option<u64>,
        /// How many were asked for, if the vendor told.
        given: Option<u64>,
    },
    /// An argument is refused, by us or by the vendor.
    InvalidArgument {
        /// The argument's name as the client knows it, if known.
        argument: Option<&'static str>,
        /// Our words for what is wrong; `None` where only the vendor knows.
        reason: Option<String>,
    },
    /// The vendor's content filter refused the prompt or the answer.
    ContentFiltered,
    /// The vendor is overloaded or broken, or cannot be reached.
    UpstreamDown {
        /// When to try again.
        retry_after: Option<Duration>,
        /// What was wrong with the connection, in our words.
        cause: Option<&'static str>,
    },
    /// One side did not take the other's certificate.
    TlsFailed {
        /// Whether we showed one, too.
        shows: bool,
    },
    /// It failed too often in a row, and is not asked for a while.
    LeftAlone {
        /// For how much longer; `None`: another call is trying it now.
        retry_after: Option<Duration>,
    },
    /// Too many calls wait for their turn.
    QueueFull,
    /// A deadline passed.
    TimedOut {
        /// Which.
        stage: Stage,
        /// How long it was.
        after: Duration,
    },
    /// The answer is longer than allowed.
    AnswerTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is not of the protocol.
    Malformed,
    /// The connection ended before the answer did.
    Incomplete,
    /// The vendor answered with a redirect, which is never followed with a key.
    Redirected,
    /// The key would have to be sent in clear text to another machine.
    PlaintextRefused,
    /// Our own client could not be built.
    ClientSetup {
        /// In our words.
        cause: &'static str,
    },
}

/// What was waited for when a deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection.
    Connect,
    /// The first byte of the answer.
    FirstByte,
    /// The end of the answer.
    Total,
}

impl ModelError {
    /// An error of `kind` before any provider was asked.
    #[must_use]
    pub fn new(kind: ModelErrorKind) -> Self {
        Self {
            kind,
            about: Box::default(),
        }
    }

    /// A short code that stays the same from version to version.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.kind {
            ModelErrorKind::UnknownModel { .. } => "unknown_model",
            ModelErrorKind::NoneAvailable => "no_model_available",
            ModelErrorKind::SecretUnavailable(_) => "secret_unavailable",
            ModelErrorKind::KeyMalformed => "key_malformed",
            ModelErrorKind::BadKey => "bad_key",
            ModelErrorKind::KeyMissing => "key_missing",
            ModelErrorKind::NotPermitted => "not_permitted",
            ModelErrorKind::NoSuchModel => "no_such_model",
            ModelErrorKind::NoSuchEndpoint => "no_such_endpoint",
            ModelErrorKind::RateLimited { .. } => "rate_limited",
            ModelErrorKind::QuotaExceeded => "quota_exceeded",
            ModelErrorKind::ContextTooLong { .. } => "context_too_long",
            ModelErrorKind::InvalidArgument { .. } => "invalid_argument",
            ModelErrorKind::ContentFiltered => "content_filtered",
            ModelErrorKind::UpstreamDown { .. } => "upstream_down",
            ModelErrorKind::TlsFailed { .. } => "tls_failed",
            ModelErrorKind::LeftAlone { .. } => "left_alone",
            ModelErrorKind::QueueFull => "queue_full",
            ModelErrorKind::TimedOut { .. } => "timed_out",
            ModelErrorKind::AnswerTooLarge { .. } => "answer_too_large",
            ModelErrorKind::Malformed => "malformed_answer",
            ModelErrorKind::Incomplete => "incomplete_answer",
            ModelErrorKind::Redirected => "redirected",
            ModelErrorKind::PlaintextRefused => "plaintext_refused",
            ModelErrorKind::ClientSetup { .. } => "client_setup",
        }
    }

    /// When to try again, if the vendor told.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            ModelErrorKind::RateLimited { retry_after }
            | ModelErrorKind::UpstreamDown { retry_after, .. }
            | ModelErrorKind::LeftAlone { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// What happened, for the operator's eyes.
    #[must_use]
    pub fn operator(&self) -> String {
        let mut text = format!("{}: {self}", self.code());
        for (name, value) in [
            ("provider", self.about.provider.as_deref()),
            ("model", self.about.model.as_deref()),
            ("key", self.about.key.as_deref()),
            (
                "upstream request id",
                self.about.upstream_request_id.as_deref(),
            ),
        ] {
            if let Some(value) = value {
                text.push_str(&format!("; {name}: {value}"));
            }
        }
        if let Some(status) = self.about.status {
            text.push_str(&format!("; status: {status}"));
        }
        if let ModelErrorKind::SecretUnavailable(error) = &self.kind {
            text.push_str("; ");
            text.push_str(&error.operator());
        }
        text
    }
}

impl std::error::Error for ModelError {}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = Provider(self.about.provider.as_deref());
        match &self.kind {
            ModelErrorKind::UnknownModel { nearest } if nearest.is_empty() => f.write_str(
                "no model is configured under that name, nor any other; `listmodels` shows what is",
            ),
            ModelErrorKind::UnknownModel { nearest } => write!(
                f,
                "no model is configured under that name; the nearest are {}; `listmodels` shows all",
                nearest
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            ModelErrorKind::NoneAvailable => f.write_str(
                "no model provider has a key; the operator must set one, such as the variable \
                 OPENAI_API_KEY, or configure a provider under `models.providers`",
            ),
            ModelErrorKind::SecretUnavailable(error) => error.fmt(f),
            ModelErrorKind::KeyMalformed => write!(
                f,
                "the key for {from} holds a character that no key has (a space, a line end, a \
                 control or non-ASCII character); the operator must store it again"
            ),
            ModelErrorKind::BadKey => {
                write!(
                    f,
                    "{from} does not accept the key; the operator must replace it"
                )
            }
            ModelErrorKind::KeyMissing => write!(
                f,
                "{from} wants a key and none is configured for it; the operator must name one \
                 with `secret`"
            ),
            ModelErrorKind::NotPermitted => write!(
                f,
                "{from} forbids this with the key it was given; choose another model, or ask the \
                 operator to check what the key may do"
            ),
            ModelErrorKind::NoSuchModel => write!(
                f,
                "{from} does not know this model, or the key may not use it; choose another with \
                 `listmodels`"
            ),
            ModelErrorKind::NoSuchEndpoint => write!(
                f,
                "the API is not at the address of {from}; the operator must correct \
                 `base_url`"
            ),
            ModelErrorKind::RateLimited { retry_after } => {
                write!(f, "{from} limits the rate of requests; ")?;
                when(f, *retry_after)
            }
            ModelErrorKind::QuotaExceeded => write!(
                f,
                "the account at {from} has no credit or quota left; the operator must add some, or \
                 choose a model of another provider"
            ),
            ModelErrorKind::ContextTooLong { limit, given } => {
                f.write_str("the prompt is too long for this model")?;
                match (limit, given) {
                    (Some(limit), Some(given)) => {
                        write!(f, " ({given} tokens, and {limit} fit)")?;
                    }
                    (Some(limit), None) => write!(f, " ({limit} tokens fit)")?,
                    _ => {}
                }
                f.write_str("; shorten it, or choose a model with a larger context")
            }
            ModelErrorKind::InvalidArgument { argument, reason } => {
                match argument {
                    Some(argument) => write!(f, "the argument `{argument}` is refused")?,
                    None => write!(f, "{from} refuses the request as malformed")?,
                }
                match reason {
                    Some(reason) => write!(f, ": {reason}"),
                    None if argument.is_some() => {
                        write!(f, " by {from} for this model; leave it out or change it")
                    }
                    None => f.write_str(
                        "; leave out optional arguments, and ask the operator to check the \
                         provider's dialect (`max_tokens_field`, `include_usage`)",
                    ),
                }
            }
            ModelErrorKind::ContentFiltered => {
                write!(
                    f,
                    "the content filter of {from} refused this; rephrase the prompt"
                )
            }
            ModelErrorKind::UpstreamDown { retry_after, cause } => {
                match cause {
                    Some(cause) => write!(f, "{from} cannot be reached ({cause}); ")?,
                    None => write!(f, "{from} is overloaded or failing; ")?,
                }
                when(f, *retry_after)
            }
            ModelErrorKind::TlsFailed { shows } => {
                write!(
                    f,
                    "no connection to {from} can be made over TLS: its certificate is of an \
                     authority that is not trusted here (`ca_file`), or for another name than \
                     that in `base_url`"
                )?;
                let ours = ", or it does not take the client certificate";
                write!(
                    f,
                    "{}; the operator must look at that",
                    if *shows { ours } else { "" }
                )
            }
            ModelErrorKind::LeftAlone { retry_after } => {
                write!(
                    f,
                    "{from} failed several times in a row and is left alone; "
                )?;
                when(f, *retry_after)
            }
            ModelErrorKind::QueueFull => write!(
                f,
                "too many calls wait for {from}; try again later, or choose another model"
            ),
            ModelErrorKind::TimedOut { stage, after } => {
                let what = match stage {
                    Stage::Connect => "could not be connected to",
                    Stage::FirstByte => "did not begin to answer",
                    Stage::Total => "did not finish its answer",
                };
                write!(
                    f,
                    "{from} {what} within {}; try again, ask for less, or choose another model",
                    Length(*after)
                )
            }
            ModelErrorKind::AnswerTooLarge { limit } => write!(
                f,
                "the answer of {from} is longer than the {limit} bytes allowed; ask for less, or \
                 set `max_output_tokens`"
            ),
            ModelErrorKind::Malformed => write!(
                f,
                "{from} answered with something other than its protocol; the operator must \
                 check `base_url` and `protocol`"
            ),
            ModelErrorKind::Incomplete => {
                write!(
                    f,
                    "{from} broke off before its answer was complete; try again"
                )
            }
            ModelErrorKind::Redirected => write!(
                f,
                "{from} answered with a redirect, which is not followed with a key; the operator \
                 must set `base_url` to the final address"
            ),
            ModelErrorKind::PlaintextRefused => write!(
                f,
                "the key for {from} would travel in clear text; the operator must use https, or \
                 set `allow_plaintext`"
            ),
            ModelErrorKind::ClientSetup { cause } => {
                write!(f, "no connection to {from} can be made: {cause}")
            }
        }
    }
}

fn when(f: &mut fmt::Formatter<'_>, retry_after: Option<Duration>) -> fmt::Result {
    match retry_after {
        Some(wait) => write!(f, "try again in {}", Length(wait)),
        None => f.write_str("try again later"),
    }
}

struct Provider<'a>(Option<&'a str>);

impl fmt::Display for Provider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "the model provider `{name}`"),
            None => f.write_str("the model provider"),
        }
    }
}

/// A duration as people say it: whole seconds, or milliseconds under one.
struct Length(Duration);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            under @ 0..1000 => write!(f, "{under} ms"),
            whole => write!(f, "{} s", whole.div_ceil(1000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ModelErrorKind) -> ModelError {
        let about = Circumstances {
            provider: Some("openai".to_owned()),
            ..Default::default()
        };
        ModelError {
            kind,
            about: Box::new(about),
        }
    }

    #[test]
    fn a_client_is_told_what_to_do() {
        let limited = error(ModelErrorKind::RateLimited {
            retry_after: Some(Duration::from_millis(1500)),
        });
        assert_eq!(
            limited.to_string(),
            "the model provider `openai` limits the rate of requests; try again in 2 s"
        );
        let long = error(ModelErrorKind::ContextTooLong {
            limit: Some(8192),
            given: Some(9000),
        });
        assert_eq!(
            long.to_string(),
            "the prompt is too long for this model (9000 tokens, and 8192 fit); shorten it, or \
             choose a model with a larger context"
        );
    }

    #[test]
    fn the_operator_is_told_what_the_client_is_not() {
        let mut refused = error(ModelErrorKind::BadKey);
        refused.about.status = Some(401);
        refused.about.upstream_request_id = Some("req_1".to_owned());
        refused.about.key = Some("`openai` of vault, version 7".to_owned());
        refused.about.model = Some("gpt-5".to_owned());
        let told = refused.operator();
        for part in ["bad_key", "openai", "gpt-5", "401", "req_1", "version 7"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(!refused.to_string().contains("req_1"));
    }
}
