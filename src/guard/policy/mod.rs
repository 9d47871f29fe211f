//! The policy: rules in CEL that say which calls may run and what of their answers may be seen.
//!
//! What is written (`config`) becomes one form (`draft`), is checked and made ready (`compile`, with
//! `source`, `check`, `rewrite` and `trying` for conditions), and judges calls (`engine`).

mod check;
mod compile;
mod condition;
mod conditions;
mod config;
mod decision;
mod document;
mod draft;
mod engine;
mod explain;
mod expression;
mod facts;
mod failure;
mod functions;
mod glob;
mod loosen;
mod meter;
mod operations;
mod rewrite;
mod roots;
mod rule;
mod sample;
mod shape;
mod source;
mod tool;
mod transform;
mod trial;
mod trying;
mod values;
mod variables;
mod visibility;

#[cfg(test)]
mod tests;

pub use compile::RuleProblem;
pub use config::{
    ActionSettings, DefaultAction, Direction, MxcpAction, MxcpPolicies, MxcpRule, PolicyFile,
    PolicySettings, RuleSettings, WhenSettings,
};
pub use decision::{Decision, Verdict};
pub use document::{CallDocument, ClientDocument, PrincipalDocument};
pub use engine::Policy;
pub use explain::{ConditionVerdict, Format, RuleVerdict, Seen};
pub use facts::{Facts, FileFact, Usage};
pub use failure::Failure;
pub use tool::ToolShape;
pub use trial::{TestCase, TestFile, TestSummary};
