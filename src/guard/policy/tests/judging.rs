//! Which rules decide a call.

use super::*;
use crate::guard::policy::Failure;

#[tokio::test]
async fn without_a_rule_the_default_decides() {
    let call = call("people", json!({ "id": 1 }));
    assert_eq!(
        judged(&policy("{}"), &call).await,
        Decision::allow(Vec::new())
    );
    let denied = judged(&policy("default: deny"), &call).await;
    assert_eq!(denied.verdict, Verdict::Deny);
    assert!(denied.rules.is_empty() && !denied.is_error);
    assert_eq!(
        denied.reason.as_deref(),
        Some("No rule of the policy allows this call.")
    );
}

#[test]
fn what_is_judged_is_what_a_rule_or_a_default_that_denies_is_about() {
    use crate::guard::policy::{DefaultAction, Direction};

    let judged = |yaml: &str| {
        let policy = policy(yaml);
        let of = |tool: &str| {
            [Direction::Input, Direction::Output].map(|direction| policy.judges(tool, direction))
        };
        (of("people"), of("chat"), of("unknown"))
    };
    assert_eq!(
        judged("rules: [{ id: r, when: { tools: [people] }, action: deny }]"),
        ([true, false], [false, false], [true, true])
    );
    assert_eq!(
        judged(
            "rules: [{ id: r, when: { tools: [people], direction: output }, action: \
             filter_sensitive_fields }]"
        ),
        ([false, true], [false, false], [true, true])
    );
    assert_eq!(
        judged("default: deny"),
        ([true, false], [true, false], [true, true])
    );
    assert_eq!(policy("{}").default_action(), DefaultAction::Allow);
    assert_eq!(
        policy("default: deny").default_action(),
        DefaultAction::Deny
    );
}

#[tokio::test]
async fn a_rule_that_holds_denies_with_its_reason() {
    let decision = says("args.id == 666", json!({ "id": 666 })).await;
    assert_eq!(decision.verdict, Verdict::Deny);
    assert_eq!(decision.rules, ["rule"]);
    assert_eq!(decision.reason.as_deref(), Some("No."));
    assert!(!decision.is_error && decision.detail.is_none());
    assert_eq!(
        says("args.id == 666", json!({ "id": 667 })).await.verdict,
        Verdict::Allow
    );
}

/// PARITY B4: MXCP's policies see arguments before they are converted, so that `id == 666` is
/// passed by sending `"666"`.
#[tokio::test]
async fn a_number_in_quotes_does_not_pass_a_rule_on_numbers() {
    for condition in [
        "args.id == 666",
        "args.id in [666, 667]",
        "!(args.id != 666)",
        "args.id == 666 || args.id == 667",
        "[args.id] == [666]",
        "{'id': args.id} == {'id': 666}",
    ] {
        let decision = says(condition, json!({ "id": "666" })).await;
        assert_eq!(decision.verdict, Verdict::Deny, "{condition}");
        assert!(decision.is_error, "{condition}");
        assert_eq!(
            says(condition, json!({ "id": 666 })).await.verdict,
            Verdict::Deny
        );
        assert_eq!(
            says(condition, json!({ "id": 666.0 })).await.verdict,
            Verdict::Deny
        );
        assert_eq!(
            says(condition, json!({ "id": 1 })).await.verdict,
            Verdict::Allow
        );
    }
}

#[tokio::test]
async fn null_may_be_compared_with_everything() {
    let args = json!({ "id": 1, "note": null });
    assert_eq!(
        says("has(args.note) && args.note == null", args.clone())
            .await
            .verdict,
        Verdict::Deny
    );
    assert_eq!(
        says("has(args.note) && args.note == 'x'", args)
            .await
            .verdict,
        Verdict::Allow
    );
}

#[tokio::test]
async fn numbers_are_of_the_type_that_the_schema_says() {
    for (condition, args) in [
        ("args.amount * 2.0 == 2.0", json!({ "id": 1, "amount": 1 })),
        ("args.id + 1 == 3", json!({ "id": 2.0 })),
        ("args.id == 2.0", json!({ "id": 2 })),
        (
            "args.id > 9007199254740992",
            json!({ "id": 9_007_199_254_740_993_u64 }),
        ),
        ("args.id >= 0", json!({ "id": u64::MAX })),
    ] {
        let decision = says(condition, args).await;
        assert!(!decision.is_error, "{condition}: {decision:?}");
        assert_eq!(decision.verdict, Verdict::Deny, "{condition}");
    }
}

#[tokio::test]
async fn a_denial_wins_over_an_approval_and_that_over_leave() {
    let rules = |deny: bool, approve: bool, allow: bool| {
        policy(&format!(
            "default: deny
rules:
  - {{ id: allow, action: allow, condition: '{allow}' }}
  - {{ id: approve, action: require_approval, condition: '{approve}', reason: Ask. }}
  - {{ id: deny, action: deny, condition: '{deny}', reason: No. }}"
        ))
    };
    let call = call("chat", json!({ "prompt": "hi" }));
    for (deny, approve, allow, verdict, id) in [
        (true, true, true, Verdict::Deny, Some("deny")),
        (false, true, true, Verdict::RequireApproval, Some("approve")),
        (false, false, true, Verdict::Allow, Some("allow")),
        (
            false,
            true,
            false,
            Verdict::RequireApproval,
            Some("approve"),
        ),
        (false, false, false, Verdict::Deny, None),
    ] {
        let decision = judged(&rules(deny, approve, allow), &call).await;
        assert_eq!(decision.verdict, verdict);
        assert_eq!(decision.rules.first().map(String::as_str), id);
        assert!(!decision.is_error);
    }
}

#[tokio::test]
async fn all_rules_that_deny_are_named_and_the_first_reason_is_told() {
    let policy = policy(
        "rules:
  - { id: a, action: deny, condition: 'files.exists(f, f.size > 2)' }
  - { id: b, action: deny, reason: First. }
  - { id: c, action: deny, condition: 'files.exists(f, f.size > 1)', reason: Second. }
  - { id: d, action: deny, when: { tools: [chat] } }",
    );
    let decision = judged(&policy, &call("people", json!({ "id": 1 }))).await;
    assert_eq!(decision.rules, ["a", "b", "c"]);
    assert_eq!(decision.reason.as_deref(), Some("First."));
}

#[tokio::test]
async fn a_rule_is_about_the_tools_principals_and_models_that_it_names() {
    for (when, is_about) in [
        ("{}", true),
        ("{ tools: [people] }", true),
        ("{ tools: ['p*', chat] }", true),
        ("{ tools: [chat] }", false),
        ("{ principals: [alice] }", true),
        ("{ principals: [bob, 'group:staff'] }", true),
        ("{ principals: ['kind:token'] }", true),
        ("{ principals: ['kind:local', bob, 'group:alice'] }", false),
        ("{ models: ['gpt-?'] }", true),
        ("{ models: ['claude-*'] }", false),
        ("{ tools: [people], principals: [bob] }", false),
    ] {
        let policy = policy(&format!("rules: [{{ id: r, when: {when}, action: deny }}]"));
        let decision = judged(&policy, &call("people", json!({ "id": 1 }))).await;
        assert_eq!(decision.verdict == Verdict::Deny, is_about, "{when}");
    }
}

#[tokio::test]
async fn every_variable_has_the_value_of_the_call() {
    for condition in [
        "principal.id == 'alice' && principal.kind == 'token' && 'staff' in principal.groups",
        "principal.claims.level == 3",
        "client.name == 'editor' && client.version == '1.2'",
        "tool.name == 'people' && tool.tags == [] && !tool.read_only",
        "args.id == 1 && args['id'] == 1",
        "model == 'gpt-5' && provider == 'openai'",
        "files[0].path == 'src/main.rs' && files[0].size == 120 && files[0].kind == 'text'",
        "secrets == ['openai']",
        "usage.calls == 2 && usage.input_tokens + usage.output_tokens == 150",
        "usage.cost > 1.4 && usage.cost < 1.6",
        "now > timestamp('2026-03-01T12:00:00Z') && now.getHours() == 12",
        "now - timestamp('2026-03-01T12:00:00Z') == duration('500ms')",
    ] {
        let decision = says(condition, json!({ "id": 1 })).await;
        assert_eq!(decision.verdict, Verdict::Deny, "{condition}");
        assert!(!decision.is_error, "{condition}: {decision:?}");
    }
}

#[tokio::test]
async fn what_a_call_does_not_have_is_empty_not_absent() {
    let mut call = call("people", json!({ "id": 1 }));
    (call.client, call.model, call.provider) = (None, None, None);
    let condition = "client.name == '' && client.version == '' && model == '' && provider == ''";
    let decision = judged(&denying(condition).unwrap(), &call).await;
    assert!(decision.verdict == Verdict::Deny && !decision.is_error);
}

/// What the check lets pass is what a call has, no more and no less.
#[test]
fn the_table_of_fields_is_that_of_the_values() {
    use cel::{Context, Env, common::types::CelList, common::types::CelMap};

    use super::super::{
        roots::{Known, Root},
        variables::Variables,
    };

    let env = std::sync::Arc::new(Env::stdlib());
    let call = call("people", json!({ "id": 1 }));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let variables = Variables::new(&env, call.facts(), None, deadline);
    let mut context = Context::with_env(env.clone());
    context.set_variable_resolver(&variables);
    for root in Root::ALL {
        let (fields, value) = match root.known() {
            Known::Fields(fields) => (fields, context.get_variable(root.name()).unwrap()),
            Known::ListOf(fields) => {
                let list = context.get_variable(root.name()).unwrap();
                let list = list.downcast_ref::<CelList>().unwrap();
                (fields, list.inner()[0].clone().into())
            }
            _ => continue,
        };
        let map = value.downcast_ref::<CelMap>().unwrap();
        let keys: std::collections::BTreeSet<_> =
            map.inner().keys().map(|key| format!("{key:?}")).collect();
        let known: std::collections::BTreeSet<_> = fields
            .iter()
            .map(|(name, _)| format!("{:?}", values_key(name)))
            .collect();
        assert_eq!(keys, known, "{root:?}");
    }
}

fn values_key(name: &str) -> cel::common::types::CelMapKey<'_> {
    super::super::values::key(name)
}

#[tokio::test]
async fn a_tool_that_the_policy_was_not_made_with_is_denied() {
    let call = call("later", json!({}));
    let decision = judged(&policy("{}"), &call).await;
    assert!(decision.verdict == Verdict::Deny && decision.is_error);
    assert_eq!(decision.detail, Some(Failure::UnknownTool.to_string()));
    let mut answer = json!({ "secret": 1 });
    let decision = policy("{}").output(&call.facts(), &mut answer).await;
    assert!(decision.verdict == Verdict::Deny && answer.is_null());
}
