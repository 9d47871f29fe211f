//! The audit: what happened is on the disk before its consequences are seen, whatever became of
//! the call; what cannot be recorded does not happen.

use std::{collections::BTreeSet, fs::OpenOptions, io::Write as _};

use serde_json::{Value, json};

use super::{
    arrangement::{KEY, TOKEN},
    guarded::{AUDIT, audit_file, chat, events, guarded, guarded_http, post, records, serve, text},
};
use crate::support::{
    environment::wait_for,
    http::Request,
    keyward::{Ended, Setup},
    upstream::{ANSWER, Dialect, Upstream},
};

fn upstream() -> Upstream {
    Upstream::start(Dialect::OpenAi, Some(KEY))
}

fn verify(setup: &Setup) -> Ended {
    let file = audit_file(setup);
    setup.run(&["audit", "verify", file.to_str().unwrap()])
}

#[track_caller]
fn assert_verifies(setup: &Setup) {
    let ended = verify(setup);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

/// With one more secret, which is in a variable.
fn named(setup: Setup, name: &str, value: &str) -> Setup {
    let config = std::fs::read_to_string(setup.config_file()).unwrap();
    let names = format!("  names:\n    {name}: {{ ref: \"env:ONE_MORE_SECRET\" }}\n");
    let config = config.replacen("  names:\n", &names, 1);
    crate::support::keyward::write_private(setup.config_file(), &config);
    setup.env("ONE_MORE_SECRET", value)
}

fn field<'a>(records: &'a [Value], field: &str) -> Vec<&'a str> {
    records
        .iter()
        .map(|record| record[field].as_str().unwrap_or("-"))
        .collect()
}

#[test]
fn when_the_upstream_has_a_request_its_call_and_its_secret_are_recorded_already() {
    let upstream = upstream();
    upstream.hold();
    let mut keyward = serve(guarded(&upstream, AUDIT));
    let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let id = keyward.start_request("tools/call", params);
    upstream.wait_for_requests(1);
    let so_far = records(&keyward.setup);
    let told = ["server_started", "call_accepted", "secret_used"];
    assert_eq!(field(&so_far, "event"), told, "{so_far:#?}");
    upstream.release();
    assert_eq!(keyward.answer_to(id)["result"]["isError"], false);
    let all = records(&keyward.setup);
    let (accepted, secret, ended) = (&all[1], &all[2], &all[3]);
    assert_eq!(ended["event"], "call_ended");
    assert_eq!(ended["outcome"], "answered");
    for record in [accepted, secret, ended] {
        assert_eq!(record["request_id"], accepted["request_id"]);
        assert_eq!(record["principal"]["id"], "alice");
        assert_eq!(record["tool"], "chat");
    }
    assert_eq!(
        accepted["principal"],
        json!({ "id": "alice", "kind": "local", "groups": ["staff"] })
    );
    assert_eq!(accepted["client"]["name"], "promises");
    assert_eq!(
        (&accepted["model"], &accepted["secrets"]),
        (&json!("stand-in"), &json!(["stand-in"]))
    );
    assert_eq!(
        accepted["arguments_hmac"]["prompt"].as_str().unwrap().len(),
        64
    );
    assert!(accepted.get("arguments").is_none(), "{accepted}");
    assert_eq!(secret["secret"]["name"], "stand-in");
    assert_eq!(secret["secret"]["provider"], "env");
    assert!(
        ended["tokens"]["input"].is_u64() && ended["duration_us"].is_u64(),
        "{ended}"
    );
    let text = all.iter().map(Value::to_string).collect::<String>();
    assert!(
        !text.contains("ping") && !text.contains(ANSWER) && !text.contains(KEY),
        "{text}"
    );
    keyward.close();
    assert_eq!(
        field(&records(&keyward.setup), "event").last(),
        Some(&"server_stopped")
    );
    assert_verifies(&keyward.setup);
}

#[test]
fn what_never_became_a_call_is_recorded_too() {
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, AUDIT));
    keyward.call("no_such_tool", json!({ "a": 1 }));
    keyward.call("chat", json!({ "prompt": 5 }));
    keyward.call("chat", json!({ "prompt": "ping", "model": "nobodys" }));
    let list = json!({ "name": "chat", "arguments": [] });
    assert_eq!(keyward.request("tools/call", list)["error"]["code"], -32602);
    let ends = events(&keyward.setup, "call_ended");
    let invalid = "invalid_arguments";
    let codes = ["unknown_tool", invalid, "unknown_model", invalid];
    assert_eq!(field(&ends, "code"), codes, "{ends:#?}");
    assert_eq!(ends[0]["tool"], "no_such_tool");
    assert!(ends[0]["arguments_hmac"][""].is_string(), "{ends:#?}");

    let server = guarded_http(&upstream, AUDIT).serve_http();
    let call = json!({ "name": "version", "arguments": {} });
    assert_eq!(post(&server.url, None, "tools/call", call.clone()).0, 401);
    assert_eq!(
        post(&server.url, Some("wrong-token"), "tools/call", call.clone()).0,
        401
    );
    assert_eq!(post(&server.url, Some(TOKEN), "tools/call", call).0, 200);
    let strangers = || events(&server.setup, "unauthenticated");
    assert!(wait_for(|| (strangers().len() == 2).then_some(())).is_some());
    assert_eq!(field(&strangers(), "code"), ["no_token", "wrong_token"]);
    let ended = &events(&server.setup, "call_ended")[0];
    assert_eq!(ended["principal"], json!({ "id": "farm", "kind": "token" }));
    assert!(events(&server.setup, "server_started")[0]["config_digest"].is_string());
}

#[test]
fn the_key_that_the_log_introduces_confirms_the_checkpoints_and_shows_a_cut_end() {
    let upstream = upstream();
    let audit = "audit:\n  sinks:\n    - file:\n        path: audit.jsonl\n        checkpoints:\n          \
                 { path: checkpoints.txt, origin: keyward.example/audit, signing_secret: audit-key }\n";
    let seed = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let mut keyward = serve(named(guarded(&upstream, audit), "audit-key", seed));
    chat(&mut keyward, "ping");
    keyward.close();
    let log = keyward.process.stderr_to_end();
    let key = log.split("verifier_key=").nth(1);
    let key = key.and_then(|rest| rest.split_whitespace().next());
    let key = key.unwrap_or_else(|| panic!("{log}")).trim_matches('"');

    let file = audit_file(&keyward.setup);
    let checkpoints = keyward.setup.folder().join("checkpoints.txt");
    let verify = || {
        keyward.setup.run(&[
            "audit",
            "verify",
            file.to_str().unwrap(),
            "--checkpoints",
            checkpoints.to_str().unwrap(),
            "--key",
            key,
            "--json",
        ])
    };
    let whole = verify();
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let told: Value = serde_json::from_str(&whole.stdout).unwrap();
    assert_eq!(told["checkpoints"]["confirmed"], 1, "{told}");

    let text = std::fs::read_to_string(&file).unwrap();
    let end = text.trim_end().rfind('\n').unwrap() + 1;
    std::fs::write(&file, &text[..end]).unwrap();
    let cut = verify();
    assert_eq!(cut.status.code(), Some(1), "{cut:?}");
    let told: Value = serde_json::from_str(&cut.stdout).unwrap();
    assert_eq!(told["fault"]["kind"], "cut_off", "{told}");
}

#[test]
fn a_message_that_nobody_could_read_is_recorded_through_both_doors() {
    let upstream = upstream();
    let refused = |setup: &Setup| events(setup, "message_refused");
    let long = "x".repeat((8 << 20) + 1);

    let mut keyward = serve(guarded(&upstream, AUDIT));
    keyward.send_line(long.as_bytes());
    assert_eq!(keyward.request("ping", json!({}))["result"], json!({}));
    let told = wait_for(|| (refused(&keyward.setup).len() == 1).then(|| refused(&keyward.setup)));
    let told = told.unwrap();
    assert_eq!(field(&told, "code"), ["too_long"]);
    assert_eq!(told[0]["principal"]["id"], "alice");
    assert!(
        !records(&keyward.setup)
            .iter()
            .any(|record| record.to_string().contains("xxxx"))
    );

    let server = guarded_http(&upstream, AUDIT).serve_http();
    let statuses = ["{", "{\"jsonrpc\":\"2.0\"}", &long].map(|body| {
        let request = Request::new("POST", format!("{}/mcp", server.url))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Authorization", &format!("Bearer {TOKEN}"));
        request.body(body).send().unwrap().status
    });
    assert_eq!(statuses, [400, 400, 413]);
    let told = wait_for(|| (refused(&server.setup).len() == 3).then(|| refused(&server.setup)));
    let told = told.unwrap();
    assert_eq!(field(&told, "code"), ["not_json", "not_mcp", "too_long"]);
    assert_eq!(told[0]["principal"]["id"], "farm");
    assert_verifies(&server.setup);
}

#[test]
fn a_cancelled_call_has_an_end() {
    let upstream = upstream();
    upstream.hold();
    let mut keyward = serve(guarded(&upstream, AUDIT));
    let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let id = keyward.start_request("tools/call", params);
    upstream.wait_for_requests(1);
    keyward.notify("notifications/cancelled", json!({ "requestId": id }));
    let ended = || events(&keyward.setup, "call_ended").first().cloned();
    assert_eq!(wait_for(ended).unwrap()["outcome"], "cancelled");
}

#[test]
fn a_call_that_cannot_be_recorded_does_not_happen_unless_the_operator_chose_so() {
    for (on_failure, happens) in [("block", false), ("warn", true)] {
        let upstream = upstream();
        let audit = AUDIT.replace("sinks:", &format!("on_failure: {on_failure}\n  sinks:"));
        // The limit on the size of files is reached after the start's record.
        let setup = guarded(&upstream, &audit).through(["prlimit", "--fsize=1500:unlimited"]);
        let mut keyward = serve(setup);
        let mut results = Vec::new();
        for _ in 0..6 {
            results.push(chat(&mut keyward, "ping"));
        }
        let last = results.last().unwrap();
        assert_eq!(last["isError"], !happens, "{last}");
        if !happens {
            assert!(text(last).contains("audit"), "{last}");
            let refused = results
                .iter()
                .filter(|result| result["isError"] == true)
                .count();
            assert!(upstream.seen().len() <= results.len() - refused + 1);
        }
        // Whatever fitted is whole, and when there is room again calls go on.
        let whole = std::fs::read_to_string(audit_file(&keyward.setup)).unwrap();
        assert!(whole.ends_with('\n') && whole.len() <= 1500, "{whole}");
        let pid = keyward.process.id().to_string();
        let raised = std::process::Command::new("prlimit")
            .args(["--pid", &pid, "--fsize=unlimited:unlimited"])
            .status();
        assert!(raised.is_ok_and(|status| status.success()), "room is made");
        let resumed = wait_for(|| (chat(&mut keyward, "ping")["isError"] == false).then_some(()));
        assert!(resumed.is_some(), "calls go on");
        assert!(
            !events(&keyward.setup, "records_lost").is_empty(),
            "what was lost is told"
        );
        keyward.close();
        assert_verifies(&keyward.setup);
    }
}

#[test]
fn a_server_whose_audit_cannot_be_written_does_not_start() {
    for path in ["absent/audit.jsonl", "."] {
        let audit = AUDIT.replace("audit.jsonl", path);
        let ended = guarded(&upstream(), &audit).run(&["serve"]);
        assert!(!ended.status.success(), "{path}");
        assert!(ended.stderr.contains("audit"), "{path}: {}", ended.stderr);
    }
    let setup = Setup::with_config("audit: {}\n").run(&["check"]);
    assert_eq!(
        setup.status.code(),
        Some(1),
        "an audit without a place: {}",
        setup.stderr
    );
}

#[test]
fn several_servers_keep_one_chain_in_one_file() {
    let upstream = upstream();
    let setup = guarded(&upstream, AUDIT);
    let config = setup.config_file().to_str().unwrap().to_owned();
    let another = || {
        Setup::bare()
            .env("KEYWARD_CONFIG", &config)
            .env("STAND_IN_KEY", KEY)
    };
    let mut servers = [serve(another()), serve(another()), serve(another())];
    for round in 0..10 {
        for server in &mut servers {
            assert_eq!(chat(server, &round.to_string())["isError"], false);
        }
    }
    for server in &mut servers {
        assert!(server.close().success());
    }
    let all = records(&setup);
    assert_eq!(all.len(), 3 * (1 + 10 * 3 + 1));
    let instances: BTreeSet<_> = field(&all, "instance").into_iter().collect();
    assert_eq!(instances.len(), 3);
    assert_verifies(&setup);
}

#[test]
fn tampering_is_found_and_named_and_an_unfinished_line_is_healed() {
    let upstream = upstream();
    let mut keyward = serve(guarded(&upstream, AUDIT));
    for _ in 0..3 {
        chat(&mut keyward, "ping");
    }
    keyward.close();
    let setup = keyward.setup;
    let file = audit_file(&setup);
    let whole = std::fs::read_to_string(&file).unwrap();
    assert_verifies(&setup);
    let lines: Vec<&str> = whole.lines().collect();
    let without: String = lines
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 2)
        .map(|(_, l)| format!("{l}\n"))
        .collect();
    let renamed = whole.replacen("alice", "malice", 1);
    for (text, line) in [(without, 3), (renamed, 2)] {
        std::fs::write(&file, text).unwrap();
        let ended = verify(&setup);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let place = format!("audit.jsonl, line {line}");
        assert!(
            format!("{}{}", ended.stdout, ended.stderr).contains(&place),
            "{place}: {ended:?}"
        );
    }
    std::fs::write(&file, &whole).unwrap();
    let mut appended = OpenOptions::new().append(true).open(&file).unwrap();
    appended.write_all(b"{\"event\":\"call_acc").unwrap();
    drop(appended);
    let mut keyward = serve(setup);
    chat(&mut keyward, "ping");
    keyward.close();
    assert_eq!(events(&keyward.setup, "tail_healed").len(), 1);
    assert_verifies(&keyward.setup);
}

#[test]
fn a_value_is_searched_for_by_its_hash_alone() {
    let upstream = upstream();
    let audit = AUDIT.replace("sinks:", "hash_secret: audit-hash\n  sinks:");
    let setup = guarded(&upstream, &audit);
    let setup = named(
        setup,
        "audit-hash",
        "promise-hash-key-4f7Qz1LmXw93RkTbVn8Hs2Jd",
    );
    let hashed = setup.run(&["audit", "hash", "the very prompt"]);
    assert!(hashed.status.success(), "{hashed:?}");
    let hash = hashed.stdout.trim().to_owned();
    let mut keyward = serve(setup);
    chat(&mut keyward, "another prompt");
    chat(&mut keyward, "the very prompt");
    keyward.close();
    let file = audit_file(&keyward.setup);
    let query = [
        "audit",
        "query",
        file.to_str().unwrap(),
        "--argument-hash",
        &hash,
        "--format",
        "json",
    ];
    let found = keyward.setup.run(&query);
    let lines: Vec<Value> = found
        .stdout
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert!(!lines.is_empty(), "{found:?}");
    let accepted: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "call_accepted")
        .collect();
    assert_eq!(accepted.len(), 1, "{found:?}");
    let other = Setup::with_config("{}").run(&["audit", "hash", "x"]);
    assert!(
        !other.status.success(),
        "without a key there is nothing to search for: {other:?}"
    );
}

#[test]
fn the_protocol_keeps_stdout_for_itself() {
    let ended = Setup::with_config("audit: { sinks: [ { stdout: {} } ] }\n").run(&["check"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let upstream = upstream();
    let audit = "audit: { sinks: [ { stdout: {} } ] }\n";
    let mut server = guarded_http(&upstream, audit).serve_http();
    let call = json!({ "name": "version", "arguments": {} });
    assert_eq!(post(&server.url, Some(TOKEN), "tools/call", call).0, 200);
    server.process.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(server.process.wait().success());
    let lines: Vec<String> = server.process.stdout().iter().collect();
    let told: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds = field(&told, "event");
    assert!(
        kinds.contains(&"call_ended") && kinds.contains(&"server_stopped"),
        "{kinds:?}"
    );
}

#[test]
fn an_audit_is_of_calls_in_both_eras() {
    let upstream = upstream();
    let mut keyward = guarded(&upstream, AUDIT).serve();
    keyward.discover();
    let call = crate::support::keyward::modern(json!({ "name": "version", "arguments": {} }));
    let mut call = call;
    call["_meta"]["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    keyward.request("tools/call", call);
    let accepted = &events(&keyward.setup, "call_accepted")[0];
    assert_eq!(accepted["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(accepted["client"]["name"], "promises");
}

#[test]
fn a_model_provider_is_recorded_whatever_it_is_called() {
    let upstream = upstream();
    let setup = guarded(&upstream, AUDIT);
    let config = std::fs::read_to_string(setup.config_file()).unwrap();
    let renamed = config.replace("  providers:\n    stand-in:", "  providers:\n    audit:");
    crate::support::keyward::write_private(setup.config_file(), &renamed);
    let mut keyward = serve(setup);
    assert_eq!(chat(&mut keyward, "ping")["isError"], false);
    assert_eq!(events(&keyward.setup, "secret_used").len(), 1);
}
