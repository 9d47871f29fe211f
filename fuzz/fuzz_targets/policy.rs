//! Conditions of the policy: whatever is written, loading it ends with a policy or with problems,
//! and a policy judges a call without a panic. An answer that it denies is taken away.

#![no_main]

use std::sync::OnceLock;

use keyward::{
    call::{Principal, PrincipalKind},
    guard::policy::{Facts, Policy, PolicySettings, ToolShape, Usage, Verdict},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

fn tool() -> &'static ToolShape {
    static TOOL: OnceLock<ToolShape> = OnceLock::new();
    TOOL.get_or_init(|| {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        ToolShape {
            name: "chat".to_owned(),
            tags: vec!["models".to_owned()],
            read_only: true,
            input_schema: object(json!({ "type": "object", "properties": {
                "prompt": { "type": "string" }, "number": { "type": "integer" },
                "list": { "type": "array", "items": { "type": "string" } } } })),
            output_schema: object(json!({ "type": "object", "properties": {
                "answer": { "type": "string" } } })),
        }
    })
}

fuzz_target!(|condition: &str| {
    let settings = json!({ "rules": [
        { "id": "in", "condition": condition, "action": "deny" },
        { "id": "out", "when": { "direction": "output" }, "condition": condition, "action": "deny" },
    ] });
    let Ok(settings) = serde_json::from_value::<PolicySettings>(settings) else {
        return;
    };
    let Ok(policy) = Policy::compile(&settings, &[], std::slice::from_ref(tool())) else {
        return;
    };
    let principal = Principal {
        id: "alice".to_owned(),
        kind: PrincipalKind::Local,
        groups: vec!["staff".to_owned()],
        claims: Map::new(),
    };
    let arguments = json!({ "prompt": condition, "number": 7, "list": ["a", "b"] });
    let facts = Facts {
        principal: &principal,
        client: None,
        tool: tool(),
        args: arguments.as_object().expect("it is one"),
        model: Some("m"),
        provider: Some("p"),
        files: &[],
        secrets: &[],
        usage: Usage::default(),
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let _judged = policy.input(&facts).await;
        let mut result = json!({ "answer": "pong" });
        if policy.output(&facts, &mut result).await.verdict == Verdict::Deny {
            assert_eq!(result, Value::Null, "a denied answer stays");
        }
    });
});
