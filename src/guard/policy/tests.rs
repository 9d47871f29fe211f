//! What the policy promises, tried on whole rule sets.

mod answers;
mod bounds;
mod documents;
mod failures;
mod judging;
mod mxcp;
mod properties;
mod refusals;
mod visibility;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    facts::{FileFact, HeldFacts, Usage},
    *,
};
use crate::{
    call::{ClientInfo, Principal, PrincipalKind},
    models::Cost,
};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Two of the built-in tools, as their definitions have them, and one with more of everything.
fn tools() -> Vec<ToolShape> {
    let defined = |text: &str| {
        let definition: Value = serde_json::from_str(text).unwrap();
        ToolShape {
            name: definition["name"].as_str().unwrap().to_owned(),
            tags: vec!["builtin".to_owned()],
            read_only: true,
            input_schema: object(definition["inputSchema"].clone()),
            output_schema: object(definition["outputSchema"].clone()),
        }
    };
    let people = ToolShape {
        name: "people".to_owned(),
        tags: Vec::new(),
        read_only: false,
        input_schema: object(
            json!({ "type": "object", "required": ["id"], "properties": {
            "id": { "type": "integer" },
            "amount": { "type": "number" },
            "note": { "type": "string" },
            "names": { "type": "array", "items": { "type": "string" } },
            "filter": { "type": "object", "properties": { "city": { "type": "string" } } },
            "free": {},
        } }),
        ),
        output_schema: object(
            json!({ "type": "object", "required": ["people"], "properties": {
            "people": { "type": "array", "minItems": 1, "items": {
                "type": "object", "required": ["name", "ssn"], "properties": {
                    "name": { "type": "string" },
                    "ssn": { "type": "string", "pattern": "^[0-9]+$", "sensitive": true },
                    "salary": { "type": "number", "minimum": 1 },
                },
            } },
        } }),
        ),
    };
    vec![
        defined(include_str!("../../tools/definitions/chat.json")),
        defined(include_str!("../../tools/definitions/listmodels.json")),
        people,
    ]
}

/// The policy of a configuration's section in YAML.
fn compiled(yaml: &str) -> Result<Policy, Vec<RuleProblem>> {
    patient(&serde_saphyr::from_str(yaml).unwrap())
}

/// As [`Policy::compile`], with time enough for a busy machine.
fn patient(settings: &PolicySettings) -> Result<Policy, Vec<RuleProblem>> {
    let mut policy = Policy::compile(settings, &[], &tools())?;
    policy.deadline = std::time::Duration::from_secs(60);
    Ok(policy)
}

fn policy(yaml: &str) -> Policy {
    compiled(yaml).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The policy of one rule: `condition` denies calls of `people`.
fn denying(condition: &str) -> Result<Policy, Vec<RuleProblem>> {
    patient(&one_rule(condition))
}

fn one_rule(condition: &str) -> PolicySettings {
    PolicySettings {
        rules: vec![RuleSettings {
            id: "rule".to_owned(),
            when: WhenSettings {
                tools: Some(vec!["people".to_owned()]),
                ..WhenSettings::default()
            },
            condition: Some(condition.to_owned()),
            action: ActionSettings::Deny,
            reason: Some("No.".to_owned()),
        }],
        ..PolicySettings::default()
    }
}

/// A call of `tool` by `alice`, of the group `staff`.
fn call(tool: &str, args: Value) -> HeldFacts {
    HeldFacts {
        principal: Principal {
            id: "alice".to_owned(),
            kind: PrincipalKind::Token,
            groups: vec!["staff".to_owned()],
            claims: object(json!({ "level": 3, "role": "analyst" })),
        },
        client: Some(ClientInfo {
            name: "editor".to_owned(),
            version: "1.2".to_owned(),
        }),
        tool: std::sync::Arc::new(ToolShape {
            name: tool.to_owned(),
            ..ToolShape::default()
        }),
        args: object(args),
        model: Some("gpt-5".to_owned()),
        provider: Some("openai".to_owned()),
        files: vec![FileFact {
            path: "src/main.rs".to_owned(),
            size: 120,
            kind: "text".to_owned(),
        }],
        secrets: vec!["openai".to_owned()],
        usage: Usage {
            calls: 2,
            input_tokens: 100,
            output_tokens: 50,
            cost: Cost(1_500_000),
        },
        now: "2026-03-01T12:00:00.5Z".parse::<Timestamp>().unwrap(),
    }
}

async fn judged(policy: &Policy, call: &HeldFacts) -> Decision {
    policy.input(&call.facts()).await
}

/// What the one rule of [`denying`] says of a call of `people` with `args`.
async fn says(condition: &str, args: Value) -> Decision {
    let policy = denying(condition).unwrap_or_else(|problems| panic!("{condition}: {problems:#?}"));
    judged(&policy, &call("people", args)).await
}
