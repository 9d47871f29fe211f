//! Each vendor is spoken to as it documents, through the real binary: what it would refuse is not
//! sent, its key is in its header and nowhere else, and its answers and errors mean what they mean.

use std::collections::BTreeSet;

use axum::{Router, body::to_bytes, extract::Request, http::StatusCode};
use serde_json::{Value, json};

use super::{
    arrangement::KEY,
    guarded::{serve, text},
};
use crate::support::{
    environment::wait_for,
    keyward::{Keyward, LEGACY, Setup},
    tls::HttpServer,
    upstream::{ANSWER, Dialect, MODEL, Upstream, json_answer},
    vendors::Vendor,
};

fn settings(vendor: Vendor, upstream: &Upstream, more: &str) -> String {
    let (base_url, protocol) = (upstream.base_url(), vendor.protocol());
    let own = vendor.settings();
    format!(
        r#"secrets:
  names:
    stand-in: {{ ref: "env:STAND_IN_KEY" }}
models:
  providers:
    stand-in:
      protocol: {protocol}
      base_url: "{base_url}"
      secret: stand-in
      retries: 0
      {own}
      models:
        - {{ name: {MODEL}, price: {{ input: 1, cached_input: 0.5, output: 2, as_of: 2026-11-01 }}{more} }}
"#
    )
}

fn setup(vendor: Vendor, upstream: &Upstream, more: &str) -> Setup {
    Setup::with_config(&settings(vendor, upstream, more)).env("STAND_IN_KEY", KEY)
}

fn upstream(vendor: Vendor) -> Upstream {
    Upstream::start(Dialect::Of(vendor), Some(KEY))
}

fn chat(keyward: &mut Keyward, arguments: Value) -> Value {
    keyward.call("chat", arguments)["result"].clone()
}

#[test]
fn each_vendor_gets_its_own_protocol_with_the_key_in_its_header_alone() {
    for vendor in Vendor::ALL {
        let upstream = upstream(vendor);
        let mut keyward = serve(setup(vendor, &upstream, ""));
        let result = chat(&mut keyward, json!({ "prompt": "ping" }));
        let answer = &result["structuredContent"];
        assert_eq!(answer["answer"], ANSWER, "{vendor:?}: {result}");
        assert_eq!(answer["finish_reason"], "stop", "{vendor:?}");
        let usage = &answer["usage"];
        assert_eq!(usage["input_tokens"], 7, "{vendor:?}: {usage}");
        assert_eq!(usage["output_tokens"], 5, "{vendor:?}: {usage}");
        assert_eq!(usage["cached_input_tokens"], 2, "{vendor:?}: {usage}");
        // Five tokens at a dollar, two at half of it, five at two: for a million.
        assert_eq!(answer["cost_usd"], 0.000_016, "{vendor:?}");

        let seen = upstream.seen().remove(0);
        let (header, before) = vendor.key_header();
        assert_eq!(seen.headers[header], format!("{before}{KEY}"), "{vendor:?}");
        let names: BTreeSet<&str> = seen.headers.keys().map(String::as_str).collect();
        let mut expected: BTreeSet<&str> = vendor.own_headers().iter().copied().collect();
        expected.extend([
            "accept",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            header,
        ]);
        assert_eq!(names, expected, "{vendor:?}");
        let elsewhere = format!("{} {:?} {}", seen.path, seen.query, seen.body);
        assert!(!elsewhere.contains(KEY), "{vendor:?}");
    }
}

#[test]
fn what_a_call_asks_for_is_said_in_each_vendors_words_and_refused_by_none() {
    const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";
    for vendor in Vendor::ALL {
        let upstream = upstream(vendor);
        let thinking = match vendor {
            Vendor::Anthropic | Vendor::Bedrock => "adaptive",
            Vendor::Gemini | Vendor::Vertex => "level",
            _ => "effort",
        };
        let facts = format!(", thinking: {{ {thinking}: {{ levels: [low, medium, high] }} }}");
        let mut keyward = serve(setup(vendor, &upstream, &facts));
        let mut arguments = json!({
            "prompt": "ping", "system_prompt": "Be brief.", "images": [PNG],
            "thinking_mode": "high", "max_output_tokens": 2048,
        });
        if vendor != Vendor::Responses {
            arguments["stop"] = json!(["END"]);
        }
        if vendor != Vendor::Bedrock {
            arguments["json_schema"] = json!({ "type": "object" });
        }
        let result = chat(&mut keyward, arguments);
        assert_eq!(
            result["structuredContent"]["answer"], ANSWER,
            "{vendor:?}: {result}"
        );
        let body = upstream.seen().remove(0).body.to_string();
        for said in ["Be brief.", "iVBORw0KGgo=", "2048"] {
            assert!(body.contains(said), "{vendor:?}: {said} is not in {body}");
        }
        assert!(
            body.to_lowercase().contains("\"high\""),
            "{vendor:?}: {body}"
        );
        assert_eq!(
            body.contains("END"),
            vendor != Vendor::Responses,
            "{vendor:?}: {body}"
        );
    }
}

#[test]
fn a_refused_key_is_told_without_the_key_whatever_its_vendor_echoes() {
    for vendor in Vendor::ALL {
        let upstream = Upstream::start(Dialect::Of(vendor), Some("sk-another-0123456789abcdef"));
        let mut keyward = serve(setup(vendor, &upstream, ""));
        let result = chat(&mut keyward, json!({ "prompt": "ping" }));
        assert_eq!(result["isError"], true, "{vendor:?}: {result}");
        assert!(
            text(&result).contains("does not accept the key"),
            "{vendor:?}: {result}"
        );
        assert!(
            !result.to_string().contains(&KEY[..20]),
            "{vendor:?}: {result}"
        );
        assert!(!keyward.process.stderr().contains(&KEY[..20]), "{vendor:?}");
    }
}

#[test]
fn a_model_that_the_vendor_does_not_know_is_told_as_such() {
    for vendor in Vendor::ALL {
        let upstream = upstream(vendor);
        let config = settings(vendor, &upstream, "").replace(MODEL, "nobodys-model");
        let mut keyward = serve(Setup::with_config(&config).env("STAND_IN_KEY", KEY));
        let result = chat(&mut keyward, json!({ "prompt": "ping" }));
        assert!(
            text(&result).contains("does not know this model"),
            "{vendor:?}: {result}"
        );
    }
}

#[test]
fn cancelling_closes_the_connection_to_each_vendor() {
    for vendor in Vendor::ALL {
        let upstream = upstream(vendor);
        upstream.hold();
        let mut keyward = setup(vendor, &upstream, "").serve();
        keyward.initialize(LEGACY);
        let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
        let id = keyward.start_request("tools/call", params);
        upstream.wait_for_requests(1);
        keyward.notify("notifications/cancelled", json!({ "requestId": id }));
        upstream.wait_for_abandoned(1);
    }
}

#[test]
fn a_vendor_that_has_too_much_to_do_is_asked_once_more_and_then_another_model_is() {
    let (first, second) = (upstream(Vendor::Anthropic), upstream(Vendor::Gemini));
    let overloaded =
        json!({ "type": "error", "error": { "type": "overloaded_error", "message": "" } });
    first.script(move |_| Some(json_answer(StatusCode::from_u16(529).unwrap(), &overloaded)));
    let config = format!(
        r#"secrets:
  names:
    stand-in: {{ ref: "env:STAND_IN_KEY" }}
audit:
  sinks: [ {{ file: {{ path: audit.jsonl }} }} ]
policy:
  rules:
    - id: not-that
      when: {{ models: [third] }}
      action: deny
      reason: "Not that one."
models:
  fallbacks: {{ first: [third, second] }}
  providers:
    one: {{ protocol: anthropic, base_url: "{}", secret: stand-in, retries: 1, models: [ {{ name: {MODEL}, aliases: [first] }} ] }}
    none: {{ protocol: anthropic, base_url: "{}", secret: stand-in, models: [third] }}
    two: {{ protocol: gemini, base_url: "{}", secret: stand-in, models: [ {{ name: {MODEL}, aliases: [second] }} ] }}
"#,
        first.base_url(),
        first.base_url(),
        second.base_url()
    );
    let mut keyward = serve(Setup::with_config(&config).env("STAND_IN_KEY", KEY));
    let result = chat(&mut keyward, json!({ "prompt": "ping", "model": "first" }));
    let answer = &result["structuredContent"];
    assert_eq!(
        (&answer["answer"], &answer["provider"]),
        (&json!(ANSWER), &json!("two")),
        "{result}"
    );
    let passed_over = json!([{ "model": MODEL, "provider": "one", "because": "upstream_down" }]);
    assert_eq!(answer["instead_of"], passed_over);
    assert!(
        text(&result).contains(&format!("instead of {MODEL}: upstream_down")),
        "{result}"
    );
    assert_eq!(first.seen().len(), 2);
    let events = |event: &str| super::guarded::events(&keyward.setup, event);
    let ended = &events("call_ended")[0];
    assert_eq!(ended["provider"], "two");
    assert_eq!(ended["also_asked"], passed_over);
    let decided = events("policy_decision");
    let decided: Vec<_> = decided
        .iter()
        .map(|record| (&record["provider"], &record["decision"]["verdict"]))
        .collect();
    let (allow, deny) = (&json!("allow"), &json!("deny"));
    assert_eq!(
        decided,
        [
            (&json!("one"), allow),
            (&json!("none"), deny),
            (&json!("two"), allow)
        ]
    );
}

#[test]
fn what_is_spent_is_counted_for_rules_and_metrics() {
    let upstream = upstream(Vendor::Responses);
    let policy = "policy:
  rules:
    - id: enough
      when: { tools: [chat] }
      condition: \"usage.cost > 0.00002\"
      action: deny
      reason: \"That was enough for today.\"
";
    let config = settings(Vendor::Responses, &upstream, "");
    let http = "server: { http: { token_secret: http-token } }\n";
    let names = "  names:\n    http-token: { ref: \"env:HTTP_TOKEN\" }\n";
    let config = config.replacen("  names:\n", names, 1);
    let setup = Setup::with_config(&format!("{http}{policy}{config}"))
        .env("STAND_IN_KEY", KEY)
        .env("HTTP_TOKEN", super::arrangement::TOKEN);
    let server = setup.serve_http();
    let ask = || {
        let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
        let token = Some(super::arrangement::TOKEN);
        super::guarded::post(&server.url, token, "tools/call", params).1["result"].clone()
    };
    assert_eq!(ask()["structuredContent"]["cost_usd"], 0.000_016);
    assert_eq!(ask()["structuredContent"]["cost_usd"], 0.000_016);
    assert!(text(&ask()).starts_with("That was enough for today."));
    let metrics = || {
        let request = crate::support::http::Request::new("GET", format!("{}/metrics", server.url));
        let bearer = format!("Bearer {}", super::arrangement::TOKEN);
        request
            .header("Authorization", &bearer)
            .send()
            .unwrap()
            .text
    };
    let counted = wait_for(|| {
        let told = metrics();
        let labels = format!("provider=\"stand-in\",model=\"{MODEL}\"");
        let calls = format!("keyward_model_calls_total{{{labels},outcome=\"answered\"}} 2");
        let tokens = format!("keyward_model_tokens_total{{{labels},kind=\"input\"}} 14");
        (told.contains(&calls) && told.contains(&tokens)).then_some(())
    });
    assert!(counted.is_some(), "{}", metrics());
}

#[test]
fn models_are_listed_shown_and_tried_from_the_command_line() {
    let upstream = upstream(Vendor::Anthropic);
    let setup = setup(
        Vendor::Anthropic,
        &upstream,
        ", aliases: [mine], context_window: 1000",
    );
    let listed = setup.run(&["models", "list"]);
    assert!(
        listed
            .stdout
            .contains(&format!("{MODEL}  stand-in  bound  1000")),
        "{}",
        listed.stdout
    );
    let shown = setup.run(&["models", "show", "mine", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(
        (&shown["model"], &shown["context_window"]),
        (&json!(MODEL), &json!(1000))
    );
    let host = upstream.base_url().split('/').nth(2).unwrap().to_owned();
    assert_eq!(shown["host"], host, "where the key would go");
    assert!(upstream.seen().is_empty());
    let checked = setup.run(&["models", "check", "mine", "--json"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(checked["answered"], true);
    assert!(
        checked["latency_ms"].is_u64() && checked["cost_usd"].is_f64(),
        "{checked}"
    );
    assert!(
        checked["key"]
            .as_str()
            .unwrap()
            .contains("`stand-in` of env"),
        "{checked}"
    );
    let body = upstream.seen().remove(0).body;
    assert!(body["max_tokens"].as_u64().unwrap() <= 16, "{body}");
    let unknown = setup.run(&["models", "check", "yours"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    let refused = setup
        .env("STAND_IN_KEY", "sk-wrong-0123456789")
        .run(&["models", "check", "mine"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("bad_key") && !refused.stderr.contains("sk-wrong"),
        "{refused:?}"
    );
}

#[test]
fn a_secret_is_exchanged_for_the_token_that_is_sent_once_for_many_calls() {
    const SECRET: &str = "app~secret-7hQz1LmXw93RkTbVn8Hs2JdYc6Pg";
    let upstream = Upstream::start(Dialect::Of(Vendor::Vertex), Some(KEY));
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let forms = std::sync::Arc::clone(&asked);
    let authority = HttpServer::start(Router::new().fallback(move |request: Request| {
        let forms = std::sync::Arc::clone(&forms);
        async move {
            let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
            forms
                .lock()
                .unwrap()
                .push(String::from_utf8(body.to_vec()).unwrap());
            let token = json!({ "access_token": KEY, "expires_in": 3599, "token_type": "Bearer" });
            json_answer(StatusCode::OK, &token)
        }
    }));
    let exchange = format!(
        "exchange: {{ entra_client: {{ tenant: t, client_id: c, authority: \"{}\" }} }}",
        authority.url()
    );
    let config = settings(Vendor::Vertex, &upstream, "");
    let config = config.replace(
        "\"env:STAND_IN_KEY\"",
        &format!("\"env:STAND_IN_KEY\", {exchange}"),
    );
    let mut keyward = serve(Setup::with_config(&config).env("STAND_IN_KEY", SECRET));
    for _ in 0..3 {
        let result = chat(&mut keyward, json!({ "prompt": "ping" }));
        assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    }
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("app~secret"), "{asked:?}");
    let seen = format!("{:?}", upstream.seen());
    assert!(seen.contains(KEY) && !seen.contains("app~secret"), "{seen}");
}
