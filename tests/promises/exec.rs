//! Keys that a command prints: it gets what its settings list and nothing else, it ends when the
//! call ends, and whatever it does wrong stops the call without being quoted.

use std::{
    fs::{Permissions, read_to_string, set_permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::arrangement::{KEY, chat_settings};
use crate::support::{
    environment::wait_for,
    keyward::{Keyward, LEGACY, Setup, write_private},
    upstream::{ANSWER, Dialect, Upstream},
};

/// A key that the upstream would refuse, and that no call may fall back to.
const FALLBACK: &str = "sk-fallback-0a1B2c3D4e5F6g7H8i9J";
/// What a command logs in with.
const LOGIN: &str = "ops_canary-3Vw8Lr";
/// What a command writes to standard error, and nobody sees.
const COMPLAINT: &str = "canary-complaint-7Hs2Jd";

/// The key's name is bound to `exec:script/key#…` and, behind it, to a variable that holds
/// [`FALLBACK`]. The command is the shell script `script`, whose first argument is the path; it
/// finds its own folder's files as `$0.NAME`. `command` are further lines of its settings, `more`
/// of the provider's.
fn arrange(upstream: &Upstream, place: &str, script: &str, command: &str, more: &str) -> Setup {
    let setup = Setup::with_config("");
    let program = setup.folder().join("script");
    write_private(&program, script);
    let settings = chat_settings(upstream, "env:X").replace(
        "ref: \"env:X\"",
        &format!("refs: [\"exec:{place}\", \"env:FALLBACK\"]"),
    );
    let provider = format!(
        "secrets:\n  providers:\n    exec:\n      commands:\n        script:\n          \
         argv: [/bin/sh, {program:?}, \"{{path}}\"]\n{command}{more}"
    );
    let settings = settings.replace("secrets:\n", &provider);
    write_private(setup.config_file(), &settings);
    setup.env("FALLBACK", FALLBACK)
}

fn serve(setup: Setup) -> Keyward {
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    keyward
}

fn chat(keyward: &mut Keyward) -> Value {
    keyward.call("chat", json!({ "prompt": "ping" }))["result"].clone()
}

fn upstream() -> Upstream {
    Upstream::start(Dialect::OpenAi, Some(KEY))
}

/// A script that prints the key.
fn prints(before: &str) -> String {
    format!("{before}\nprintf '%s\\n' {KEY}\n")
}

/// Calls once; the call must fail, tell the client `word` and the operator `words`, and ask neither
/// the next place nor the upstream.
#[track_caller]
fn assert_stops(script: &str, more: &str, word: &str, words: &str) -> Keyward {
    let upstream = upstream();
    let mut keyward = serve(arrange(&upstream, "script/key", script, "", more));
    let result = chat(&mut keyward);
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    let log = wait_for(|| Some(keyward.process.stderr()).filter(|log| log.contains(words)));
    assert!(text.contains("is unavailable (request id "), "{text:?}");
    let log = log.unwrap_or_else(|| panic!("{words:?} in\n{}", keyward.process.stderr()));
    assert!(log.contains(word), "{word:?} in\n{log}");
    assert!(!log.contains(COMPLAINT), "{log}");
    assert!(!text.contains(COMPLAINT), "{text}");
    assert!(upstream.seen().is_empty(), "{:?}", upstream.keys());
    keyward
}

/// The process ids that the script wrote, once it has written all of them.
fn started(folder: &Path) -> Vec<u32> {
    let ids = wait_for(|| {
        let text = read_to_string(folder.join("script.pids")).ok()?;
        let ids: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (ids.len() == 2).then_some(ids)
    });
    ids.expect("the command starts")
}

/// The command is reaped, and its child is dead, whoever has to reap that one.
#[track_caller]
fn assert_gone(ids: &[u32]) {
    let state = |id: &u32| {
        let text = read_to_string(format!("/proc/{id}/stat")).ok()?;
        text.rsplit(") ").next()?.chars().next()
    };
    let gone = wait_for(|| {
        let is_dead = state(&ids[0]).is_none() && matches!(state(&ids[1]), None | Some('Z'));
        is_dead.then_some(())
    });
    assert!(
        gone.is_some(),
        "{:?}",
        ids.iter().map(state).collect::<Vec<_>>()
    );
}

/// Does not end, and neither does its child.
const HANGS: &str = "/bin/sleep 1000 &\necho $$ > $0.pids\necho $! >> $0.pids\nwait\n";

#[test]
fn a_command_sees_only_what_is_listed_and_its_output_reaches_the_upstream() {
    let upstream = upstream();
    let script = prints(
        "tr '\\0' '\\n' < /proc/$$/environ > $0.environment\n\
         readlink /proc/$$/cwd > $0.folder\nreadlink /proc/$$/fd/0 > $0.input\n\
         ls -l /proc/self/fd > $0.open\nprintf '%s' \"$#:$1\" > $0.arguments\n\
         while read -r name set; do\n\
           case $name in SigBlk:|SigIgn:) echo $name $set; esac\n\
         done < /proc/$$/status > $0.signals",
    );
    let env =
        "          env: { pass: [PASSED, UNSET], secret: [LOGIN_TOKEN, NO_TOKEN, FALLBACK] }\n";
    let setup = arrange(&upstream, "script/team/key", &script, env, "")
        .env("PASSED", "a value")
        .env("LOGIN_TOKEN", LOGIN)
        .env("HELD_BACK", "another");
    let mut keyward = serve(setup);
    let result = chat(&mut keyward);
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
    assert_eq!(upstream.keys(), [Some(KEY.to_owned())]);
    let seen =
        |name: &str| read_to_string(keyward.setup.folder().join(format!("script.{name}"))).unwrap();
    // `FALLBACK` is taken for `env`, too; who lists it as the command's own means it.
    let environment = seen("environment");
    let mut variables: Vec<_> = environment.lines().collect();
    variables.sort_unstable();
    let (fallback, login) = (
        format!("FALLBACK={FALLBACK}"),
        format!("LOGIN_TOKEN={LOGIN}"),
    );
    assert_eq!(variables, [&*fallback, &*login, "PASSED=a value"]);
    assert_eq!(seen("folder"), "/\n");
    assert_eq!(seen("input"), "/dev/null\n");
    assert_eq!(seen("arguments"), "1:team/key");
    // The three that it was given, and the folder that `ls` itself has opened.
    let open = seen("open");
    let links = open.lines().filter(|line| line.contains(" -> "));
    assert_eq!(links.count(), 4, "{open}");
    // None is blocked or ignored, as Keyward ignores SIGPIPE; above 31 are the C library's own. The
    // shell reads this itself: while it starts another program it blocks them all.
    let signals = seen("signals");
    assert_eq!(signals.lines().count(), 2, "{signals}");
    for line in signals.lines() {
        let set = u64::from_str_radix(line.rsplit(' ').next().unwrap(), 16).unwrap();
        assert_eq!(set & 0x7fff_ffff, 0, "{line}");
    }
}

#[test]
fn a_name_without_a_reference_is_looked_up_and_a_field_is_picked() {
    let upstream = upstream();
    let script = format!("printf '{{\"for\": \"%s\", \"password\": \"{KEY}\"}}\\n' \"$1\"\n");
    let lookup = "      lookup: \"script/ai/{name}#password\"\n";
    let setup = arrange(&upstream, "script/x", &script, "", lookup);
    let settings = read_to_string(setup.config_file()).unwrap();
    let bound = "    stand-in: { refs: [\"exec:script/x\", \"env:FALLBACK\"] }\n";
    assert!(settings.contains(bound));
    let settings = settings.replace(bound, "");
    write_private(
        setup.config_file(),
        &settings.replace("secrets:\n", "secrets:\n  chain: [env, exec]\n"),
    );
    let result = chat(&mut serve(setup));
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
}

#[test]
fn a_command_that_hangs_is_killed_at_the_deadline_with_its_children() {
    let keyward = assert_stops(HANGS, "      timeout: 500ms\n", "in time", "`, 500ms");
    assert_gone(&started(keyward.setup.folder()));
}

#[test]
fn a_command_whose_caller_goes_away_is_killed_with_its_children() {
    let upstream = upstream();
    let arrange = || arrange(&upstream, "script/key", HANGS, "", "      timeout: 1h\n");
    let mut keyward = serve(arrange());
    let params = json!({ "name": "chat", "arguments": { "prompt": "ping" } });
    let call = keyward.start_request("tools/call", params.clone());
    let ids = started(keyward.setup.folder());
    keyward.notify("notifications/cancelled", json!({ "requestId": call }));
    assert_gone(&ids);
    assert!(keyward.request("ping", json!({})).get("result").is_some());

    let mut keyward = serve(arrange());
    keyward.start_request("tools/call", params);
    let ids = started(keyward.setup.folder());
    keyward.process.signal(Signal::SIGTERM);
    assert_eq!(keyward.process.wait().code(), Some(0));
    // Whoever reaps what Keyward leaves may take its time.
    assert_gone(&[u32::MAX, ids[0]]);
    assert_gone(&[u32::MAX, ids[1]]);
}

#[test]
fn a_command_that_never_stops_printing_is_killed() {
    let script = "echo $$ > $0.pids\necho $$ >> $0.pids\nexec /usr/bin/yes\n";
    let keyward = assert_stops(script, "", "malformed", "more than 16386 bytes");
    assert_gone(&started(keyward.setup.folder()));
    // Nor may it do so where nobody looks.
    let script = "echo $$ > $0.pids\necho $$ >> $0.pids\nexec /usr/bin/yes >&2\n";
    let keyward = assert_stops(script, "      timeout: 500ms\n", "in time", "`, 500ms");
    assert_gone(&started(keyward.setup.folder()));
}

#[test]
fn what_a_command_leaves_running_is_not_waited_for() {
    let upstream = upstream();
    let script = prints("/bin/sleep 1000 &\necho $! > $0.left");
    let setup = arrange(&upstream, "script/key", &script, "", "      timeout: 1h\n");
    let mut keyward = serve(setup);
    let result = chat(&mut keyward);
    let left = read_to_string(keyward.setup.folder().join("script.left")).unwrap();
    let left = nix::unistd::Pid::from_raw(left.trim().parse().unwrap());
    nix::sys::signal::kill(left, Signal::SIGKILL).unwrap();
    assert_eq!(result["structuredContent"]["answer"], ANSWER, "{result}");
}

#[test]
fn an_exit_code_stops_the_call_unless_it_is_listed_as_not_found() {
    let complaint = format!("echo {COMPLAINT} >&2\necho {KEY}\n");
    let words = "exit code 3; it wrote 24 bytes";
    assert_stops(
        &format!("{complaint}exit 3\n"),
        "",
        "the store failed",
        words,
    );
    let words = "ended by signal 15; it wrote 24 bytes";
    assert_stops(
        &format!("{complaint}kill $$\n"),
        "",
        "the store failed",
        words,
    );
    assert_stops("exit 0\n", "", "malformed", "printed nothing");
    assert_stops(
        &format!("echo {COMPLAINT}\necho\n"),
        "",
        "malformed",
        "line break",
    );
    assert_stops(
        &format!("echo '{{\"a\": \"{COMPLAINT}\"}}'\n"),
        "",
        "malformed",
        "object",
    );

    let upstream = upstream();
    let codes = "          not_found_exit_codes: [3, 44]\n";
    let script = format!("{complaint}exit 44\n");
    let setup = arrange(&upstream, "script/key", &script, codes, "");
    chat(&mut serve(setup));
    assert_eq!(upstream.keys(), [Some(FALLBACK.to_owned())]);
}

#[test]
fn a_program_that_others_may_change_is_not_run() {
    let upstream = upstream();
    for (mode, word) in [
        (0o770, "permissions"),
        (0o702, "permissions"),
        (0o600, "misconfigured"),
    ] {
        let setup = arrange(&upstream, "script/key", &prints("echo > $0.ran"), "", "");
        let program = setup.folder().join("script");
        set_permissions(&program, Permissions::from_mode(mode)).unwrap();
        let settings = read_to_string(setup.config_file()).unwrap();
        write_private(setup.config_file(), &settings.replace("/bin/sh, ", ""));
        let mut keyward = serve(setup);
        let result = chat(&mut keyward);
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("is unavailable"), "{mode:o}: {text}");
        let log = keyward.process.stderr();
        assert!(log.contains(word), "{mode:o}: {log}");
        assert!(!keyward.setup.folder().join("script.ran").exists());
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn what_could_run_something_else_is_refused_at_load() {
    let upstream = upstream();
    let refused = |place: &str, edit: (&str, &str), said: &str| {
        let setup = arrange(&upstream, place, "exit 1\n", "", "");
        let settings = read_to_string(setup.config_file()).unwrap();
        assert!(settings.contains(edit.0));
        write_private(setup.config_file(), &settings.replace(edit.0, edit.1));
        let ended = setup.run(&["check"]);
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!ended.status.success(), "{place}: {shown}");
        let words = shown.split_whitespace().filter(|word| *word != "│");
        let shown = words.collect::<Vec<_>>().join(" ");
        assert!(shown.contains(said), "{place}, {said:?} in {shown}");
    };
    let same = ("/bin/sh", "/bin/sh");
    refused("script/-rf", same, "begins with a letter");
    refused("script/a/../b", same, "`..` segments");
    refused("script/a;b", same, "letters, digits and");
    refused("other/key", same, "no command has this name");
    refused("script/key", ("/bin/sh", "sh"), "PATH is not searched");
    for (env, said) in [
        ("pass: [FALLBACK]", "secret of Keyward's own"),
        (
            "pass: [OP_SERVICE_ACCOUNT_TOKEN]",
            "list it under `env.secret`",
        ),
        ("secret: [VAULT_TOKEN]", "a login of Keyward's own"),
        ("secret: [\"OP TOKEN\"]", "never its value"),
    ] {
        let lines = format!(
            "argv: [/bin/x, \"{{path}}\"]\n          env: {{ {env} }}\n          \
             not_found_exit_codes: [1] #"
        );
        refused("script/key", ("argv: [", &lines), said);
    }
}

#[test]
fn a_secret_variable_that_no_program_could_be_given_stops_the_call_unquoted() {
    let upstream = upstream();
    let env = "          env: { secret: [LOGIN_TOKEN] }\n";
    let setup = arrange(&upstream, "script/key", &prints(""), env, "");
    let mut keyward = serve(setup.env("LOGIN_TOKEN", format!("{COMPLAINT}\nmore")));
    let result = chat(&mut keyward);
    assert_eq!(result["isError"], true, "{result}");
    keyward.close();
    let log = keyward.process.stderr_to_end();
    assert!(
        log.contains("`LOGIN_TOKEN` holds a control character"),
        "{log}"
    );
    assert!(!log.contains(COMPLAINT), "{log}");
    assert!(upstream.seen().is_empty(), "{:?}", upstream.keys());
}
