//! Settings of the policy: the section `policy:` and the files it names.
//!
//! They say what an operator may write and nothing more: whether a rule makes sense is found when
//! it is compiled, against the tools it is about. MXCP's form of a rule is read here too, as it
//! stands in MXCP's own files.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::settings::stated;

/// The section `policy:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// What becomes of a call that no rule speaks of. Default: `allow`.
    pub default: DefaultAction,
    /// Policy files, by path; `*` stands for any part of a file's name.
    pub files: Vec<String>,
    /// Rules, written in the configuration itself.
    pub rules: Vec<RuleSettings>,
}

/// What becomes of a call that no rule speaks of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultAction {
    /// It runs.
    #[default]
    Allow,
    /// It is refused.
    Deny,
}

/// One policy file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyFile {
    /// Its rules.
    pub rules: Vec<RuleSettings>,
    /// Its rules in MXCP's form.
    pub policies: Option<MxcpPolicies>,
    /// The tool that `policies` are about. Absent: every tool.
    pub tool: Option<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// Its name, by which audit, errors and tests know it: 1 to 64 characters of `a-z0-9-_.`.
    pub id: String,
    /// Which calls it is about. Absent: all.
    #[serde(default, deserialize_with = "stated_when")]
    pub when: WhenSettings,
    /// A CEL expression that must be true. Absent: it always is.
    #[serde(default, deserialize_with = "stated")]
    pub condition: Option<String>,
    /// What it does.
    pub action: ActionSettings,
    /// Why, in words that the client is told when the rule refuses.
    pub reason: Option<String>,
}

/// Which calls a rule is about. In patterns `*` is any text and `?` any one character.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhenSettings {
    /// Names of tools. Absent: all.
    #[serde(deserialize_with = "stated")]
    pub tools: Option<Vec<String>>,
    /// Ids of principals, or `group:NAME`, or `kind:NAME`. Absent: all.
    #[serde(deserialize_with = "stated")]
    pub principals: Option<Vec<String>>,
    /// Models that the call would ask; a call that asks none has the empty name. Absent: all.
    #[serde(deserialize_with = "stated")]
    pub models: Option<Vec<String>>,
    /// Whether it judges the call or its answer. Default: `input`.
    pub direction: Direction,
}

/// Reads `when`. With nothing behind it, it would mean all calls, which is what leaving it out is for.
fn stated_when<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WhenSettings, D::Error> {
    struct Stated;
    impl<'de> Visitor<'de> for Stated {
        type Value = WhenSettings;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("which calls the rule is about; leave `when` out for all of them")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WhenSettings, A::Error> {
            WhenSettings::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(Stated)
}

/// What a rule judges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The call, before it runs.
    #[default]
    Input,
    /// The answer, before the client sees it.
    Output,
}

impl Direction {
    /// One word, for audit and people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// What a rule does. The first three are about calls, the last three about answers; `deny` is about
/// both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionSettings {
    /// The call may run, unless another rule refuses it.
    Allow,
    /// The call is refused, or its answer withheld.
    Deny,
    /// The call runs if the person at the client agrees.
    RequireApproval,
    /// Takes fields that the tool's schema marks as `sensitive` out of the answer.
    FilterSensitiveFields,
    /// Replaces these fields of the answer by an empty value of the same type.
    MaskFields(Vec<String>),
    /// Takes these fields out of the answer.
    FilterFields(Vec<String>),
}

/// Rules in MXCP's form.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MxcpPolicies {
    /// About calls.
    pub input: Vec<MxcpRule>,
    /// About answers.
    pub output: Vec<MxcpRule>,
}

/// One rule in MXCP's form.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MxcpRule {
    /// A CEL expression over `user`, the tool's parameters and, for answers, `response`.
    pub condition: String,
    /// What it does.
    pub action: MxcpAction,
    /// Names of fields, at any depth of the answer; dots separate steps.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Why, in words for the client.
    pub reason: Option<String>,
}

/// What a rule in MXCP's form does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MxcpAction {
    /// Refuses the call, or withholds the answer.
    Deny,
    /// Takes `fields` out.
    FilterFields,
    /// Masks `fields`.
    MaskFields,
    /// Takes what the schema marks as `sensitive` out.
    FilterSensitiveFields,
}
