//! The names that a condition may begin with, and what is known of the fields below them.
//!
//! One table for the check at load and for the values at run time: a field that the check lets
//! pass is a field that a call has.

use super::{config::Direction, tool::ToolShape};

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    Principal,
    Client,
    Tool,
    Args,
    Model,
    Provider,
    Files,
    Secrets,
    Usage,
    Now,
    Result,
    /// MXCP's view of the principal.
    User,
}

/// What is known of a variable, or of a field of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It has no fields.
    Leaf,
    /// A list of values without fields.
    Leaves,
    /// It has these fields.
    Fields(&'static [(&'static str, Known)]),
    /// A list of values with these fields.
    ListOf(&'static [(&'static str, Known)]),
    /// Nothing: it depends on the principal.
    Open,
    /// The arguments' schema.
    Arguments,
    /// The answer's schema.
    Answer,
}

/// In which words a condition is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// Ours.
    Keyward,
    /// MXCP's: `user`, `response`, and the tool's parameters by their bare names.
    Mxcp,
}

impl Root {
    pub(super) const ALL: [Self; 12] = [
        Self::Principal,
        Self::Client,
        Self::Tool,
        Self::Args,
        Self::Model,
        Self::Provider,
        Self::Files,
        Self::Secrets,
        Self::Usage,
        Self::Now,
        Self::Result,
        Self::User,
    ];

    /// The name by which values are looked up.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Client => "client",
            Self::Tool => "tool",
            Self::Args => "args",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Files => "files",
            Self::Secrets => "secrets",
            Self::Usage => "usage",
            Self::Now => "now",
            Self::Result => "result",
            Self::User => "user",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|root| root.name() == name)
    }

    pub(super) fn known(self) -> Known {
        use Known::{Answer, Arguments, Fields, Leaf, Leaves, ListOf, Open};
        match self {
            Self::Principal => Fields(&[
                ("id", Leaf),
                ("kind", Leaf),
                ("groups", Leaves),
                ("claims", Open),
            ]),
            Self::Client => Fields(&[("name", Leaf), ("version", Leaf)]),
            Self::Tool => Fields(&[("name", Leaf), ("tags", Leaves), ("read_only", Leaf)]),
            Self::Args => Arguments,
            Self::Model | Self::Provider | Self::Now => Leaf,
            Self::Files => ListOf(&[("path", Leaf), ("size", Leaf), ("kind", Leaf)]),
            Self::Secrets => Leaves,
            Self::Usage => Fields(&[
                ("calls", Leaf),
                ("input_tokens", Leaf),
                ("output_tokens", Leaf),
                ("cost", Leaf),
            ]),
            Self::Result => Answer,
            Self::User => Open,
        }
    }

    /// Whether it is the same in all calls of one tool by one principal with one client.
    pub(super) fn is_static(self) -> bool {
        matches!(
            self,
            Self::Principal | Self::Client | Self::Tool | Self::User
        )
    }
}

/// What a bare name means to a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Root(Root),
    /// A parameter of the tool, by its bare name.
    Parameter,
    /// The answer, of which a rule on calls may not speak.
    AnswerTooEarly,
    Nothing,
}

impl Vocabulary {
    /// What `name` means in a rule on `direction` of calls of `tools`.
    pub(super) fn meaning(self, name: &str, direction: Direction, tools: &[&ToolShape]) -> Meaning {
        let root = match (self, name) {
            (Self::Mxcp, "response") => Some(Root::Result),
            (Self::Mxcp, "user") => Some(Root::User),
            (Self::Mxcp, _) | (Self::Keyward, "user") => None,
            (Self::Keyward, _) => Root::named(name),
        };
        match root {
            Some(Root::Result) if direction == Direction::Input => Meaning::AnswerTooEarly,
            Some(root) => Meaning::Root(root),
            None if self == Self::Mxcp && parameters(tools).any(|known| known == name) => {
                Meaning::Parameter
            }
            None => Meaning::Nothing,
        }
    }

    /// The names that mean something.
    pub(super) fn names<'t>(self, direction: Direction, tools: &'t [&ToolShape]) -> Vec<&'t str> {
        let of_ours = |root: &Root| {
            *root != Root::User && (*root != Root::Result || direction == Direction::Output)
        };
        match self {
            Self::Keyward => Root::ALL
                .iter()
                .filter(|root| of_ours(root))
                .map(|root| root.name())
                .collect(),
            Self::Mxcp => {
                let answer = (direction == Direction::Output).then_some("response");
                ["user"]
                    .into_iter()
                    .chain(answer)
                    .chain(parameters(tools))
                    .collect()
            }
        }
    }
}

fn parameters<'t>(tools: &'t [&ToolShape]) -> impl Iterator<Item = &'t str> {
    tools
        .iter()
        .flat_map(|tool| super::tool::property_names(&tool.input_schema))
}
