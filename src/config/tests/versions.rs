//! What the documented surface promises for later is refused by name; what is in this version
//! loads.

use super::{check, findings, human};

#[test]
fn the_documented_surface_of_this_version_loads() {
    let text = r#"
server:
  http: { listen: "127.0.0.1:8787", path: /mcp, token_secret: http-token, allowed_hosts: [] }
secrets:
  chain: [env, vault, aws]
  providers:
    env:   { names: { openai: OPENAI_API_KEY } }
    vault:
      address: https://vault.example:8200
      namespace: team-a
      ca_file: ca.pem
      auth: { approle: { role_id: 5c1, secret_id_file: /run/secrets/secret_id } }
      lookup: "secret/ai/{name}#api_key"
    aws:   { region: eu-central-1, endpoint_url: null, lookup: "ai/{name}#api_key" }
  names:
    openai: { ref: "vault:secret/ai/openai#api_key", ttl: 0s }
    backup: { refs: ["env:BACKUP_KEY", "aws:prod/backup#api_key"] }
models:
  default: auto
  providers:
    openai: { protocol: openai, base_url: "https://api.openai.com/v1", secret: openai, connections: strict, models: [gpt-5] }
    local:  { protocol: openai, base_url: "http://127.0.0.1:11434/v1", models: ["qwen3:32b"] }
policy:    { default: allow, files: ["policies/*.yaml"] }
redaction: { to_model: { secrets: block } }
audit:     { on_failure: block, sinks: [ { file: { path: audit.jsonl } } ] }
workspace: { roots: ["."] }
"#;
    assert!(check(text).is_ok(), "{}", human(text));
}

#[test]
fn each_documented_section_of_a_later_version_is_refused_by_name() {
    for (text, key) in [
        ("conversations: { store: [\".\"] }", "conversations"),
        ("conversations:", "conversations"),
        ("telemetry: {}", "telemetry"),
    ] {
        let error = check(&format!("log: {{}}\n{text}\n")).unwrap_err().json();
        let problem = &error["problems"][0];
        assert_eq!(error["problems"].as_array().unwrap().len(), 1);
        assert_eq!(problem["file"], "/etc/keyward/config.yaml");
        assert_eq!(
            (&problem["line"], &problem["column"]),
            (&2.into(), &1.into())
        );
        assert_eq!(problem["path"], serde_json::json!([key]));
        assert_eq!(
            problem["message"],
            format!("`{key}` is not in this version of Keyward")
        );
        assert!(problem["help"].as_str().unwrap().starts_with("remove it"));
    }
    insta::assert_snapshot!(human("conversations: { store: [\".\"] }\n"));
}

#[test]
fn settings_of_a_later_version_are_refused_by_name() {
    for (text, said) in [
        (
            "secrets: { names: { a: { ref: 'env:A', ttl: often } } }",
            "expected a duration",
        ),
        (
            "secrets: { stale_if_error: 5s }",
            "`stale_if_error` is not in this version",
        ),
        (
            "server: { http: { token_secret: t, tls: {} } }",
            "`tls` is not in this version",
        ),
    ] {
        let findings = findings(text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains(said), "{findings:?}");
    }
}
