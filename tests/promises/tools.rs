//! What clients are shown: a list that every client can read, schemas that are the ones enforced,
//! and help that does not change by accident.

use std::process::Command;

use keyward::{guard::closed, tools::ToolDefinition};
use serde_json::{Value, json};

use crate::support::keyward::{LEGACY, Setup};

fn listed() -> Vec<Value> {
    let mut keyward = Setup::bare().serve();
    keyward.initialize(LEGACY);
    let answer = keyward.request("tools/list", json!({}));
    answer["result"]["tools"].as_array().unwrap().clone()
}

/// Every schema within `schema`, itself included.
fn schemas(schema: &Value) -> Vec<&Value> {
    let properties = schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(|all| all.values());
    let below = properties.chain(schema.get("items")).flat_map(schemas);
    std::iter::once(schema).chain(below).collect()
}

#[test]
fn the_list_of_tools_is_the_one_that_was_reviewed() {
    insta::assert_json_snapshot!(listed());
}

#[test]
fn every_client_can_read_every_tool() {
    for tool in listed() {
        let name = tool["name"].as_str().unwrap();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.len() <= 40 && name.chars().all(plain), "{name}");
        for root in [&tool["inputSchema"], &tool["outputSchema"]] {
            assert_eq!(root["type"], "object", "{name}");
            for schema in schemas(root) {
                // One type each, and none of what makes a client drop a tool or a whole list.
                assert!(schema["type"].is_string(), "{name}: {schema}");
                assert!(
                    schema["type"] != "array" || schema.get("items").is_some(),
                    "{schema}"
                );
                for breaking in [
                    "$ref",
                    "$defs",
                    "$schema",
                    "anyOf",
                    "oneOf",
                    "allOf",
                    "additionalProperties",
                ] {
                    assert!(
                        schema.get(breaking).is_none(),
                        "{name}: {breaking} in {schema}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_enforced_is_what_is_advertised_closed_at_every_object() {
    for tool in listed() {
        for key in ["inputSchema", "outputSchema"] {
            let mut enforced = closed(tool[key].as_object().unwrap());
            assert_ne!(enforced, tool[key], "closing changes something");
            open(&mut enforced);
            assert_eq!(enforced, tool[key]);
        }
    }
    // And the definitions in the tree are those that a client is shown.
    for (index, source) in [
        include_str!("../../src/tools/definitions/chat.json"),
        include_str!("../../src/tools/definitions/listmodels.json"),
        include_str!("../../src/tools/definitions/version.json"),
    ]
    .iter()
    .enumerate()
    {
        let definition = ToolDefinition::parse(source).unwrap();
        assert_eq!(
            listed()[index]["inputSchema"],
            json!(definition.input_schema)
        );
    }
}

fn open(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("additionalProperties");
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(open);
    }
    if let Some(items) = object.get_mut("items") {
        open(items);
    }
}

#[test]
fn help_is_what_was_reviewed() {
    let help = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        let output = command.args(arguments).env_clear().output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let commands: [&[&str]; 11] = [
        &["--help"],
        &["serve", "--help"],
        &["check", "--help"],
        &["secrets", "check", "--help"],
        &["policy", "explain", "--help"],
        &["policy", "test", "--help"],
        &["audit", "verify", "--help"],
        &["audit", "query", "--help"],
        &["audit", "hash", "--help"],
        &["demo", "--help"],
        &["version", "--help"],
    ];
    let all: Vec<String> = commands.iter().map(|arguments| help(arguments)).collect();
    insta::assert_snapshot!(all.join("\n----\n"));
}

#[test]
fn well_formed_json_of_the_wrong_shape_is_an_invalid_request_and_an_unknown_method_is_not_found() {
    let mut keyward = Setup::bare().serve();
    keyward.initialize(LEGACY);
    keyward.send(&json!({ "jsonrpc": "2.0", "id": 7, "method": 9 }));
    assert_eq!(keyward.read()["error"]["code"], -32600);
    assert_eq!(
        keyward.request("prompts/list", json!({}))["error"]["code"],
        -32601
    );
    assert_eq!(
        keyward.request("no/such", json!({}))["error"]["code"],
        -32601
    );
    let list = json!({ "name": "chat", "arguments": [] });
    assert_eq!(keyward.request("tools/call", list)["error"]["code"], -32602);
}
