//! PARITY B4: a policy that errors lets the call through. Here whatever keeps a condition from being
//! true or false is a denial.

use super::*;

/// Conditions that no sample shows to be wrong, as what they read is known to no schema.
const FAILING: [(&str, &str, Failure); 12] = [
    ("args.free.x == 1", "{}", Failure::Absent),
    ("principal.claims.team == 'red'", "{}", Failure::Absent),
    ("args.free + 1 == 2", "\"a\"", Failure::Type),
    ("args.free > 1", "\"2\"", Failure::Type),
    ("args.free.contains('x')", "null", Failure::Type),
    (
        "args.free + 1 > 0",
        "9223372036854775807",
        Failure::Overflow,
    ),
    (
        "args.free * 2 > 0",
        "9223372036854775807",
        Failure::Overflow,
    ),
    ("10 / args.free == 1", "0", Failure::DivisionByZero),
    ("10 % args.free == 1", "0", Failure::DivisionByZero),
    ("args.free[3] == 1", "[1]", Failure::Index),
    ("int(args.free) == 1", "\"x\"", Failure::Function),
    ("args.free", "1", Failure::NotBoolean),
];

#[tokio::test]
async fn every_kind_of_failure_denies_and_tells_no_values() {
    for (condition, free, failure) in FAILING {
        let free: Value = serde_json::from_str(free).unwrap();
        let decision = says(condition, json!({ "id": 1, "free": free })).await;
        assert_eq!(decision.verdict, Verdict::Deny, "{condition}");
        assert!(decision.is_error, "{condition}");
        assert_eq!(decision.rules, ["rule"]);
        assert_eq!(
            decision.detail,
            Some(format!("rule `rule`: {failure}")),
            "{condition}"
        );
        let reason = decision.reason.unwrap();
        assert!(reason.contains("could not be evaluated"), "{reason}");
    }
}

#[tokio::test]
async fn a_failing_rule_denies_whatever_its_action_is() {
    for action in ["allow", "deny", "require_approval"] {
        let policy = policy(&format!(
            "rules: [{{ id: r, action: {action}, condition: 'principal.claims.x == 1' }}]"
        ));
        let decision = judged(&policy, &call("people", json!({ "id": 1 }))).await;
        assert!(
            decision.verdict == Verdict::Deny && decision.is_error,
            "{action}"
        );
    }
    for action in [
        "filter_sensitive_fields",
        "{ mask_fields: [/x] }",
        "{ filter_fields: [/x] }",
        "deny",
    ] {
        let policy = policy(&format!(
            "rules: [{{ id: r, when: {{ direction: output }}, action: {action}, \
             condition: 'principal.claims.x == 1' }}]"
        ));
        let call = call("people", json!({ "id": 1 }));
        let mut answer = json!({ "people": [] });
        let decision = policy.output(&call.facts(), &mut answer).await;
        assert!(
            decision.verdict == Verdict::Deny && decision.is_error,
            "{action}"
        );
        assert!(answer.is_null(), "{action}");
    }
}

#[tokio::test]
async fn a_failure_beside_a_denial_leaves_the_rules_own_reason() {
    let policy = policy(
        "rules:
  - { id: broken, action: allow, condition: 'principal.claims.x == 1' }
  - { id: deny, action: deny, reason: No. }",
    );
    let decision = judged(&policy, &call("people", json!({ "id": 1 }))).await;
    assert_eq!(decision.rules, ["deny", "broken"]);
    assert_eq!(decision.reason.as_deref(), Some("No."));
    assert!(decision.is_error && decision.detail.is_some());
}

#[tokio::test]
async fn a_failure_that_does_not_matter_is_none() {
    // CEL: what the other operand decides is decided.
    let absent = json!({ "id": 1 });
    for (condition, verdict) in [
        ("args.id == 1 || principal.claims.x == 1", Verdict::Deny),
        ("principal.claims.x == 1 || args.id == 1", Verdict::Deny),
        ("principal.claims.x == 1 && args.id == 2", Verdict::Allow),
        (
            "has(principal.claims.x) && principal.claims.x == 1",
            Verdict::Allow,
        ),
    ] {
        let decision = says(condition, absent.clone()).await;
        assert_eq!(
            (decision.verdict, decision.is_error),
            (verdict, false),
            "{condition}"
        );
    }
}

#[tokio::test]
async fn arguments_that_are_nested_too_deeply_are_denied_even_where_it_would_not_matter() {
    let deep = (0..80).fold(json!(1), |inner, _| json!([inner]));
    let args = json!({ "id": 1, "free": deep });
    let decision = says("args.id == 2 && args.id == 3", args.clone()).await;
    assert_eq!(
        decision.detail.as_deref(),
        Some("rule `rule`: what it reads is nested too deeply")
    );
    let decision = says("principal.id == 'alice' || args.id == 1", args).await;
    assert_eq!(decision.rules, ["rule"]);
}

#[tokio::test]
async fn the_operator_is_told_of_some_failures_and_how_many_more() {
    let rules: String = (0..8)
        .map(|n| {
            format!("  - {{ id: r{n}, action: deny, condition: 'principal.claims.x == 1' }}\n")
        })
        .collect();
    let decision = judged(
        &policy(&format!("rules:\n{rules}")),
        &call("people", json!({ "id": 1 })),
    )
    .await;
    assert_eq!(decision.rules.len(), 8);
    assert!(decision.detail.unwrap().ends_with("; and 3 more"));
}
