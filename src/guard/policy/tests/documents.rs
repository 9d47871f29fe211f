//! Calls and tests that are written down, and what is told of them.

use super::*;

const RULES: &str = "default: deny
rules:
  - { id: chat, when: { tools: [chat] }, action: allow }
  - id: codes
    when: { tools: [chat] }
    condition: \"args.prompt.contains('launch codes') || principal.id in ['eve', 'mallory']\"
    action: deny
    reason: Launch codes stay in the house.
  - { id: other, when: { tools: [people] }, action: allow }
  - { id: hide, when: { tools: [people], direction: output }, action: { mask_fields: [/**/ssn] } }
  - { id: broken, when: { principals: [bob] }, condition: 'principal.claims.x == 1', action: allow }";

fn document(yaml: &str) -> CallDocument {
    serde_saphyr::from_str(yaml).unwrap()
}

async fn explained(call: &str, format: Format) -> String {
    let mut out = Vec::new();
    policy(RULES)
        .explain_call(&document(call), format, &mut out)
        .await
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn an_explanation_tells_what_each_rule_made_of_what_it_saw() {
    let told = explained(
        "{ tool: chat, arguments: { prompt: the launch codes } }",
        Format::Text,
    )
    .await;
    assert_eq!(
        told,
        r#"deny by codes
reason: Launch codes stay in the house.

chat (input, allow): holds

codes (input, deny): holds
  args.prompt = "the launch codes"
  principal.id = "user"

other (input, allow): is about other calls

broken (input, allow): is about other calls
"#
    );
}

#[tokio::test]
async fn an_explanation_tells_of_failures_and_of_what_is_not_there() {
    let told = explained(
        "{ tool: chat, arguments: { prompt: hi }, principal: { id: bob, kind: token } }",
        Format::Text,
    )
    .await;
    assert!(told.starts_with("deny by broken\nreason: A rule"), "{told}");
    assert!(
        told.contains("detail: rule `broken`: a field that it reads is absent"),
        "{told}"
    );
    assert!(told.contains("  principal.claims.x is not there"), "{told}");
    let told = explained("{ tool: chat, principal: { id: eve } }", Format::Text).await;
    assert!(told.contains("  args.prompt is not there"), "{told}");
}

#[tokio::test]
async fn an_answer_that_is_withheld_is_not_shown() {
    let call = document("{ tool: people, principal: { id: bob }, result: { people: [] } }");
    let policy = policy("rules: [{ id: r, when: { direction: output }, action: deny }]");
    let mut out = Vec::new();
    policy
        .explain_call(&call, Format::Text, &mut out)
        .await
        .unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "deny by r\n\nr (output, deny): holds\n"
    );
}

#[tokio::test]
async fn an_explanation_is_told_to_programs_too() {
    let told = explained(
        "{ tool: people, arguments: { id: 1 }, result: { people: [{ name: A, ssn: '1' }] } }",
        Format::Json,
    )
    .await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["direction"], "output");
    assert_eq!(told["verdict"], "transform");
    assert_eq!(
        told["result"],
        json!({ "people": [{ "name": "A", "ssn": "***" }] })
    );
    let hide = told["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["rule"] == "hide")
        .unwrap();
    assert_eq!(
        *hide,
        json!({
            "rule": "hide", "direction": "output", "action": "mask_fields", "matched_when": true,
            "condition": "true", "saw": [],
        })
    );
}

#[tokio::test]
async fn what_was_seen_are_the_variables_and_not_the_names_that_comprehensions_bind() {
    let policy = policy(
        "rules: [{ id: r, when: { tools: [people] }, action: deny, condition: \
         \"files.exists(f, f.size > 10) && args['id'] == 1 && files[0].path != '' && now > \
         timestamp('2020-01-01T00:00:00Z')\" }]",
    );
    let verdicts = policy.explain(&call("people", json!({ "id": 1 })).facts(), None);
    let saw: Vec<_> = verdicts[0]
        .saw
        .iter()
        .map(|seen| seen.path.as_str())
        .collect();
    assert_eq!(saw, ["args[\"id\"]", "files", "files[0].path", "now"]);
    assert_eq!(verdicts[0].condition, ConditionVerdict::True);
    assert_eq!(verdicts[0].saw[2].value, Some(json!("src/main.rs")));
    assert_eq!(
        verdicts[0].saw[3].value,
        Some(json!("2026-03-01T12:00:00.500+00:00"))
    );
}

#[tokio::test]
async fn an_explanation_knows_the_tool_as_the_policy_does() {
    let policy = policy(
        "rules: [{ id: r, when: { tools: [chat] }, action: deny, condition: \
         \"'builtin' in tool.tags && tool.read_only\" }]",
    );
    let call = call("chat", json!({ "prompt": "hi" }));
    let verdicts = policy.explain(&call.facts(), None);
    assert_eq!(verdicts[0].condition, ConditionVerdict::True);
}

#[tokio::test]
async fn a_variable_that_a_comprehension_compares_its_items_with_was_seen_too() {
    let policy = denying("files.exists(f, f.size > usage.calls)")
        .ok()
        .unwrap();
    let verdicts = policy.explain(&call("people", json!({ "id": 1 })).facts(), None);
    let saw: Vec<_> = verdicts[0]
        .saw
        .iter()
        .map(|seen| seen.path.as_str())
        .collect();
    assert_eq!(saw, ["files", "usage.calls"]);
}

const TESTS: &str = "tests:
  - name: codes are denied
    call: { tool: chat, arguments: { prompt: launch codes } }
    expect: deny
    rule: codes
    reason: Launch codes stay in the house.
  - { name: talk is fine, call: { tool: chat, arguments: { prompt: hi } }, expect: allow, rule: chat }
  - { name: the rest is denied, call: { tool: listmodels }, expect: deny }
  - name: numbers are hidden
    call: { tool: people, result: { people: [{ ssn: '1' }] } }
    expect: transform
    result: { people: [{ ssn: '***' }] }";

#[tokio::test]
async fn tests_that_hold_pass() {
    let tests: TestFile = serde_saphyr::from_str(TESTS).unwrap();
    let mut out = Vec::new();
    let summary = policy(RULES)
        .test(&tests, Format::Text, &mut out)
        .await
        .unwrap();
    let told = String::from_utf8(out).unwrap();
    assert_eq!(
        summary,
        TestSummary {
            passed: 4,
            failed: 0
        },
        "{told}"
    );
    assert!(told.starts_with("ok: codes are denied\n") && told.ends_with("4 passed, 0 failed\n"));
}

#[tokio::test]
async fn tests_that_do_not_hold_fail_and_say_why() {
    for (wrong, told) in [
        (
            "{ call: { tool: chat, arguments: { prompt: hi } }, expect: deny }",
            "it is allow by chat, not deny",
        ),
        (
            "{ call: { tool: listmodels }, expect: allow }",
            "it is deny by default, not allow",
        ),
        (
            "{ call: { tool: chat, arguments: { prompt: hi } }, expect: allow, rule: codes }",
            "`codes` is not among the rules that decide: chat",
        ),
        (
            "{ call: { tool: listmodels }, expect: deny, reason: x }",
            "the reason is: No rule of the policy allows this call.",
        ),
        (
            "{ call: { tool: people, result: { people: [] } }, expect: transform, result: { people: [1] } }",
            "the answer is: {\"people\":[]}",
        ),
        (
            "{ call: { tool: people, result: { people: [] } }, expect: deny, result: {} }",
            "it is transform by hide, not deny",
        ),
        (
            "{ call: { tool: chta }, expect: deny }",
            "there is no such tool; did you mean `chat`?",
        ),
        (
            "{ call: { tool: people, principal: { id: bob } }, expect: allow }",
            "rule `broken`: a field that it reads is absent",
        ),
    ] {
        let mut test: Value = serde_saphyr::from_str(wrong).unwrap();
        test["name"] = json!("it");
        let tests: TestFile = serde_json::from_value(json!({ "tests": [test] })).unwrap();
        for format in [Format::Text, Format::Json] {
            let mut out = Vec::new();
            let summary = policy(RULES).test(&tests, format, &mut out).await.unwrap();
            let out = String::from_utf8(out).unwrap();
            assert_eq!(
                summary,
                TestSummary {
                    passed: 0,
                    failed: 1
                },
                "{out}"
            );
            let out = if format == Format::Json {
                let out: Value = serde_json::from_str(&out).unwrap();
                out["tests"][0]["faults"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|f| f.as_str().unwrap().to_owned() + "\n")
                    .collect()
            } else {
                out
            };
            assert!(out.contains(told), "{out}");
        }
    }
}

#[test]
fn what_is_misspelt_in_a_call_or_a_test_is_refused() {
    for wrong in [
        "{ tool: a, args: {} }",
        "{ arguments: {} }",
        "{ tool: a, principal: { group: x } }",
    ] {
        assert!(
            serde_saphyr::from_str::<CallDocument>(wrong).is_err(),
            "{wrong}"
        );
    }
    assert!(
        serde_saphyr::from_str::<TestFile>(
            "tests: [{ name: a, call: { tool: b }, expects: deny }]"
        )
        .is_err()
    );
}

/// The example that ships, and its tests.
#[tokio::test]
async fn the_shipped_example_does_what_its_tests_say() {
    let settings: PolicySettings = serde_saphyr::from_str("default: deny").unwrap();
    let file: PolicyFile =
        serde_saphyr::from_str(include_str!("../../../../config/policies/enterprise.yaml"))
            .unwrap();
    let tests: TestFile = serde_saphyr::from_str(include_str!(
        "../../../../config/policies/enterprise.test.yaml"
    ))
    .unwrap();
    let policy = Policy::compile(&settings, &[file], &with_version())
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(policy.warnings(), []);
    let mut out = Vec::new();
    let summary = policy.test(&tests, Format::Text, &mut out).await.unwrap();
    assert_eq!(summary.failed, 0, "{}", String::from_utf8(out).unwrap());
    assert!(summary.passed >= policy.rule_count());
}

/// What the manual shows can be written as it stands.
#[tokio::test]
async fn the_manual_shows_rules_and_tests_that_are_right() {
    #[derive(serde::Deserialize)]
    struct Configuration {
        policy: PolicySettings,
    }
    let manual = include_str!("../../../../docs/policy.md");
    let blocks = |kind: &str| -> Vec<&str> {
        let opening = format!("```{kind}\n");
        manual
            .split(&opening)
            .skip(1)
            .map(|rest| rest.split("\n```").next().unwrap())
            .collect()
    };
    let compile = |settings: &PolicySettings, files: &[PolicyFile]| {
        Policy::compile(settings, files, &with_version()).unwrap_or_else(|why| panic!("{why:#?}"))
    };
    let configurations: Vec<Policy> = blocks("yaml")
        .into_iter()
        .map(|text| serde_saphyr::from_str::<Configuration>(text).unwrap())
        .map(|configuration| compile(&configuration.policy, &[]))
        .collect();
    assert_eq!(configurations.len(), 3);
    let (mut files, mut passed) = (0, 0);
    for text in blocks("text") {
        if text.starts_with("tests:") {
            let tests: TestFile = serde_saphyr::from_str(text).unwrap();
            let mut out = Vec::new();
            let summary = configurations[0]
                .test(&tests, Format::Text, &mut out)
                .await
                .unwrap();
            assert_eq!(summary.failed, 0, "{}", String::from_utf8(out).unwrap());
            passed += summary.passed;
        } else if text.starts_with("rules:") || text.starts_with("tool:") {
            compile(
                &PolicySettings::default(),
                &[serde_saphyr::from_str(text).unwrap()],
            );
            files += 1;
        }
    }
    assert_eq!((files, passed), (2, 2));
}

/// The built-in tools.
fn with_version() -> Vec<ToolShape> {
    let text = include_str!("../../../tools/definitions/version.json");
    let version: Value = serde_json::from_str(text).unwrap();
    let mut tools = tools();
    tools.pop();
    tools.push(ToolShape {
        name: "version".to_owned(),
        tags: Vec::new(),
        read_only: true,
        input_schema: object(version["inputSchema"].clone()),
        output_schema: object(version["outputSchema"].clone()),
    });
    tools
}
