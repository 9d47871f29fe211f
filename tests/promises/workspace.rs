//! Images by path: what is sent is a file of the workspace that the policy has judged and the audit
//! has kept, and nothing else of the machine.

use std::{fs, os::unix::fs::symlink, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    arrangement::KEY,
    guarded::{AUDIT, events, guarded, serve, text},
};
use crate::support::{
    keyward::{Keyward, LEGACY, Setup},
    upstream::{Dialect, Upstream},
};

const WORKSPACE: &str = "workspace: { roots: [pictures] }\n";

fn upstream() -> Upstream {
    Upstream::start(Dialect::OpenAi, Some(KEY))
}

/// The smallest file that is known for a PNG, with `more` in it.
fn png(more: &str) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n", more.as_bytes()].concat()
}

/// A server whose workspace is a folder with `square.png` in it.
fn arranged(upstream: &Upstream, sections: &str) -> Setup {
    let setup = guarded(upstream, sections);
    let pictures = pictures(&setup);
    fs::create_dir(&pictures).unwrap();
    fs::write(pictures.join("square.png"), png("square")).unwrap();
    setup
}

fn pictures(setup: &Setup) -> std::path::PathBuf {
    setup.folder().join("pictures")
}

fn show(keyward: &mut Keyward, image: &str) -> Value {
    let arguments = json!({ "prompt": "What is it?", "images": [image] });
    keyward.call("chat", arguments)["result"].clone()
}

#[test]
fn an_image_by_path_arrives_as_its_bytes_and_is_recorded() {
    let upstream = upstream();
    let mut keyward = serve(arranged(&upstream, &format!("{AUDIT}{WORKSPACE}")));
    let whole = pictures(&keyward.setup).join("square.png");
    for path in ["square.png", whole.to_str().unwrap()] {
        let result = show(&mut keyward, path);
        assert_eq!(result["isError"], false, "{path}: {result}");
    }
    let url = format!("data:image/png;base64,{}", STANDARD.encode(png("square")));
    for seen in upstream.seen() {
        let content = &seen.body["messages"][0]["content"];
        let images: Vec<&Value> = content
            .as_array()
            .unwrap()
            .iter()
            .filter(|part| part["type"] == "image_url")
            .map(|part| &part["image_url"]["url"])
            .collect();
        assert_eq!(images, [&url]);
    }
    assert_eq!(upstream.seen().len(), 2);
    let digest = Sha256::digest(png("square"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let size = png("square").len();
    let file = json!([{ "path": "pictures/square.png", "size": size, "sha256": digest }]);
    let accepted = events(&keyward.setup, "call_accepted");
    assert!(accepted.len() == 2 && accepted.iter().all(|record| record["files"] == file));
}

#[test]
fn what_is_no_image_of_the_workspace_is_not_sent_and_nothing_of_the_machine_is_told() {
    let upstream = upstream();
    let setup = arranged(&upstream, WORKSPACE);
    let folder = setup.folder().to_owned();
    let pictures = pictures(&setup);
    fs::write(folder.join("near.png"), png("outside")).unwrap();
    fs::write(pictures.join("text.png"), "OPENAI_API_KEY=canary").unwrap();
    fs::write(pictures.join("large.png"), png(&"x".repeat(5 << 20))).unwrap();
    symlink("../near.png", pictures.join("out.png")).unwrap();
    let mut keyward = serve(setup);
    let near = folder.join("near.png");
    for (path, told) in [
        ("absent.png", "is not there"),
        ("../near.png", "may not be read"),
        ("out.png", "may not be read"),
        (near.to_str().unwrap(), "is not in the workspace"),
        ("/proc/self/environ", "is not in the workspace"),
        (".", "is not a regular file"),
        ("text.png", "is no image"),
        ("large.png", "is too large"),
        ("file:///etc/passwd", "write an image as"),
        ("http://127.0.0.1/a.png", "write an image as"),
    ] {
        let result = show(&mut keyward, path);
        assert_eq!(result["isError"], true, "{path}: {result}");
        let text = text(&result);
        assert!(text.contains(told), "{path}: {text}");
        assert!(
            !text.contains(folder.to_str().unwrap()) && !text.contains("canary"),
            "{text}"
        );
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn without_a_workspace_no_file_is_read() {
    let upstream = upstream();
    let mut keyward = serve(arranged(&upstream, ""));
    let whole = pictures(&keyward.setup).join("square.png");
    for path in ["square.png", "pictures/square.png", whole.to_str().unwrap()] {
        let result = show(&mut keyward, path);
        assert!(text(&result).contains("`workspace.roots`"), "{result}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_policy_judges_files_by_what_they_are() {
    let upstream = upstream();
    let rules = "policy:\n  rules:\n    - id: small\n      when: { tools: [chat], direction: input }\n      \
                 condition: \"files.exists(f, f.kind == 'image' && f.size > 100)\"\n      action: deny\n      \
                 reason: Too large for here.\n";
    let setup = arranged(&upstream, &format!("{AUDIT}{WORKSPACE}{rules}"));
    fs::write(pictures(&setup).join("large.png"), png(&"x".repeat(101))).unwrap();
    let mut keyward = serve(setup);
    assert_eq!(show(&mut keyward, "square.png")["isError"], false);
    let result = show(&mut keyward, "large.png");
    assert!(text(&result).contains("Too large for here."), "{result}");
    assert_eq!(upstream.seen().len(), 1);
    let denied = &events(&keyward.setup, "call_ended")[1]["files"][0];
    assert_eq!(
        (&denied["path"], &denied["size"]),
        (&json!("pictures/large.png"), &json!(109))
    );
}

/// A rule that denies what is below `pictures/private`.
const PRIVATE: &str = "policy:\n  rules:\n    - id: private\n      when: { tools: [chat], direction: input }\n      \
                       condition: \"files.exists(f, f.path.startsWith('pictures/private/'))\"\n      \
                       action: deny\n";

#[test]
fn a_person_who_approves_is_told_which_file_it_is() {
    let upstream = upstream();
    let rules = PRIVATE.replace("deny", "require_approval");
    let setup = arranged(&upstream, &format!("{AUDIT}{WORKSPACE}{rules}"));
    let pictures = pictures(&setup);
    fs::create_dir(pictures.join("private")).unwrap();
    fs::write(pictures.join("private/face.png"), png("face")).unwrap();
    symlink("private/face.png", pictures.join("open.png")).unwrap();
    let (mut keyward, call, asked) = asking(setup, "open.png");
    let question = asked["params"]["message"].as_str().unwrap();
    let file = format!(
        "file: pictures/private/face.png ({} bytes)",
        png("face").len()
    );
    assert!(question.contains(&file), "{question}");
    keyward.send(&json!({
        "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "accept", "content": {} },
    }));
    assert_eq!(keyward.answer_to(call)["result"]["isError"], false);
    assert_eq!(upstream.seen().len(), 1);
}

/// A client that can ask a person shows an image; gives its call and the question.
fn asking(setup: Setup, image: &str) -> (Keyward, u64, Value) {
    let mut keyward = setup.serve();
    let params = json!({
        "protocolVersion": LEGACY, "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "asker", "version": "7" },
    });
    keyward.request("initialize", params);
    keyward.notify("notifications/initialized", json!({}));
    let arguments = json!({ "prompt": "look", "images": [image] });
    let call = keyward.start_request(
        "tools/call",
        json!({ "name": "chat", "arguments": arguments }),
    );
    let asked = keyward.read();
    (keyward, call, asked)
}

#[test]
fn an_approval_is_for_the_bytes_that_were_there_when_it_was_asked_for() {
    let upstream = upstream();
    let rules = PRIVATE.replace("deny", "require_approval");
    let setup = arranged(&upstream, &format!("{WORKSPACE}{rules}"));
    let file = pictures(&setup).join("private/face.png");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, png("face")).unwrap();
    let (mut keyward, _, asked) = asking(setup, "private/face.png");
    fs::write(&file, png("fake")).unwrap();
    keyward.send(&json!({
        "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "accept", "content": {} },
    }));
    // Whatever comes next, it is not the answer to what nobody has approved.
    let next = keyward.read();
    assert!(
        next["method"] == "elicitation/create" || next["result"]["isError"] == true,
        "{next}"
    );
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_file_that_is_not_read_is_told_in_the_audit_by_the_name_that_it_would_have() {
    let upstream = upstream();
    let mut keyward = serve(arranged(&upstream, &format!("{AUDIT}{WORKSPACE}")));
    show(&mut keyward, "./no/../absent.png");
    let ended = &events(&keyward.setup, "call_ended")[0];
    let detail = ended["detail"].as_str().unwrap();
    assert!(detail.contains("is not there"), "{ended}");
    assert!(detail.ends_with(": pictures/absent.png"), "{ended}");
}

#[test]
fn a_file_is_judged_by_where_it_is_however_its_path_is_written() {
    let upstream = upstream();
    let setup = arranged(&upstream, &format!("{WORKSPACE}{PRIVATE}"));
    let pictures = pictures(&setup);
    fs::create_dir(pictures.join("private")).unwrap();
    fs::write(pictures.join("private/face.png"), png("face")).unwrap();
    symlink("private", pictures.join("link")).unwrap();
    symlink("private/face.png", pictures.join("open.png")).unwrap();
    let mut keyward = serve(setup);
    let whole = pictures.join("./private/face.png");
    for path in [
        "private/face.png",
        "./private/face.png",
        "private/../private/./face.png",
        "link/face.png",
        "open.png",
        whole.to_str().unwrap(),
    ] {
        let result = show(&mut keyward, path);
        assert!(text(&result).contains("policy"), "{path}: {result}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn who_may_not_call_does_not_learn_which_files_there_are() {
    let upstream = upstream();
    for (rules, [here, absent]) in [
        ("policy: { default: deny }\n", ["square.png", "absent.png"]),
        (PRIVATE, ["private/face.png", "private/absent.png"]),
    ] {
        let setup = arranged(&upstream, &format!("{WORKSPACE}{rules}"));
        fs::create_dir(pictures(&setup).join("private")).unwrap();
        fs::write(pictures(&setup).join("private/face.png"), png("face")).unwrap();
        let mut keyward = serve(setup);
        let mut words = |image: &str| {
            let text = text(&show(&mut keyward, image)).to_owned();
            text.split(" (request id").next().unwrap().to_owned()
        };
        assert_eq!(words(here), words(absent), "{rules}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_rule_on_the_answer_sees_the_paths_that_the_call_named() {
    let upstream = upstream();
    let rules = "policy:\n  rules:\n    - id: hidden\n      when: { tools: [chat], direction: output }\n      \
                 condition: \"args.images.exists(i, i == 'square.png')\"\n      \
                 action: { filter_fields: [\"/usage\"] }\n";
    let mut keyward = serve(arranged(&upstream, &format!("{WORKSPACE}{rules}")));
    let result = show(&mut keyward, "square.png");
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(result["structuredContent"]["usage"], Value::Null);
}

#[test]
fn a_key_that_is_written_in_an_image_is_not_sent() {
    let upstream = upstream();
    let setup = arranged(&upstream, WORKSPACE);
    let key = format!("AKIA{}", "Q3ZJ7XW2PLM5RTVB");
    write(
        &pictures(&setup).join("key.png"),
        &png(&format!("tEXt aws_access_key_id = {key} ")),
    );
    let mut keyward = serve(setup);
    let result = show(&mut keyward, "key.png");
    assert!(text(&result).contains("looks like a secret"), "{result}");
    assert!(upstream.seen().is_empty());
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}
