//! The policy: rules hold on every call through every door, an error denies, and what a rule hides
//! is nowhere in the answer. Each row of what the forerunners got wrong is a test here.

use serde_json::{Value, json};

use super::{
    arrangement::TOKEN,
    guarded::{AUDIT, chat, events, guarded, guarded_http, post, serve, text},
};
use crate::support::{
    keyward::{Keyward, Setup},
    upstream::{ANSWER, Dialect, Upstream},
};

fn upstream() -> Upstream {
    Upstream::start(Dialect::OpenAi, Some(super::arrangement::KEY))
}

fn policy(rules: &str) -> String {
    format!("policy:\n  rules:\n{rules}\n")
}

fn tools(keyward: &mut Keyward) -> Vec<Value> {
    let answer = keyward.request("tools/list", json!({}));
    answer["result"]["tools"].as_array().unwrap().clone()
}

const LAUNCH_CODES: &str = "    - id: no-launch-codes
      when: { tools: [chat] }
      condition: \"args.prompt.contains('launch codes')\"
      action: deny
      reason: \"Launch codes stay in the house.\"";

#[test]
fn a_denied_call_reaches_no_upstream_and_its_client_is_told_the_reason() {
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, &(policy(LAUNCH_CODES) + AUDIT)));
    let result = chat(&mut keyward, "what are the launch codes?");
    assert_eq!(result["isError"], true);
    assert!(
        text(&result).contains("Launch codes stay in the house."),
        "{result}"
    );
    assert!(upstream.seen().is_empty());
    assert_eq!(
        text(&chat(&mut keyward, "ping")).lines().next(),
        Some(ANSWER)
    );
    let decisions = events(&keyward.setup, "policy_decision");
    let verdicts: Vec<_> = decisions
        .iter()
        .map(|record| &record["decision"]["verdict"])
        .collect();
    assert_eq!(verdicts, ["deny", "allow"], "{decisions:#?}");
    assert_eq!(
        decisions[0]["decision"]["rules"],
        json!(["no-launch-codes"])
    );
    let ends = events(&keyward.setup, "call_ended");
    assert_eq!(
        (&ends[0]["outcome"], &ends[1]["outcome"]),
        (&json!("denied"), &json!("answered"))
    );
}

#[test]
fn who_may_not_call_a_tool_learns_nothing_of_its_models() {
    let upstream = upstream();
    let rules = "    - id: no-chat
      when: { tools: [chat] }
      condition: \"args.prompt != 'ping'\"
      action: deny
      reason: \"Not for you.\"";
    let mut keyward = serve(guarded(&upstream, &(policy(rules) + AUDIT)));
    let unknown = |prompt: &str| json!({ "prompt": prompt, "model": "gpt-55" });
    let denied = keyward.call("chat", unknown("pong"))["result"].clone();
    assert!(text(&denied).starts_with("Not for you."), "{denied}");
    let told = keyward.call("chat", unknown("ping"))["result"].clone();
    assert!(text(&told).contains("`stand-in`"), "{told}");
    let ends = events(&keyward.setup, "call_ended");
    assert_eq!(
        (&ends[0]["outcome"], &ends[1]["code"]),
        (&json!("denied"), &json!("unknown_model"))
    );
    assert_eq!(events(&keyward.setup, "policy_decision").len(), 1);
}

#[test]
fn a_rule_about_a_model_that_nobody_has_is_warned_of() {
    let upstream = upstream();
    let rules = "    - id: dear
      when: { models: [gpt-7, \"o*\"] }
      action: deny";
    let checked = guarded(&upstream, &policy(rules)).run(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let warning = "warning      rule dear: no configured model is called \"gpt-7\"";
    assert!(checked.stdout.contains(warning), "{}", checked.stdout);
    assert!(!checked.stdout.contains("\"o*\""), "{}", checked.stdout);
}

#[test]
fn a_rule_that_errors_denies_the_call_and_tells_the_client_nothing_of_it() {
    let rules = "    - id: fragile
      when: { tools: [chat] }
      condition: \"100 / (size(args.prompt) - 4) > 1000\"
      action: deny";
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, &(policy(rules) + AUDIT)));
    let result = chat(&mut keyward, "ping");
    assert_eq!(result["isError"], true, "{result}");
    let told = text(&result);
    assert!(
        !told.contains("ping") && !told.contains("zero") && !told.contains("size("),
        "{told}"
    );
    assert!(upstream.seen().is_empty());
    assert_eq!(chat(&mut keyward, "longer")["isError"], false);
    let ends = events(&keyward.setup, "call_ended");
    assert_eq!(ends[0]["code"], "policy_error");
}

#[test]
fn a_rule_that_could_never_be_right_is_refused_at_load_with_its_place() {
    for (condition, words) in [
        ("args.promt.contains('x')", &["column 5", "`prompt`"][..]),
        ("principle.id == 'x'", &["`principal`"]),
        ("args.prompt.startwith('x')", &["`startsWith`"]),
        ("args.prompt.contains('x'", &[]),
        ("args.prompt == 1 / 0", &[]),
        ("result.answer == ''", &["no answer yet"]),
        ("usage.costs > 1.0", &["`cost`"]),
    ] {
        let rules = format!(
            "    - id: wrong\n      when: {{ tools: [chat] }}\n      condition: \"{condition}\"\n      \
             action: deny"
        );
        let setup = guarded(&upstream(), &policy(&rules));
        for command in ["check", "serve"] {
            let ended = setup.run(&[command]);
            assert_eq!(
                ended.status.code(),
                Some(1),
                "{condition}: {}",
                ended.stderr
            );
            assert!(
                ended.stderr.contains("keyward.yaml:"),
                "{condition}: {}",
                ended.stderr
            );
            for word in words {
                assert!(
                    ended.stderr.contains(word),
                    "{condition}: {word}: {}",
                    ended.stderr
                );
            }
        }
    }
}

#[test]
fn a_number_that_was_sent_as_text_does_not_slip_past_a_rule() {
    let rules = "    - id: not-666
      when: { tools: [chat] }
      condition: \"has(args.max_output_tokens) && args.max_output_tokens == 666\"
      action: deny";
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, &policy(rules)));
    for limit in [json!(666), json!("666"), json!(666.0)] {
        let arguments = json!({ "prompt": "ping", "max_output_tokens": limit });
        let result = keyward.call("chat", arguments)["result"].clone();
        assert_eq!(result["isError"], true, "{limit}: {result}");
    }
    assert!(upstream.seen().is_empty());
    let arguments = json!({ "prompt": "ping", "max_output_tokens": 667 });
    assert_eq!(keyward.call("chat", arguments)["result"]["isError"], false);
}

#[test]
fn with_default_deny_a_client_sees_and_runs_only_what_is_allowed() {
    let sections = "policy:
  default: deny
  rules:
    - { id: staff-may-ask, when: { tools: [chat], principals: [\"group:staff\"] }, action: allow }
    - { id: all-may-look, when: { tools: [version] }, action: allow }
";
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, sections));
    let names: Vec<_> = tools(&mut keyward)
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, ["chat", "version"]);
    assert_eq!(chat(&mut keyward, "ping")["isError"], false);
    let hidden = keyward.call("listmodels", json!({}))["result"].clone();
    assert_eq!(hidden["isError"], true, "{hidden}");

    // The same rules at the other door, for a principal without the group.
    let server = guarded_http(&upstream, sections).serve_http();
    let (_, listed) = post(&server.url, Some(TOKEN), "tools/list", json!({}));
    let listed = listed["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = listed.iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["version"]);
    let call = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let (_, answer) = post(&server.url, Some(TOKEN), "tools/call", call);
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn what_a_rule_masks_or_filters_is_nowhere_in_the_answer_and_the_schema_still_holds() {
    let rules = "    - id: hide-providers
      when: { tools: [listmodels], direction: output }
      action: { mask_fields: [\"/models/*/provider\"] }
    - id: hide-keys
      when: { tools: [listmodels], direction: output }
      action: { filter_fields: [\"/**/key\"] }";
    let mut keyward = serve(guarded(&upstream(), &policy(rules)));
    let listed = tools(&mut keyward);
    let list = listed
        .iter()
        .find(|tool| tool["name"] == "listmodels")
        .unwrap();
    let required = &list["outputSchema"]["properties"]["models"]["items"]["required"];
    assert!(
        !required.as_array().unwrap().contains(&json!("key")),
        "{required}"
    );
    let result = keyward.call("listmodels", json!({}))["result"].clone();
    let model = &result["structuredContent"]["models"][0];
    assert_eq!(model["provider"], "***", "{result}");
    assert!(model.get("key").is_none(), "{result}");
    // The provider is called as its model is, so the secret's state is what tells.
    assert!(!text(&result).contains("bound"), "{result}");
    assert!(!text(&result).contains("via stand-in"), "{result}");
    let schema = jsonschema::validator_for(&list["outputSchema"]).unwrap();
    assert!(schema.is_valid(&result["structuredContent"]), "{result}");
}

#[test]
fn the_forerunners_words_mean_what_they_meant() {
    let upstream = upstream();
    let setup = guarded(&upstream, "policy: { files: [policies/*.yaml] }\n");
    let folder = setup.folder().join("policies");
    std::fs::create_dir(&folder).unwrap();
    let file = "policies:
  input:
    - condition: \"user.role == 'guest' && prompt.contains('payroll')\"
      action: deny
      reason: Guests do not read the payroll.
  output:
    - condition: \"!('models.read' in user.permissions)\"
      action: filter_fields
      fields: [provider]
";
    crate::support::keyward::write_private(&folder.join("old.yaml"), file);
    let config = std::fs::read_to_string(setup.config_file()).unwrap();
    let guest = config.replace("groups: [staff]", "claims: { role: guest }");
    crate::support::keyward::write_private(setup.config_file(), &guest);
    let mut keyward = serve(setup);
    let result = chat(&mut keyward, "the payroll, please");
    assert!(
        text(&result).contains("Guests do not read the payroll."),
        "{result}"
    );
    let answered = chat(&mut keyward, "ping");
    assert_eq!(answered["isError"], false, "{answered}");
    assert!(
        answered["structuredContent"].get("provider").is_none(),
        "{answered}"
    );
}

#[test]
fn a_policy_file_with_a_mistake_is_told_with_its_own_line_and_one_that_is_absent_stops_the_start() {
    let setup = guarded(&upstream(), "policy: { files: [rules.yaml] }\n");
    let ended = setup.run(&["check"]);
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    let rules = "rules:\n  - id: ok\n    action: allow\n  - id: wrong\n    condition: \
                 \"args.prompt == nope\"\n    action: deny\n";
    crate::support::keyward::write_private(&setup.folder().join("rules.yaml"), rules);
    let ended = setup.run(&["check"]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("rules.yaml:5:"), "{}", ended.stderr);
    let none = Setup::with_config("policy: { files: [\"policies/*.yaml\"] }\n").run(&["check"]);
    assert_eq!(none.status.code(), Some(1), "{}", none.stderr);
}

#[test]
fn the_example_for_a_company_loads_and_its_tests_pass() {
    let config = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let read = |name: &str| std::fs::read_to_string(config.join(name)).unwrap();
    let setup = Setup::with_config(&read("enterprise.yaml"));
    std::fs::create_dir(setup.folder().join("policies")).unwrap();
    for name in ["policies/enterprise.yaml", "policies/enterprise.test.yaml"] {
        crate::support::keyward::write_private(&setup.folder().join(name), &read(name));
    }
    let checked = setup.run(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    assert!(checked.stdout.contains("default deny"), "{checked:?}");
    assert!(
        checked.stdout.contains("file, syslog; on failure block"),
        "{checked:?}"
    );
    let tests = setup.folder().join("policies/enterprise.test.yaml");
    let tests = tests.to_str().unwrap();
    let tested = setup.run(&["policy", "test", tests]);
    assert_eq!(tested.status.code(), Some(0), "{tested:?}");

    // A result that nobody could be told is none.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut untold = setup.command(&["policy", "test", tests]);
    let untold = untold.stdout(full.unwrap()).status().unwrap();
    assert_eq!(untold.code(), Some(3), "{untold:?}");

    // And a test that fails is a failed check.
    let broken = read("policies/enterprise.test.yaml").replacen("expect: deny", "expect: allow", 1);
    crate::support::keyward::write_private(std::path::Path::new(tests), &broken);
    let tested = setup.run(&["policy", "test", tests]);
    assert_eq!(tested.status.code(), Some(1), "{tested:?}");
}

#[test]
fn explain_tells_what_each_rule_made_of_a_call_and_what_it_saw() {
    let setup = guarded(&upstream(), &policy(LAUNCH_CODES));
    let call = setup.folder().join("call.json");
    let text = r#"{ "tool": "chat", "arguments": { "prompt": "the launch codes" } }"#;
    crate::support::keyward::write_private(&call, text);
    let call = call.to_str().unwrap();
    let explained = setup.run(&["policy", "explain", call, "--json"]);
    assert_eq!(explained.status.code(), Some(0), "{explained:?}");
    let told: Value = serde_json::from_str(&explained.stdout).unwrap();
    let told = told.to_string();
    for word in ["no-launch-codes", "deny", "args.prompt", "the launch codes"] {
        assert!(told.contains(word), "{word} in {told}");
    }
    crate::support::keyward::write_private(std::path::Path::new(call), "{ \"tool\": ");
    let broken = setup.run(&["policy", "explain", call]);
    assert_eq!(broken.status.code(), Some(2), "{broken:?}");
}

#[test]
fn a_limit_of_calls_holds_for_calls_that_come_at_once() {
    let rules =
        "    - { id: three, when: { tools: [chat] }, condition: 'usage.calls >= 3', action: deny }";
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, &(policy(rules) + AUDIT)));
    let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let calls: Vec<u64> = (0..50)
        .map(|_| keyward.start_request("tools/call", params.clone()))
        .collect();
    let answers: Vec<Value> = calls.iter().map(|id| keyward.answer_to(*id)).collect();
    let ran = answers
        .iter()
        .filter(|answer| answer["result"]["isError"] == false);
    assert_eq!((ran.count(), upstream.seen().len()), (3, 3));
}

#[test]
fn rules_that_are_left_empty_are_refused_and_never_mean_everything() {
    let setup = guarded(&upstream(), "policy: { files: [rules.yaml] }\n");
    let file = setup.folder().join("rules.yaml");
    for empty in [
        "",
        "# nothing yet\n",
        "rules:\n  - { id: a, condition: , action: allow }\n",
        "rules:\n  - { id: a, when: { tools: }, action: allow }\n",
        "rules:\n  - { id: a, when: { tools: [] }, action: allow }\n",
        "rules:\n  - { id: a, when: , action: allow }\n",
        "rules:\n  - { id: a, when: null, action: allow }\n",
        "rules:\n  - { id: a, condition: null, action: allow }\n",
        "rules:\n  - { id: a, when: { tools: null }, action: allow }\n",
        "rules:\n  - { id: a, when: { principals: null }, action: allow }\n",
        "rules:\n  - { id: a, when: { models: null }, action: allow }\n",
    ] {
        crate::support::keyward::write_private(&file, empty);
        let ended = setup.run(&["check"]);
        assert_eq!(ended.status.code(), Some(1), "{empty:?}: {ended:?}");
    }
    let listed = ["hosts", "tools", "principals", "model_providers"];
    for list in listed {
        let names =
            format!("secrets: {{ names: {{ a: {{ ref: 'env:A', allowed_{list}: null }} }} }}");
        let ended = Setup::with_config(&names).run(&["check"]);
        assert_eq!(ended.status.code(), Some(1), "{list}: {ended:?}");
    }
    for section in ["audit:\n", "policy: { default: }\n"] {
        let ended = Setup::with_config(section).run(&["check"]);
        assert_eq!(ended.status.code(), Some(1), "{section:?}: {ended:?}");
    }
}
