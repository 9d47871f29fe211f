//! Settings of redaction: what becomes of what is found, by direction and kind.
//!
//! The defaults are here and nowhere else: a secret does not reach a model, is taken out of
//! everything else, and nothing personal rests in logs or audit.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::finding::{Class, Direction};
use crate::settings::Problem;

/// The most characters that `truncate` may keep: fewer than make any key.
const MAX_KEPT: usize = 8;

/// The section `redaction`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedactionSettings {
    /// On the way to a model. Default: secrets `block`, personal `off`.
    pub to_model: DirectionSettings,
    /// On the way to the client. Default: secrets `redact`, personal `off`.
    pub to_client: DirectionSettings,
    /// On the way to the logs. Default: both `redact`.
    pub log: DirectionSettings,
    /// On the way to the audit. Default: both `redact`.
    pub audit: DirectionSettings,
    /// What stands where something was redacted: by the id of a rule, for all `secrets` or all
    /// `personal`, or by `default`; the first of these that is set counts. Default: `full`.
    pub strategy: BTreeMap<String, Strategy>,
    /// Files with rules of one's own, in gitleaks' format.
    pub rules: Vec<String>,
    /// Ids of shipped rules that are not used.
    pub disable: Vec<String>,
}

/// One direction. What is left out keeps that direction's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectionSettings {
    /// Keys, tokens, passwords. Keys that this process handed out are redacted at least, and
    /// blocked to a model unless this says `redact`.
    pub secrets: Option<Action>,
    /// Addresses and numbers of persons.
    pub personal: Option<Action>,
}

/// What becomes of what is found in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Actions {
    pub(super) secrets: Action,
    pub(super) personal: Action,
    /// Of keys that this process handed out.
    pub(super) live: Action,
}

impl Actions {
    /// The strictest of what may be found in a text as such.
    pub(super) fn strictest(&self) -> Action {
        self.secrets.max(self.personal)
    }
}

/// What becomes of what is found, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is not looked for.
    Off,
    /// It is reported and leaves as it is.
    Warn,
    /// It is replaced.
    Redact,
    /// The whole call is refused.
    Block,
}

/// What stands where something was redacted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The rule's id: `[redacted:github-token]`.
    #[default]
    Full,
    /// The rule's id and the last four characters, of twelve or more.
    Partial,
    /// The rule's id and 16 hexadecimal digits, the same for the same value as long as this
    /// configuration is in force (HMAC-SHA-256 with a random key).
    Hash,
    /// This many first characters, 8 at most and a third of the whole at most, and the rule's id.
    Truncate(usize),
    /// The first character and the domain of an email address: `a***@example.com`.
    Email,
    /// Letters for letters and digits for digits, everything else as it is. The same for all values
    /// of the same shape.
    TypePreserving,
}

impl Action {
    /// As it is written.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }
}

impl RedactionSettings {
    /// What becomes of what is found, in one line for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let told = Direction::ALL.map(|direction| {
            let Actions {
                secrets, personal, ..
            } = self.actions(direction);
            let (secrets, personal) = (secrets.label(), personal.label());
            format!(
                "{} secrets {secrets}, personal {personal}",
                direction.label()
            )
        });
        told.join("; ")
    }

    /// What becomes of what is found on the way to `direction`.
    pub(super) fn actions(&self, direction: Direction) -> Actions {
        let (set, secrets, personal) = match direction {
            Direction::ToModel => (self.to_model, Action::Block, Action::Off),
            Direction::ToClient => (self.to_client, Action::Redact, Action::Off),
            Direction::Log => (self.log, Action::Redact, Action::Redact),
            Direction::Audit => (self.audit, Action::Redact, Action::Redact),
        };
        let secrets = set.secrets.unwrap_or(secrets);
        let live = match (direction, secrets) {
            (Direction::ToModel, Action::Off | Action::Warn) => Action::Block,
            _ => secrets.max(Action::Redact),
        };
        Actions {
            secrets,
            personal: set.personal.unwrap_or(personal),
            live,
        }
    }

    /// What stands where `rule` found something.
    pub(super) fn strategy(&self, rule: &str, class: Class) -> Strategy {
        [rule, class.label(), "default"]
            .iter()
            .find_map(|key| self.strategy.get(*key))
            .copied()
            .unwrap_or_default()
    }

    /// What is wrong beyond the form of each value; `is_known` says whether there is a rule of an
    /// id, `is_shipped` whether it came with the program.
    pub(super) fn validate(
        &self,
        is_known: impl Fn(&str) -> bool,
        is_shipped: impl Fn(&str) -> bool,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, strategy) in &self.strategy {
            let mut refuse = |message: &str, help: &str| {
                problems.push(Problem::at(["redaction", "strategy", key], message, help));
            };
            if !matches!(key.as_str(), "default" | "secrets" | "personal") && !is_known(key) {
                refuse(
                    "there is no rule of this id",
                    "write the id of a rule, `secrets`, `personal` or `default`; \
                     `docs/redaction.md` lists the rules",
                );
            }
            if matches!(strategy, Strategy::Truncate(kept) if !(1..=MAX_KEPT).contains(kept)) {
                refuse(
                    "more characters, or fewer, than may be kept",
                    "keep 1 to 8: `{ truncate: 4 }`; to keep nothing write `full`",
                );
            }
        }
        for (index, id) in self.disable.iter().enumerate() {
            if !is_shipped(id) {
                problems.push(Problem::at(
                    ["redaction", "disable", &index.to_string()],
                    "no rule of this id came with this version",
                    "`docs/redaction.md` lists the rules",
                ));
            }
        }
        problems
    }
}
