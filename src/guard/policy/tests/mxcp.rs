//! MXCP's form of a rule, as it stands.

use super::*;

fn compiled_mxcp(yaml: &str) -> Result<Policy, Vec<RuleProblem>> {
    let file: PolicyFile = serde_saphyr::from_str(yaml).unwrap();
    Policy::compile(&PolicySettings::default(), &[file], &tools())
}

fn with_claims(claims: Value) -> HeldFacts {
    let mut call = call("people", json!({ "id": 666 }));
    call.principal.claims = object(claims);
    call
}

#[tokio::test]
async fn conditions_speak_of_the_user_and_of_parameters_by_their_bare_names() {
    for (condition, claims, is_denied) in [
        ("user.role != 'admin'", json!({}), true),
        (
            "user.role == 'anonymous' && user.permissions == []",
            json!({}),
            true,
        ),
        ("user.role == 'admin'", json!({ "role": "admin" }), true),
        (
            "!('read' in user.permissions)",
            json!({ "permissions": ["read"] }),
            false,
        ),
        (
            "user.id == 'alice' && user.user_id == 'alice' && user.username == 'alice'",
            json!({}),
            true,
        ),
        (
            "user.username == 'Alice A.'",
            json!({ "username": "Alice A." }),
            true,
        ),
        ("user.email == null", json!({}), true),
        (
            "user.email.endsWith('@example.com')",
            json!({ "email": "a@example.com" }),
            true,
        ),
        (
            "user.provider == 'token' && 'staff' in user.groups",
            json!({}),
            true,
        ),
        (
            "user.department == 'hr'",
            json!({ "department": "hr" }),
            true,
        ),
        ("id == 666", json!({}), true),
        ("id == 667", json!({}), false),
        ("note == null", json!({}), true),
        ("note == 'x'", json!({}), false),
    ] {
        let policy = compiled_mxcp(&format!(
            "tool: people\npolicies: {{ input: [{{ condition: \"{condition}\", action: deny }}] }}"
        ));
        let policy = policy.unwrap_or_else(|problems| panic!("{condition}: {problems:#?}"));
        let decision = judged(&policy, &with_claims(claims)).await;
        assert!(!decision.is_error, "{condition}: {decision:?}");
        assert_eq!(decision.verdict == Verdict::Deny, is_denied, "{condition}");
    }
}

#[test]
fn an_explanation_shows_the_only_parameter_of_a_tool() {
    let file = "policies: { input: [{ condition: \"id == 7\", action: deny }] }";
    let file: PolicyFile = serde_saphyr::from_str(file).unwrap();
    let input_schema = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
    let tool = ToolShape {
        name: "one".to_owned(),
        input_schema: object(input_schema),
        ..ToolShape::default()
    };
    let policy = Policy::compile(&PolicySettings::default(), &[file], &[tool]);
    let verdicts = policy
        .ok()
        .unwrap()
        .explain(&call("one", json!({ "id": 7 })).facts(), None);
    let saw: Vec<_> = verdicts[0].saw.iter().collect();
    assert_eq!((saw.len(), &*saw[0].path), (1, "id"));
    assert_eq!(saw[0].value, Some(json!(7)));
}

#[tokio::test]
async fn a_claim_does_not_change_who_a_user_is() {
    let policy = compiled_mxcp(
        "policies: { input: [{ condition: \"user.id != 'alice' || user.user_id != 'alice' || \
         user.groups != ['staff']\", action: deny }] }",
    );
    let forged = with_claims(json!({ "id": "root", "user_id": "root", "groups": ["admins"] }));
    assert_eq!(
        judged(&policy.ok().unwrap(), &forged).await.verdict,
        Verdict::Allow
    );
}

#[tokio::test]
async fn a_claim_that_a_user_does_not_have_denies() {
    let policy =
        compiled_mxcp("policies: { input: [{ condition: \"user.team == 'x'\", action: deny }] }");
    let decision = judged(&policy.ok().unwrap(), &with_claims(json!({}))).await;
    assert!(decision.verdict == Verdict::Deny && decision.is_error);
    assert_eq!(decision.rules, ["mxcp-1-input-1"]);
}

#[tokio::test]
async fn fields_are_meant_by_name_wherever_they_stand() {
    let policy = compiled_mxcp(
        "tool: people
policies:
  output:
    - { condition: \"user.role != 'hr'\", action: filter_fields, fields: [salary] }
    - { condition: \"response.people.size() > 0\", action: mask_fields, fields: [people.name], reason: x }
    - { condition: 'true', action: filter_sensitive_fields }
    - { condition: \"response.people.exists(p, p.name == 'Nobody')\", action: deny }",
    )
    .ok()
    .unwrap();
    let call = call("people", json!({ "id": 1 }));
    let mut answer = json!({
        "people": [{ "name": "Ann", "ssn": "1", "salary": 1 }], "more": { "people": { "name": "B" } },
    });
    let decision = policy.output(&call.facts(), &mut answer).await;
    assert_eq!(
        decision.rules,
        ["mxcp-1-output-1", "mxcp-1-output-2", "mxcp-1-output-3"]
    );
    assert_eq!(
        answer,
        json!({ "people": [{ "name": "Ann" }], "more": { "people": { "name": "***" } } })
    );
}

#[test]
fn what_every_user_has_is_known_of_what_type_it_is() {
    for field in ["id", "user_id", "username", "provider", "groups"] {
        for (slip, told) in [
            (".x == 1", "no field of this name"),
            (" > 5", "tried on a call"),
        ] {
            let problems = compiled_mxcp(&format!(
                "policies: {{ input: [{{ condition: \"user.{field}{slip}\", action: deny }}] }}"
            ));
            let problems = problems.err().unwrap();
            assert!(problems[0].message.contains(told), "{field}: {problems:?}");
        }
    }
}

#[test]
fn slips_are_told_as_in_our_own_rules() {
    let problems = compiled_mxcp(
        "tool: peple
policies:
  input:
    - { condition: \"usr.role == 'x'\", action: deny }
    - { condition: \"response.people == []\", action: deny }
    - { condition: \"args.id == 1\", action: deny }
    - { condition: 'true', action: mask_fields, fields: [a] }
  output:
    - { condition: 'true', action: filter_fields }
    - { condition: 'true', action: filter_fields, fields: [a, ''] }",
    )
    .err()
    .unwrap();
    let places: Vec<_> = problems.iter().map(|p| p.path.join(".")).collect();
    for place in [
        "tool",
        "policies.input.0.condition",
        "policies.input.1.condition",
        "policies.input.2.condition",
        "policies.input.3.action",
        "policies.output.0.fields",
        "policies.output.1.fields.1",
    ] {
        assert!(places.contains(&place.to_owned()), "{place}: {places:?}");
    }
}
