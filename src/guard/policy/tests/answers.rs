//! What rules do to answers, and what is promised of them.

use super::*;

fn answer() -> Value {
    json!({ "people": [
        { "name": "Ann", "ssn": "111", "salary": 5000 },
        { "name": "Ben", "ssn": "222", "salary": 7000.5 },
    ] })
}

async fn changed(yaml: &str) -> (Decision, Value) {
    let call = call("people", json!({ "id": 1 }));
    let mut answer = answer();
    let decision = policy(yaml).output(&call.facts(), &mut answer).await;
    (decision, answer)
}

#[tokio::test]
async fn fields_are_filtered_and_masked_at_any_depth() {
    let (decision, answer) = changed(
        "rules:
  - { id: filter, when: { direction: output }, action: { filter_fields: [/people/*/ssn] } }
  - { id: mask, when: { direction: output }, action: { mask_fields: [/**/salary] }, reason: Private. }",
    )
    .await;
    assert_eq!(
        answer,
        json!({ "people": [{ "name": "Ann", "salary": 0 }, { "name": "Ben", "salary": 0 }] })
    );
    assert_eq!(decision.verdict, Verdict::Transform);
    assert_eq!(decision.rules, ["filter", "mask"]);
    assert_eq!(decision.reason.as_deref(), Some("Private."));
}

/// PARITY B4: `filter_sensitive_fields` does nothing; an SSN leaks.
#[tokio::test]
async fn fields_that_the_schema_marks_as_sensitive_are_taken_out() {
    let (decision, answer) =
        changed("rules: [{ id: r, when: { direction: output }, action: filter_sensitive_fields }]")
            .await;
    assert_eq!(decision.verdict, Verdict::Transform);
    assert!(!answer.to_string().contains("111") && !answer.to_string().contains("ssn"));
    assert!(answer.to_string().contains("5000"));
}

#[tokio::test]
async fn conditions_judge_the_answer_as_it_was() {
    let (decision, after) = changed(
        "rules:
  - { id: filter, when: { direction: output }, action: { filter_fields: [/people] } }
  - id: mask
    when: { direction: output, tools: [people] }
    condition: \"result.people.exists(p, p.name == 'Ann')\"
    action: { mask_fields: [/people] }",
    )
    .await;
    assert_eq!(decision.rules, ["filter", "mask"]);
    assert_eq!(after, json!({}));
    let (decision, after) = changed(
        "rules:
  - { id: filter, when: { direction: output }, action: { filter_fields: [/people] } }
  - id: deny
    when: { direction: output, tools: [people] }
    condition: \"result.people.exists(p, p.salary > 6000.0)\"
    action: deny
    reason: Too rich.",
    )
    .await;
    assert_eq!(
        (decision.verdict, decision.rules),
        (Verdict::Deny, vec!["deny".to_owned()])
    );
    assert_eq!(decision.reason.as_deref(), Some("Too rich."));
    assert_eq!(after, Value::Null);
}

#[tokio::test]
async fn an_answer_that_no_rule_is_about_is_as_it_was() {
    let (decision, after) = changed(
        "default: deny
rules:
  - { id: a, when: { direction: output, principals: [bob] }, action: filter_sensitive_fields }
  - { id: b, when: { direction: output }, condition: 'false', action: deny }
  - { id: c, action: deny }",
    )
    .await;
    assert_eq!(decision, Decision::allow(Vec::new()));
    assert_eq!(after, answer());
}

#[tokio::test]
async fn an_answer_that_is_no_object_is_judged_all_the_same() {
    let policy = policy(
        "rules: [{ id: r, when: { direction: output }, action: { filter_fields: [/**/ssn] } }]",
    );
    let call = call("people", json!({ "id": 1 }));
    for mut answer in [json!(null), json!("text"), json!([{ "ssn": 1 }])] {
        policy.output(&call.facts(), &mut answer).await;
        assert!(!answer.to_string().contains("ssn"));
    }
}

#[tokio::test]
async fn answers_that_rules_have_changed_fit_the_schema_that_is_promised() {
    let promised = |yaml: &str| {
        let people = tools().pop().unwrap();
        let mut schema = Value::Object(people.output_schema);
        policy(yaml).loosen("people", &mut schema);
        schema
    };
    for action in [
        "filter_sensitive_fields",
        "{ filter_fields: [/people] }",
        "{ filter_fields: ['/people/*'] }",
        "{ filter_fields: [/**/name] }",
        "{ mask_fields: [/people] }",
        "{ mask_fields: [/**/ssn, /**/salary] }",
        "{ mask_fields: ['/people/0'] }",
    ] {
        let yaml = format!(
            "rules: [{{ id: r, when: {{ direction: output, principals: [alice] }}, action: {action} }}]"
        );
        let (_, after) = changed(&yaml).await;
        let schema = promised(&yaml);
        assert!(
            jsonschema::is_valid(&schema, &after),
            "{action}: {schema} {after}"
        );
        let as_written = Value::Object(tools().pop().unwrap().output_schema);
        assert!(
            !jsonschema::is_valid(&as_written, &after),
            "{action} changes nothing that matters"
        );
    }
    let as_written = Value::Object(tools().pop().unwrap().output_schema);
    assert_eq!(
        promised("rules: [{ id: r, when: { direction: output }, action: deny }]"),
        as_written
    );
}
