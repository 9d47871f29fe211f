//! Keys in AWS Secrets Manager: the real binary with the real SDK against moto. Only a secret that
//! was never there lets another provider answer; every other failure stops the call and says why.

use axum::{Router, http::StatusCode, routing::any};
use serde_json::{Value, json};

use super::{
    arrangement::{KEY, TOKEN, chat_settings},
    transports::assert_chatted,
};
use crate::support::{
    environment::unique,
    keyward::{Keyward, LEGACY, Setup, write_private},
    moto::Moto,
    pausing_proxy::PausingProxy,
    python::{self, Mode},
    tls::HttpServer,
    upstream::{ANSWER, Dialect, Upstream},
};

/// A key that the upstream would refuse, and that no call may fall back to.
const FALLBACK: &str = "sk-fallback-0a1B2c3D4e5F6g7H8i9J";
/// A value that is stored beside the key and must not be taken for it.
const OTHER: &str = "sk-other-5k6L7m8N9o0P1q2R3s4T";

const ERAS: [(Mode, &str); 2] = [(Mode::Legacy, "2025-11-25"), (Mode::Modern, "2026-07-28")];

/// The lines of `secrets.providers.aws`; `further` are more of them.
fn provider(endpoint: &str, further: &str) -> String {
    let region = Moto::REGION;
    format!("    aws:\n      region: {region}\n      endpoint_url: \"{endpoint}\"\n{further}")
}

/// The key's name is bound to `refs`; AWS is at `endpoint`; `FALLBACK` is in a variable.
fn bound(upstream: &Upstream, endpoint: &str, refs: &[&str], further: &str) -> Setup {
    let settings = chat_settings(upstream, "env:X")
        .replace("ref: \"env:X\"", &format!("refs: {refs:?}"))
        .replace(
            "secrets:\n",
            &format!("secrets:\n  providers:\n{}", provider(endpoint, further)),
        );
    Setup::with_config(&settings)
        .envs(Moto::credentials())
        .env("FALLBACK", FALLBACK)
}

/// A secret whose field `api_key` is the key, and whose other field is not; gives its name.
fn store() -> String {
    Moto::shared().fresh(&json!({ "api_key": KEY, "other": OTHER }).to_string())
}

fn serve(setup: Setup) -> Keyward {
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    keyward
}

fn chat(keyward: &mut Keyward) -> Value {
    keyward.call("chat", json!({ "prompt": "ping" }))["result"].clone()
}

/// Calls once with the secret at `place` and `FALLBACK` behind it. The call must fail; the client
/// reads which provider and `kind`, the operator reads `advice`; neither the next provider nor the
/// upstream is asked. With `on_error: next` the same call must ask the next provider, unless the key
/// was deleted.
#[track_caller]
fn assert_stops(endpoint: &str, place: &str, further: &str, kind: &str, advice: &str) {
    let refs = [&format!("aws:{place}"), "env:FALLBACK"];
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let mut keyward = serve(bound(&upstream, endpoint, &refs, further));
    let result = chat(&mut keyward);
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    // Why is the operator's to know, by the request id.
    assert!(
        text.starts_with("the secret `stand-in` is unavailable (request id "),
        "{text:?}"
    );
    assert!(upstream.seen().is_empty(), "{:?}", upstream.keys());
    keyward.close();
    let log = keyward.process.stderr_to_end();
    for said in ["`aws`", kind, advice] {
        assert!(log.contains(said), "{said:?} in\n{log}");
    }

    let lenient = format!("{further}      on_error: next\n");
    let mut keyward = serve(bound(&upstream, endpoint, &refs, &lenient));
    chat(&mut keyward);
    match kind {
        // Not even then: a deleted key is not replaced by one from elsewhere.
        "was deleted" => assert!(upstream.seen().is_empty(), "{:?}", upstream.keys()),
        _ => assert_eq!(upstream.keys(), [Some(FALLBACK.to_owned())]),
    }
}

#[test]
fn the_official_client_chats_over_stdio_with_a_key_in_secrets_manager() {
    let reference = format!("aws:{}#api_key", store());
    for (mode, protocol) in ERAS {
        let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
        let setup = bound(&upstream, Moto::shared().address(), &[&reference], "");
        let call = ("chat", json!({ "prompt": "ping" }));
        let report = python::over_stdio(&setup, mode, &[call]);
        assert_chatted(&report, protocol, &upstream);
    }
}

#[test]
fn the_official_client_chats_over_http_with_key_and_token_in_secrets_manager() {
    let moto = Moto::shared();
    let reference = format!("aws:{}#api_key", store());
    let token = moto.fresh(&json!({ "token": TOKEN }).to_string());
    for (mode, protocol) in ERAS {
        let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
        let setup = bound(&upstream, moto.address(), &[&reference], "");
        let settings = std::fs::read_to_string(setup.config_file()).unwrap();
        let settings = settings.replace("env:HTTP_TOKEN", &format!("aws:{token}#token"));
        let http = "server:\n  http: { token_secret: http-token }\n";
        write_private(setup.config_file(), &format!("{http}{settings}"));
        write_private(&setup.folder().join("token"), TOKEN);
        let server = setup.serve_http();
        let token_file = server.setup.folder().join("token");
        let url = format!("{}/mcp", server.url);
        let call = ("chat", json!({ "prompt": "ping" }));
        let report = python::over_http(&url, &token_file, mode, &[call]);
        assert_chatted(&report, protocol, &upstream);
    }
}

/// A name without a binding, looked up in `chain`; the variable holds `in_env`, if anything.
fn looked_up(upstream: &Upstream, endpoint: &str, chain: &str, lookup: &str) -> Setup {
    let further = format!("      lookup: \"{lookup}#api_key\"\n");
    let settings = chat_settings(upstream, "env:X")
        .replace("    stand-in: { ref: \"env:X\" }\n", "")
        .replace(
            "secrets:\n",
            &format!(
                "secrets:\n  chain: {chain}\n  providers:\n    \
                 env: {{ names: {{ stand-in: FALLBACK }} }}\n{}",
                provider(endpoint, &further)
            ),
        );
    Setup::with_config(&settings).envs(Moto::credentials())
}

#[test]
fn the_first_of_the_chain_that_has_the_key_decides() {
    let moto = Moto::shared();
    let folder = unique("chain");
    moto.create(
        &format!("{folder}/stand-in"),
        &json!({ "api_key": KEY }).to_string(),
    );
    let (there, nowhere) = (
        format!("{folder}/{{name}}"),
        format!("{folder}/no/{{name}}"),
    );
    let in_env = Some(FALLBACK);
    for (chain, lookup, variable, sent, asked) in [
        ("[env, aws]", &there, in_env, Some(FALLBACK), 0),
        ("[env, aws]", &there, None, Some(KEY), 1),
        ("[aws, env]", &there, in_env, Some(KEY), 1),
        ("[aws, env]", &nowhere, in_env, Some(FALLBACK), 1),
        ("[aws, env]", &nowhere, None, None, 1),
    ] {
        let proxy = PausingProxy::start(moto.address());
        let upstream = Upstream::start(Dialect::OpenAi, sent);
        let mut setup = looked_up(&upstream, &proxy.url(), chain, lookup);
        if let Some(value) = variable {
            setup = setup.env("FALLBACK", value);
        }
        let result = chat(&mut serve(setup));
        let sent: Vec<_> = sent
            .iter()
            .map(|key: &&str| Some((*key).to_owned()))
            .collect();
        assert_eq!(
            upstream.keys(),
            sent,
            "{chain} {lookup} {variable:?}: {result}"
        );
        assert_eq!(proxy.requests().len(), asked, "{chain}: {result}");
    }
}

#[test]
fn only_a_secret_that_is_not_in_secrets_manager_lets_the_next_provider_answer() {
    let moto = Moto::shared();
    let deleted = store();
    moto.delete(&deleted);
    for name in [unique("never"), deleted] {
        let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
        let refs = [&format!("aws:{name}#api_key"), "env:FALLBACK"];
        chat(&mut serve(bound(&upstream, moto.address(), &refs, "")));
        assert_eq!(upstream.keys(), [Some(FALLBACK.to_owned())], "{name}");
    }
}

#[test]
fn a_secret_that_is_marked_for_deletion_or_lacks_the_field_stops_the_call() {
    let moto = Moto::shared();
    let marked = store();
    moto.mark_for_deletion(&marked);
    let endpoint = moto.address();
    let place = format!("{marked}#api_key");
    assert_stops(endpoint, &place, "", "was deleted", "restore it");
    let place = format!("{}#key", store());
    assert_stops(endpoint, &place, "", "field is absent", "its field is not");
}

#[test]
fn a_secrets_manager_that_forbids_is_gone_or_hangs_stops_the_call() {
    let refuse = || async {
        let body = json!({ "__type": "AccessDeniedException", "message": OTHER }).to_string();
        let kind = [("content-type", "application/x-amz-json-1.1")];
        (StatusCode::BAD_REQUEST, kind, body)
    };
    let place = format!("{}#api_key", store());
    let forbids = HttpServer::start(Router::new().fallback(any(refuse)));
    let advice = "do not allow `secretsmanager:GetSecretValue`";
    assert_stops(&forbids.url(), &place, "", "permission denied", advice);

    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let advice = "are region, `endpoint_url` and the network right?";
    assert_stops(&address, &place, "", "cannot be reached", advice);

    let hangs = PausingProxy::start(Moto::shared().address());
    hangs.hold("");
    let within = "      timeout: 500ms\n";
    assert_stops(
        &hangs.url(),
        &place,
        within,
        "in time",
        "`secrets.providers.aws.timeout`, 500ms",
    );
}

#[test]
fn a_stage_and_a_version_are_the_ones_asked_for() {
    let moto = Moto::shared();
    let name = unique("staged");
    let value = |key: &str| json!({ "api_key": key }).to_string();
    moto.create(&name, &value(KEY));
    let current = moto.put(&name, &value(FALLBACK));
    let previous = moto.ask(
        "GetSecretValue",
        &json!({ "SecretId": name, "VersionStage": "AWSPREVIOUS" }),
    );
    let previous = previous.body["VersionId"].as_str().unwrap().to_owned();
    for (option, sent) in [
        (String::new(), FALLBACK),
        ("?stage=AWSPREVIOUS".to_owned(), KEY),
        (format!("?version_id={previous}"), KEY),
        (format!("?version_id={current}"), FALLBACK),
    ] {
        let upstream = Upstream::start(Dialect::OpenAi, Some(sent));
        let reference = format!("aws:{name}{option}#api_key");
        let result = chat(&mut serve(bound(
            &upstream,
            moto.address(),
            &[&reference],
            "",
        )));
        assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
        assert_eq!(upstream.keys(), [Some(sent.to_owned())], "{reference}");
    }
}

#[test]
fn secrets_check_tells_everything_about_a_secret_but_its_value() {
    let moto = Moto::shared();
    let (name, marked) = (unique("checked"), store());
    moto.create(&name, &json!({ "api_key": OTHER }).to_string());
    let version = moto.put(&name, &json!({ "api_key": KEY }).to_string());
    moto.mark_for_deletion(&marked);
    let bindings = [
        ("hit", format!("aws:{name}#api_key")),
        ("marked", format!("aws:{marked}#api_key")),
        ("missing", format!("aws:{}#api_key", unique("never"))),
    ];
    let mut settings = format!(
        "secrets:\n  providers:\n{}  names:\n",
        provider(moto.address(), "")
    );
    for (name, reference) in &bindings {
        settings += &format!("    {name}: {{ ref: \"{reference}\" }}\n");
    }
    let setup = Setup::with_config(&settings).envs(Moto::credentials());
    let check = |names: &[&str], code: i32| {
        let arguments: Vec<&str> = ["secrets", "check", "--json"]
            .iter()
            .chain(names)
            .copied()
            .collect();
        let ended = setup.run(&arguments);
        let said = format!("{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{said}");
        assert!(!said.contains(KEY) && !said.contains(OTHER), "{said}");
        serde_json::from_str::<Value>(&ended.stdout).unwrap_or(Value::Null)["secrets"].clone()
    };

    let hit = check(&["hit"], 0)[0].clone();
    assert_eq!(hit["name"], "hit");
    assert_eq!(hit["found"], true);
    assert_eq!(hit["provider"], "aws");
    assert_eq!(hit["version"], version.as_str());
    assert!(hit["age_seconds"].as_u64().unwrap() < 3600, "{hit}");
    assert!(hit["latency_ms"].as_f64().unwrap() > 0.0, "{hit}");

    // All of them: what fails is told beside what does not, and decides the exit code.
    let all = check(&[], 1);
    let found: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| (secret["name"].as_str().unwrap(), secret["found"] == true))
        .collect();
    assert_eq!(
        found,
        [("hit", true), ("marked", false), ("missing", false)]
    );
    let error = |index: usize| all[index]["error"].as_str().unwrap();
    assert!(error(1).contains("restore it"), "{all}");
    assert!(error(2).contains("nothing is at aws:never-"), "{all}");
    check(&["missing"], 1);
    check(&["no name"], 2);

    // The same for people.
    let ended = setup.run(&["secrets", "check"]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains(&version), "{}", ended.stdout);
    assert!(
        !ended.stdout.contains(KEY) && !ended.stderr.contains(KEY),
        "{ended:?}"
    );
}

#[test]
fn checking_the_configuration_and_starting_ask_secrets_manager_nothing() {
    let moto = Moto::shared();
    let proxy = PausingProxy::start(moto.address());
    let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
    let reference = format!("aws:{}#api_key", store());
    let setup = bound(&upstream, &proxy.url(), &[&reference], "");
    for arguments in [&["check"][..], &["check", "--json"]] {
        let ended = setup.run(arguments);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    }
    let mut keyward = serve(setup);
    let models = keyward.call("listmodels", json!({}))["result"].clone();
    assert_eq!(models["isError"], false, "{models}");
    assert_eq!(proxy.requests(), [""; 0]);
    assert!(upstream.seen().is_empty());
    // The count can count: the call itself asks once.
    chat(&mut keyward);
    assert_eq!(proxy.requests(), ["POST /"]);
}
