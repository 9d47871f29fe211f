//! What happens where the machine gives little, and where many call at once.

use serde_json::{Value, json};

use super::arrangement::{KEY, key_in_env};
use crate::support::{
    keyward::{LEGACY, Setup},
    upstream::{ANSWER, Dialect, FIXED_TEMPERATURE_MODEL, MODEL, Upstream},
};

#[test]
fn memory_that_must_be_locked_and_cannot_be_stops_the_start() {
    let limited = |lock: &str, arguments: &[&str]| {
        // Root may lock whatever the limit says, unless it is without that capability.
        let without: &[&str] = match nix::unistd::geteuid().is_root() {
            true => &[
                "setpriv",
                "--inh-caps=-ipc_lock",
                "--bounding-set=-ipc_lock",
            ],
            false => &[],
        };
        Setup::with_config(&format!("memory: {{ lock: {lock} }}\n"))
            .through([without, &["prlimit", "--memlock=4096:4096"]].concat())
            .run(arguments)
    };
    for command in [&["serve"][..], &["check"], &["secrets", "check"]] {
        let refused = limited("require", command);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        for said in ["lock: prefer", "64 KiB", "memlock"] {
            assert!(refused.stderr.contains(said), "{refused:?}");
        }
    }
    let warned = limited("prefer", &["check"]);
    assert!(
        warned.status.success() && warned.stdout.contains("memlock"),
        "{warned:?}"
    );
    let off = limited("off", &["check"]);
    assert!(
        off.status.success() && !off.stdout.contains("memlock"),
        "{off:?}"
    );
    assert!(off.stdout.contains("memory.lock: off"), "{off:?}");
}

#[test]
fn a_hundred_calls_at_once_are_answered_however_little_memory_may_be_locked() {
    for limit in ["0", "65536"] {
        let upstream = Upstream::start(Dialect::OpenAi, Some(KEY));
        let launcher = ["prlimit".to_owned(), format!("--memlock={limit}:{limit}")];
        let mut keyward = key_in_env(&upstream).through(launcher).serve();
        keyward.initialize(LEGACY);
        let chat = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
        let calls: Vec<u64> = (0..100)
            .map(|_| keyward.start_request("tools/call", chat.clone()))
            .collect();
        for call in calls {
            let answer = keyward.answer_to(call);
            assert_eq!(
                answer["result"]["structuredContent"]["answer"], ANSWER,
                "{limit}: {answer}"
            );
        }
        assert_eq!(upstream.keys(), vec![Some(KEY.to_owned()); 100]);
        // Root may lock what it likes, so only an ordinary user is warned.
        if !nix::unistd::geteuid().is_root() && limit == "0" {
            let log = keyward.process.stderr();
            assert!(log.to_lowercase().contains("memlock"), "{log}");
        }
    }
}

fn ask(dialect: Dialect, arguments: Value) -> (Value, Upstream) {
    let upstream = Upstream::start(dialect, Some(KEY));
    let mut setup = key_in_env(&upstream);
    let settings = std::fs::read_to_string(setup.config_file()).unwrap();
    let models = format!("{{ name: {FIXED_TEMPERATURE_MODEL}, temperature: fixed }}");
    let mut settings = settings.replace(
        "models: [stand-in]",
        &format!("models: [{MODEL}, {models}]"),
    );
    if dialect == Dialect::Ollama {
        let field = "max_tokens_field: max_tokens\n      include_usage: false";
        settings = settings.replace("max_tokens_field: max_completion_tokens", field);
    }
    setup = crate::support::keyward::Setup::with_config(&settings).env("STAND_IN_KEY", KEY);
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    (keyward.call("chat", arguments)["result"].clone(), upstream)
}

#[test]
fn each_dialect_is_spoken_to_its_own_vendor() {
    let arguments = json!({
        "prompt": "ping", "model": MODEL, "temperature": 0.5, "max_output_tokens": 9,
        "system_prompt": "Be brief.",
    });
    for (dialect, field) in [
        (Dialect::OpenAi, "max_completion_tokens"),
        (Dialect::Ollama, "max_tokens"),
    ] {
        let (result, upstream) = ask(dialect, arguments.clone());
        assert_eq!(
            result["structuredContent"]["answer"], ANSWER,
            "{dialect:?}: {result}"
        );
        let usage = json!({ "input_tokens": 7, "output_tokens": 5 });
        assert_eq!(result["structuredContent"]["usage"], usage, "{dialect:?}");
        assert_eq!(
            result["structuredContent"]["finish_reason"], "stop",
            "{dialect:?}"
        );
        assert_eq!(upstream.seen()[0].body[field], 9, "{dialect:?}");
    }
}

#[test]
fn limits_that_were_not_asked_for_are_not_sent() {
    let (result, upstream) = ask(Dialect::OpenAi, json!({ "prompt": "ping", "model": MODEL }));
    assert_eq!(result["isError"], false, "{result}");
    let body = &upstream.seen()[0].body;
    for field in ["max_tokens", "max_completion_tokens", "temperature"] {
        assert!(body.get(field).is_none(), "{body}");
    }
}

#[test]
fn a_temperature_that_a_model_does_not_take_is_an_argument_error() {
    let arguments =
        json!({ "prompt": "ping", "model": FIXED_TEMPERATURE_MODEL, "temperature": 0.5 });
    let (result, upstream) = ask(Dialect::OpenAi, arguments);
    assert_eq!(result["isError"], true, "{result}");
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("temperature"),
        "{result}"
    );
    assert!(upstream.seen().is_empty());
}
