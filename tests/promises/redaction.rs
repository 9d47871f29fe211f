//! Redaction: what looks like a secret does not leave by a prompt, and a key that was ever handed
//! out does not come back by an answer, whichever call it was for; nor does either reach the log or
//! the audit.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    arrangement::KEY,
    guarded::{AUDIT, audit_file, chat, events, guarded, serve, text},
};
use crate::support::{
    keyward::Keyward,
    upstream::{Dialect, Upstream, completion, json_answer},
};

fn upstream() -> Upstream {
    Upstream::start(Dialect::OpenAi, Some(KEY))
}

/// A key of a cloud, made here so that none stands in the tree.
fn cloud_key() -> String {
    format!("AKIA{}", "Q3ZJ7XW2PLM5RTVB")
}

/// Everything that a run left where it could be read later.
fn traces(keyward: &mut Keyward) -> String {
    keyward.close();
    let log = keyward.process.stderr_to_end();
    let audit = std::fs::read_to_string(audit_file(&keyward.setup)).unwrap_or_default();
    format!("{log}\n{audit}")
}

#[test]
fn a_prompt_with_a_secret_is_blocked_before_any_key_is_fetched() {
    let upstream = upstream();
    let sections = AUDIT.replace("sinks:", "clear_arguments: true\n  sinks:");
    let mut keyward = serve(guarded(&upstream, &sections));
    let env_file = format!("DB=1\nAWS_ACCESS_KEY_ID={}\nX=2\n", cloud_key());
    let result = chat(&mut keyward, &format!("why does this fail?\n{env_file}"));
    assert_eq!(result["isError"], true, "{result}");
    assert!(text(&result).contains("/prompt"), "{result}");
    assert!(!result.to_string().contains(&cloud_key()), "{result}");
    assert!(upstream.seen().is_empty());
    let records = events(&keyward.setup, "redaction");
    assert_eq!(records.len(), 1, "{records:#?}");
    assert!(events(&keyward.setup, "secret_used").is_empty());
    let traces = traces(&mut keyward);
    assert!(!traces.contains(&cloud_key()), "{traces}");
    assert!(
        traces.contains("why does this fail?"),
        "the rest is kept: {traces}"
    );
}

#[test]
fn prompts_can_be_redacted_instead_and_the_upstream_sees_the_mark() {
    let upstream = upstream();
    let sections = "redaction: { to_model: { secrets: redact, personal: redact } }\n";
    let mut keyward = serve(guarded(&upstream, sections));
    let prompt = format!("key {} of ann.lee@example.org", cloud_key());
    let result = chat(&mut keyward, &prompt);
    assert_eq!(result["isError"], false, "{result}");
    let sent = upstream.seen()[0].body.to_string();
    assert!(
        !sent.contains(&cloud_key()) && !sent.contains("ann.lee"),
        "{sent}"
    );
    assert!(sent.contains("[redacted"), "{sent}");
}

#[test]
fn a_key_that_another_call_used_is_taken_out_of_an_answer_in_every_form() {
    // The second upstream takes no key, so its call knows of none: only the process does.
    let upstream = upstream();
    let echo = Upstream::start(Dialect::Ollama, None);
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = KEY.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let forms = [
        KEY.to_owned(),
        KEY.to_uppercase(),
        STANDARD.encode(KEY),
        STANDARD.encode(format!("x{KEY}")),
        hex,
        percent,
        KEY.replace('-', "\\u002d"),
        KEY[3..30].to_owned(),
    ];
    let said = forms.join(" and ");
    echo.script(move |_| Some(json_answer(axum::http::StatusCode::OK, &completion(&said))));
    let sections = format!("{AUDIT}log: {{ level: debug }}\n");
    let setup = guarded(&upstream, &sections);
    let config = std::fs::read_to_string(setup.config_file()).unwrap();
    let other = format!(
        "{config}    other: {{ base_url: \"{}\", models: [other] }}\n",
        echo.base_url()
    );
    crate::support::keyward::write_private(setup.config_file(), &other);
    let mut keyward = serve(setup);
    assert_eq!(chat(&mut keyward, "ping")["isError"], false);
    let arguments = json!({ "prompt": "ping", "model": "other" });
    let result = keyward.call("chat", arguments)["result"].clone();
    assert_eq!(result["isError"], false, "{result}");
    let told = result.to_string();
    for form in &forms {
        for window in form.as_bytes().windows(20) {
            let window = std::str::from_utf8(window).unwrap();
            assert!(!told.contains(window), "{window} of {form} in {told}");
        }
    }
    let traces = traces(&mut keyward);
    assert!(!traces.contains(KEY), "{traces}");
}

#[test]
fn a_key_in_a_refused_argument_comes_back_in_no_error() {
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, AUDIT));
    assert_eq!(chat(&mut keyward, "ping")["isError"], false);
    let secret = cloud_key();
    for arguments in [
        json!({ "prompt": "ping", KEY: 1 }),
        json!({ "prompt": "ping", secret.clone(): 1 }),
        json!({ "prompt": "ping", "model": KEY }),
        json!({ "prompt": { KEY: KEY } }),
    ] {
        let result = keyward.call("chat", arguments.clone())["result"].clone();
        assert_eq!(result["isError"], true, "{arguments}: {result}");
        let told = result.to_string();
        assert!(!told.contains(KEY) && !told.contains(&secret), "{told}");
    }
    let unknown: Value = keyward.call(KEY, json!({}));
    assert!(!unknown.to_string().contains(KEY), "{unknown}");
    let traces = traces(&mut keyward);
    assert!(
        !traces.contains(KEY) && !traces.contains(&secret),
        "{traces}"
    );
}
