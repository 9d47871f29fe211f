//! What settings become, and which are refused.

use super::*;
use crate::models::Temperature;

fn read(yaml: &str) -> ModelsSettings {
    serde_saphyr::from_str(yaml).unwrap()
}

fn one(yaml: &str) -> ProviderConfig {
    resolve(&read(yaml), |_| KeyState::None).unwrap().remove(0)
}

/// The paths of the refused keys.
fn refused(yaml: &str) -> Vec<String> {
    validate(&read(yaml))
        .iter()
        .map(|problem| problem.path.join("."))
        .collect()
}

#[test]
fn a_well_known_provider_needs_nothing_but_its_name() {
    let openai = one("providers: { openai: {} }");
    assert_eq!(openai.base_url.as_str(), "https://api.openai.com/v1");
    assert_eq!(openai.protocol.name(), "openai-responses");
    assert_eq!(openai.secret.unwrap().as_str(), "openai");
    assert_eq!(openai.max_tokens_field, MaxTokensField::MaxCompletionTokens);
    assert_eq!(openai.models[0].temperature, Temperature::Fixed);
}

#[test]
fn the_documented_shape_is_understood() {
    let settings = read(
        "default: auto\nproviders:\n  openai: { protocol: openai, base_url: \
         \"https://api.openai.com/v1\", secret: openai, connections: strict, models: [gpt-5] }\n  \
         local: { protocol: openai, base_url: \"http://127.0.0.1:11434/v1\", models: \
         [\"qwen3:32b\"] }\n",
    );
    let providers = resolve(&settings, |_| KeyState::None).unwrap();
    let [openai, local] = providers.as_slice() else {
        panic!("{providers:?}")
    };
    // The preset's facts hold, since its address is the same.
    assert_eq!(openai.models[0].temperature, Temperature::Fixed);
    assert_eq!(openai.max_tokens_field, MaxTokensField::MaxCompletionTokens);
    assert_eq!(local.secret, None);
    assert_eq!(local.max_tokens_field, MaxTokensField::MaxTokens);
    assert!(local.include_usage && local.is_loopback());
}

#[test]
fn a_presets_key_does_not_follow_to_another_address() {
    for elsewhere in [
        "openai: { base_url: \"https://evil.example/v1\", models: [m] }",
        "openai: { base_url: \"https://api.openai.com.evil.example/v1\", models: [m] }",
        "openai: { base_url: \"http://api.openai.com/v1\", models: [m], allow_plaintext: true }",
        "mine: { preset: openai, base_url: \"https://evil.example/v1\" }",
    ] {
        let provider = one(&format!("providers: {{ {elsewhere} }}"));
        assert_eq!(provider.secret, None, "{elsewhere}");
    }
    let named = one("providers: { mine: { preset: openai } }");
    assert_eq!(named.secret.unwrap().as_str(), "openai");
    let slash = one("providers: { openai: { base_url: \"https://api.openai.com/v1/\" } }");
    assert_eq!(slash.secret.unwrap().as_str(), "openai");
}

#[test]
fn prompts_do_not_leave_the_private_network_in_clear_text() {
    let to = |base: &str, more: &str| {
        refused(&format!(
            "providers: {{ a: {{ base_url: \"{base}\", models: [m] {more} }} }}"
        ))
    };
    for here in [
        "http://10.0.0.1/v1",
        "http://ollama:11434/v1",
        "http://127.0.0.1/v1",
    ] {
        assert!(to(here, "").is_empty(), "{here}");
    }
    for there in ["http://8.8.8.8/v1", "http://models.example/v1"] {
        assert_eq!(to(there, ""), ["models.providers.a.base_url"], "{there}");
        assert!(to(there, ", allow_plaintext: true").is_empty(), "{there}");
    }
}

#[test]
fn headers_say_who_asks_and_carry_no_key() {
    let with =
        |headers: &str| format!("providers: {{ openrouter: {{ headers: {{ {headers} }} }} }}");
    let config = one(&with(
        "HTTP-Referer: 'https://team.example', X-OpenRouter-Title: Team",
    ));
    assert_eq!(config.headers["http-referer"], "https://team.example");
    for wrong in [
        "Authorization: Bearer",
        "X-API-KEY: x",
        "cookie: a=b",
        "X-Mine: sk-0123456789abcdef0123456789abcdef",
        "'two words': x",
        "X-Line: \"a\\nb\"",
    ] {
        assert_eq!(refused(&with(wrong)).len(), 1, "{wrong}");
    }
}

#[test]
fn a_key_is_not_sent_in_clear_text_to_another_machine() {
    let with = |base: &str, more: &str| {
        format!("providers: {{ a: {{ base_url: \"{base}\", models: [m] {more} }} }}")
    };
    for here in [
        "http://127.0.0.1:1/v1",
        "http://127.9.9.9/v1",
        "http://[::1]:1/v1",
        "http://localhost/v1",
    ] {
        assert!(refused(&with(here, ", secret: k")).is_empty(), "{here}");
    }
    for there in [
        "http://10.0.0.1/v1",
        "http://localhost.evil.example/v1",
        "http://vault.localhost/v1",
        "http://example/v1",
    ] {
        assert_eq!(
            refused(&with(there, ", secret: k")),
            ["models.providers.a.base_url"]
        );
        assert!(refused(&with(there, ", secret: k, allow_plaintext: true")).is_empty());
    }
}

#[test]
fn addresses_that_carry_secrets_or_lead_nowhere_are_refused() {
    for base in [
        "https://user@h/v1",
        "https://user:pass@h/v1",
        "https://h/v1?key=x",
        "https://h/v1#x",
        "ftp://h/v1",
        "file:///v1",
        "h/v1",
        "https://",
    ] {
        let yaml = format!("providers: {{ a: {{ base_url: \"{base}\", models: [m] }} }}");
        assert_eq!(refused(&yaml), ["models.providers.a.base_url"], "{base}");
    }
    assert_eq!(
        refused("providers: { a: { models: [m] } }"),
        ["models.providers.a.base_url"]
    );
}

#[test]
fn no_problem_repeats_a_refused_value() {
    let key = "sk-proj-0123456789abcdefghij";
    let settings = read(&format!(
        "default: {key}\nproviders:\n  a: {{ base_url: \"https://{key}@h/v1\", \
         preset: {key}, models: [] }}\n  b: {{ base_url: \"{key}\", models: [auto] }}\n"
    ));
    let problems = validate(&settings);
    assert!(problems.len() >= 4, "{problems:?}");
    assert!(!format!("{problems:?}").contains(key));
    let pasted = format!("providers: {{ a: {{ secret: {key} }} }}");
    assert!(serde_saphyr::from_str::<ModelsSettings>(&pasted).is_err());
}

#[test]
fn model_lists_are_checked() {
    let list = |models: &str| {
        refused(&format!(
            "providers: {{ a: {{ base_url: \"https://h/v1\", models: {models} }} }}"
        ))
    };
    assert_eq!(list("[]"), ["models.providers.a.models"]);
    assert_eq!(list("[m, auto]"), ["models.providers.a.models.1"]);
    assert_eq!(list("[m, M]"), ["models.providers.a.models.1"]);
    assert_eq!(
        list("[m, { name: n, aliases: [m] }]"),
        ["models.providers.a.models.1"]
    );
    assert_eq!(list("[\"\"]"), ["models.providers.a.models.0"]);
    assert!(list("[\"qwen3:32b\", vendor/model, \"vendor/model:free\"]").is_empty());
}

#[test]
fn what_is_written_wins_over_the_catalogue() {
    let provider = one(
        "providers: { openai: { max_tokens_field: max_tokens, include_usage: false, models: \
         [{ name: gpt-5, temperature: free, aliases: [five] }] } }",
    );
    assert_eq!(provider.max_tokens_field, MaxTokensField::MaxTokens);
    assert!(!provider.include_usage);
    let facts = &provider.models[0];
    assert_eq!(
        (facts.temperature, facts.max_output_tokens),
        (Temperature::Free, Some(128_000))
    );
    assert!(facts.answers_to("FIVE"));
}

#[test]
fn without_settings_a_vendor_appears_when_its_key_is_bound() {
    let settings = ModelsSettings::default();
    let bound = |name: &SecretName| match name.as_str() {
        "xai" | "openai" => KeyState::Bound,
        "gemini" => KeyState::Configured,
        _ => KeyState::None,
    };
    let names: Vec<_> = resolve(&settings, bound)
        .unwrap()
        .into_iter()
        .map(|provider| provider.name)
        .collect();
    assert_eq!(names, ["openai", "xai"]);
    assert!(resolve(&settings, |_| KeyState::None).unwrap().is_empty());
}

#[test]
fn the_default_must_be_a_model() {
    assert_eq!(refused("default: nonesuch"), ["models.default"]);
    assert!(refused("default: gpt-5").is_empty());
    assert!(refused("default: AUTO").is_empty());
    let local = "providers: { local: { base_url: \"http://127.0.0.1/v1\", models: [m] } }";
    assert_eq!(
        refused(&format!("default: gpt-5\n{local}")),
        ["models.default"]
    );
    assert!(refused(&format!("default: local/m\n{local}")).is_empty());
}

#[test]
fn a_proxy_is_an_address_and_sees_nothing_but_a_connection() {
    let with = |base: &str, proxy: &str| {
        refused(&format!(
            "providers: {{ a: {{ base_url: \"{base}\", models: [m], proxy: \"{proxy}\" }} }}"
        ))
    };
    assert!(with("https://a.example/v1", "http://proxy.example:3128").is_empty());
    for (base, proxy) in [
        ("https://a.example/v1", "proxy.example"),
        ("https://a.example/v1", "http://user:word@proxy.example"),
        ("https://a.example/v1", "socks5://proxy.example"),
        ("https://a.example/v1", "http://proxy.example/path"),
        ("http://10.0.0.1/v1", "http://proxy.example"),
        ("https://127.0.0.1/v1", "http://proxy.example"),
    ] {
        assert_eq!(
            with(base, proxy),
            ["models.providers.a.proxy"],
            "{base} {proxy}"
        );
    }
}

#[test]
fn a_presets_key_does_not_follow_to_another_protocols_address() {
    for entry in [
        "anthropic: { protocol: bedrock, region: us-east-1 }",
        "gemini: { protocol: vertex, project: p, region: us-central1 }",
        "openai: { protocol: vertex, project: p, region: us-central1 }",
        "mine: { preset: anthropic, protocol: bedrock, region: us-east-1 }",
        "dial: { base_url: \"https://dial.example\" }",
    ] {
        assert_eq!(
            one(&format!("providers: {{ {entry} }}")).secret,
            None,
            "{entry}"
        );
    }
    for (entry, secret) in [
        ("bedrock: { region: us-east-1 }", "bedrock"),
        ("vertex: { project: p, region: eu }", "vertex"),
        ("openai: { protocol: openai }", "openai"),
    ] {
        let config = one(&format!("providers: {{ {entry} }}"));
        assert_eq!(config.secret.unwrap().as_str(), secret, "{entry}");
    }
    let dial = one("providers: { dial: { base_url: \"https://dial.example\", secret: mine } }");
    assert_eq!(
        (dial.protocol.name(), dial.models.is_empty()),
        ("dial", false)
    );
}

#[test]
fn a_models_name_is_one_that_stays_what_it_is_in_an_address() {
    for wrong in [
        "a b",
        "a\\tb",
        "..",
        "a/../b",
        "a//b",
        "auto:cheap",
        "AUTO",
        "ü",
    ] {
        let yaml =
            format!("providers: {{ a: {{ base_url: \"https://a/v1\", models: [\"{wrong}\"] }} }}");
        assert_eq!(refused(&yaml), ["models.providers.a.models.0"], "{wrong}");
    }
}

#[test]
fn a_client_certificate_has_its_key_and_goes_over_https_on_connections_that_end() {
    let shown = "client_certificate_file: c.pem, client_key_secret: k";
    let at = |scheme: &str, more: &str| {
        format!("providers: {{ a: {{ base_url: \"{scheme}://a.example\", models: [m], {more} }} }}")
    };
    let certificate = one(&at("https", shown)).client_certificate.unwrap();
    assert_eq!(certificate.file.to_str(), Some("c.pem"));
    assert_eq!(certificate.key.as_str(), "k");
    let path = |key: &str| vec![format!("models.providers.a.{key}")];
    for (more, key) in [
        ("client_certificate_file: c.pem", "client_certificate_file"),
        ("client_key_secret: k", "client_key_secret"),
        (&format!("{shown}, connections: pooled"), "connections"),
    ] {
        assert_eq!(refused(&at("https", more)), path(key), "{more}");
    }
    let clear = at("http", &format!("{shown}, allow_plaintext: true"));
    assert_eq!(refused(&clear), path("client_certificate_file"));
}

#[test]
fn a_hedge_is_neither_at_once_nor_behind_the_deadline() {
    let at = |more: &str| format!("providers: {{ openai: {{ {more} }} }}");
    let right = one(&at("hedge_after: 3s")).hedge_after;
    assert_eq!(right, Some(Duration::from_secs(3)));
    assert_eq!(one(&at("")).hedge_after, None);
    for wrong in ["hedge_after: 0s", "hedge_after: 99ms", "hedge_after: 60s"] {
        assert_eq!(
            refused(&at(wrong)),
            ["models.providers.openai.hedge_after"],
            "{wrong}"
        );
    }
}
