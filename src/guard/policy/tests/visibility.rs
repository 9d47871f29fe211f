//! A tool that a principal can never run is not on their list.

use super::*;

fn shows(yaml: &str, id: &str) -> bool {
    let mut call = call("people", json!({}));
    call.principal.id = id.to_owned();
    policy(yaml).shows("people", &call.principal, call.client.as_ref())
}

#[test]
fn without_rules_the_default_decides() {
    assert!(shows("{}", "alice"));
    assert!(!shows("default: deny", "alice"));
}

#[test]
fn a_denial_that_asks_nothing_of_the_call_hides_the_tool_from_those_it_is_about() {
    for (rule, hides) in [
        ("{ id: r, action: deny }", true),
        (
            "{ id: r, action: deny, when: { principals: [alice] } }",
            true,
        ),
        (
            "{ id: r, action: deny, when: { principals: [bob] } }",
            false,
        ),
        ("{ id: r, action: deny, when: { tools: [chat] } }", false),
        ("{ id: r, action: deny, when: { models: ['gpt*'] } }", false),
        (
            "{ id: r, action: deny, when: { direction: output } }",
            false,
        ),
        (
            "{ id: r, action: deny, condition: \"principal.id == 'alice'\" }",
            true,
        ),
        (
            "{ id: r, action: deny, condition: \"principal.id == 'bob'\" }",
            false,
        ),
        (
            "{ id: r, action: deny, condition: \"principal.groups.exists(g, g == 'staff')\" }",
            true,
        ),
        (
            "{ id: r, action: deny, condition: '!tool.read_only' }",
            true,
        ),
        (
            "{ id: r, action: deny, condition: \"client.name == 'editor'\" }",
            true,
        ),
        (
            "{ id: r, action: deny, condition: 'usage.calls >= 0' }",
            false,
        ),
        ("{ id: r, action: deny, condition: 'has(args.id)' }", false),
        // It denies every call.
        (
            "{ id: r, action: allow, condition: \"principal.claims.x == 1\" }",
            true,
        ),
        ("{ id: r, action: require_approval }", false),
    ] {
        assert_eq!(
            !shows(&format!("rules: [{rule}]"), "alice"),
            hides,
            "{rule}"
        );
    }
}

#[test]
fn where_calls_need_leave_a_tool_is_shown_to_those_who_might_get_it() {
    for (rule, shown) in [
        ("{ id: r, action: allow }", true),
        ("{ id: r, action: require_approval }", true),
        (
            "{ id: r, action: allow, when: { principals: [bob] } }",
            false,
        ),
        ("{ id: r, action: allow, when: { models: ['x'] } }", true),
        (
            "{ id: r, action: allow, condition: \"principal.id == 'bob'\" }",
            false,
        ),
        (
            "{ id: r, action: allow, condition: \"principal.id == 'alice'\" }",
            true,
        ),
        ("{ id: r, action: allow, condition: 'has(args.id)' }", true),
        ("{ id: r, action: deny, condition: 'has(args.id)' }", false),
    ] {
        assert_eq!(
            shows(&format!("default: deny\nrules: [{rule}]"), "alice"),
            shown,
            "{rule}"
        );
    }
}

#[test]
fn what_mxcps_form_asks_of_parameters_is_left_to_the_call() {
    let shows = |condition: &str| {
        let rule = format!("{{ condition: \"{condition}\", action: deny }}");
        let file = format!("tool: people\npolicies: {{ input: [{rule}] }}");
        let file: PolicyFile = serde_saphyr::from_str(&file).unwrap();
        let policy = Policy::compile(&PolicySettings::default(), &[file], &tools())
            .ok()
            .unwrap();
        policy.shows("people", &call("people", json!({})).principal, None)
    };
    assert!(shows("note == null"));
    assert!(!shows("user.role == 'analyst'"));
}

#[test]
fn a_tool_that_the_policy_does_not_know_is_not_shown() {
    let call = call("people", json!({}));
    assert!(!policy("{}").shows("later", &call.principal, None));
}

/// What is hidden could not be called.
#[tokio::test]
async fn a_tool_that_is_hidden_is_denied() {
    for yaml in [
        "default: deny",
        "rules: [{ id: r, action: deny, condition: \"principal.id == 'alice'\" }]",
        "default: deny\nrules: [{ id: r, action: allow, when: { principals: [bob] } }]",
    ] {
        let call = call("people", json!({ "id": 1 }));
        assert!(!shows(yaml, "alice"));
        assert_eq!(judged(&policy(yaml), &call).await.verdict, Verdict::Deny);
    }
}

#[test]
fn a_model_is_chosen_only_if_the_policy_can_let_it_be_asked() {
    let admits = |yaml: &str, model: &str| {
        let call = call("people", json!({}));
        policy(yaml).admits_model("people", &call.principal, None, (model, "openai"))
    };
    let denied = "rules: [{ id: r, action: deny, when: { models: ['gpt*'] } }]";
    assert!(!admits(denied, "gpt-5") && admits(denied, "claude"));
    let allowed =
        "{ default: deny, rules: [{ id: r, action: allow, when: { models: [claude] } }] }";
    assert!(admits(allowed, "claude") && !admits(allowed, "gpt-5"));
    // What depends on the call is judged with the call.
    let depends =
        "rules: [{ id: r, action: deny, condition: 'has(args.id)', when: { models: [claude] } }]";
    assert!(admits(depends, "claude"));
}
