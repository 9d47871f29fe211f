//! Which provider and model a name selects, with a store that is never asked.

use futures_util::future::BoxFuture;

use super::*;
use crate::secrets::{
    Reference, SecretName, SecretsSettings, Unrecorded,
    memory::Pool,
    providers::{Fetch, Lookup, Presence, ProviderError, SecretProvider},
};

/// A store in which `bound` is present, `remote` may be, and nothing else is. Fetching is a
/// mistake of the test.
struct Store;

impl SecretProvider for Store {
    fn name(&self) -> &'static str {
        "env"
    }

    fn locate(&self, name: &SecretName) -> Option<Reference> {
        format!("env:{name}").parse().ok()
    }

    fn validate(&self, _: &Reference) -> Result<(), String> {
        Ok(())
    }

    fn presence(&self, reference: &Reference) -> Presence {
        match reference.path() {
            "bound" => Presence::Bound,
            "remote" => Presence::Unknown,
            _ => Presence::Absent,
        }
    }

    fn fetch<'a>(&'a self, _: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        panic!("a list fetches nothing")
    }
}

fn models(yaml: &str) -> Models {
    models_with(&SecretsSettings::default(), yaml)
}

fn models_with(secrets: &SecretsSettings, yaml: &str) -> Models {
    let settings = serde_saphyr::from_str(yaml).unwrap();
    let broker = Broker::new(
        secrets,
        vec![Arc::new(Store)],
        Pool::reserve(),
        Arc::new(Unrecorded),
    );
    Models::new(
        &settings,
        Arc::new(broker.unwrap()),
        None,
        &ModelMetrics::default(),
    )
    .unwrap()
}

/// A call to which the policy has nothing to say.
fn asking(identity: &CallIdentity) -> Asker<'_> {
    Asker {
        identity,
        may_ask: &|_, _| true,
    }
}

fn selected(models: &Models, name: Option<&str>) -> (String, String) {
    let selected = models.select(name, None, &[]).unwrap();
    (selected.provider.name().to_owned(), selected.model)
}

const THREE: &str = "
providers:
  zeta: { base_url: 'https://z/v1', secret: absent, models: [big, { name: shared, aliases: [s] }] }
  mid: { base_url: 'https://m/v1', secret: remote, models: ['qwen3:32b', vendor/model] }
  alpha: { base_url: 'https://a/v1', secret: bound, models: [shared, small] }
";

#[test]
fn auto_is_the_first_model_of_the_first_provider_that_has_a_key() {
    let three = models(THREE);
    assert_eq!(
        selected(&three, None),
        ("mid".to_owned(), "qwen3:32b".to_owned())
    );
    assert_eq!(selected(&three, Some("AUTO")).0, "mid");
    let open = "{ providers: { local: { base_url: 'http://127.0.0.1/v1', models: [m] } } }";
    assert_eq!(
        selected(&models(open), None),
        ("local".to_owned(), "m".to_owned())
    );
    let default = models(&format!("default: small\n{THREE}"));
    assert_eq!(selected(&default, None).0, "alpha");
    assert_eq!(selected(&default, Some("auto")).0, "mid");
}

#[test]
fn auto_passes_over_a_provider_whose_key_this_call_may_not_use() {
    let secrets = "{ names: { remote: { allowed_principals: [alice], allowed_tools: [chat] } } }";
    let three = models_with(&serde_saphyr::from_str(secrets).unwrap(), THREE);
    let selected = |name: &str, tool: &str, principal: &str| {
        let asker = CallIdentity {
            request_id: String::new(),
            tool: tool.into(),
            principal: principal.into(),
        };
        let selected = three.select(Some(name), Some(asking(&asker)), &[]).unwrap();
        selected.provider.name().to_owned()
    };
    assert_eq!(selected("auto", "chat", "alice"), "mid");
    assert_eq!(selected("auto", "chat", "bob"), "alpha");
    assert_eq!(selected("auto", "other", "alice"), "alpha");
    // Who names a model is told that it is not theirs, rather than given another.
    assert_eq!(selected("qwen3:32b", "chat", "bob"), "mid");
}

#[test]
fn where_auto_may_use_nothing_the_first_provider_says_why() {
    let secrets = "{ names: { remote: { allowed_tools: [a] }, bound: { allowed_tools: [b] } } }";
    let three = models_with(&serde_saphyr::from_str(secrets).unwrap(), THREE);
    let asker = CallIdentity {
        request_id: String::new(),
        tool: "chat".into(),
        principal: "local".into(),
    };
    let selected = three.select(None, Some(asking(&asker)), &[]).unwrap();
    assert_eq!(selected.provider.name(), "mid");
}

#[test]
fn a_model_is_found_by_name_alias_and_provider_in_any_case() {
    let three = models(THREE);
    for (asked, provider, model) in [
        ("BIG", "zeta", "big"),
        ("S", "zeta", "shared"),
        ("shared", "zeta", "shared"),
        ("alpha/shared", "alpha", "shared"),
        ("Qwen3:32B", "mid", "qwen3:32b"),
        ("vendor/model", "mid", "vendor/model"),
        ("mid/vendor/model", "mid", "vendor/model"),
    ] {
        assert_eq!(
            selected(&three, Some(asked)),
            (provider.to_owned(), model.to_owned())
        );
    }
}

#[test]
fn an_unknown_model_is_answered_with_its_neighbours() {
    let error = models(THREE)
        .select(Some("qwen3-32b"), None, &[])
        .unwrap_err();
    assert_eq!(error.code(), "unknown_model");
    assert!(
        error.to_string().contains("the nearest are `qwen3:32b`"),
        "{error}"
    );
    assert!(error.to_string().contains("`listmodels`"), "{error}");
}

#[test]
fn the_list_tells_where_a_key_is_and_fetches_none() {
    let list = models(THREE).list();
    let keys: Vec<_> = list
        .iter()
        .map(|line| (line.model.as_str(), line.key))
        .collect();
    let expected = [
        ("big", "none"),
        ("shared", "none"),
        ("qwen3:32b", "configured"),
        ("vendor/model", "configured"),
        ("shared", "bound"),
        ("small", "bound"),
    ];
    assert_eq!(keys, expected);
    assert_eq!(list[1].aliases, ["s"]);
}

#[test]
fn without_any_provider_the_error_says_what_to_set() {
    let none = models("default: auto");
    assert!(none.list().is_empty());
    let error = none.select(None, None, &[]).unwrap_err();
    assert_eq!(error.code(), "no_model_available");
    assert!(error.to_string().contains("OPENAI_API_KEY"), "{error}");
}

const RANKED: &str = "
providers:
  one:
    base_url: 'https://o/v1'
    secret: bound
    models:
      - { name: middling, intelligence: 12, speed: balanced, context_window: 100000, abilities: [images], price: { input: 1, output: 4, as_of: 2026-01-01 } }
      - { name: strong-slow, intelligence: 19, speed: slow, context_window: 200000, abilities: [], price: { input: 9, output: 40, as_of: 2026-01-01 } }
      - { name: retired, intelligence: 20, speed: fast, context_window: 900000, abilities: [images], deprecated: 2026-01-01 }
  two:
    base_url: 'https://t/v1'
    secret: bound
    models:
      - { name: quick, intelligence: 9, speed: fast, context_window: 50000, abilities: [], price: { input: 0.1, output: 0.4, as_of: 2026-01-01 } }
      - { name: long, intelligence: 8, speed: balanced, context_window: 800000, price: { input: 2, output: 2, as_of: 2026-01-01 } }
      - unknown
";

#[test]
fn a_category_prefers_what_it_says_and_never_what_is_shut_down() {
    let ranked = models(RANKED);
    for (category, model) in [
        ("auto", "middling"),
        ("auto:deep", "strong-slow"),
        ("auto:balanced", "middling"),
        ("auto:fast", "quick"),
        ("AUTO:Cheap", "quick"),
        ("auto:long-context", "long"),
        ("auto:vision", "middling"),
        ("retired", "retired"),
    ] {
        assert_eq!(selected(&ranked, Some(category)).1, model, "{category}");
    }
    let unknown = ranked.select(Some("auto:cheep"), None, &[]).unwrap_err();
    assert!(unknown.to_string().contains("`auto:cheap`"), "{unknown}");
    // What a call needs is needed of each category; nobody knows that `long` reads no images.
    let seeing = ranked
        .select(Some("auto:cheap"), None, &[Ability::Images])
        .unwrap();
    assert_eq!(seeing.model, "middling");
}

#[test]
fn a_tag_and_a_vendor_are_part_of_a_name_and_never_an_option() {
    let three = models(THREE);
    assert_eq!(
        selected(&three, Some("QWEN3:32B")),
        ("mid".to_owned(), "qwen3:32b".to_owned())
    );
    assert_eq!(selected(&three, Some("vendor/model")).1, "vendor/model");
    assert_eq!(selected(&three, Some("mid/vendor/model")).1, "vendor/model");
    assert_eq!(selected(&three, Some("alpha/shared")).0, "alpha");
    for unknown in ["qwen3", "qwen3:latest", "vendor/other", "other/model"] {
        assert!(three.select(Some(unknown), None, &[]).is_err(), "{unknown}");
    }
}

#[test]
fn models_that_are_not_listed_are_asked_for_only_where_that_is_allowed() {
    let router = |more: &str| {
        models(&format!(
            "{{ providers: {{ router: {{ base_url: 'https://r/v1', secret: bound, models: [a/one], {more} }} }} }}"
        ))
    };
    let open = router("unlisted_models: true");
    assert_eq!(selected(&open, Some("b/Two")).1, "b/Two");
    assert_eq!(selected(&open, Some("router/b/two")).1, "b/two");
    assert_eq!(selected(&open, Some("A/ONE")).1, "a/one");
    assert!(router("").select(Some("b/two"), None, &[]).is_err());
    let some = router("unlisted_models: true, allowed_models: ['a/*', 'b/two']");
    assert_eq!(selected(&some, Some("b/TWO")).1, "b/TWO");
    assert!(some.select(Some("b/three"), None, &[]).is_err());
}

#[test]
fn allowed_models_leave_the_others_out_by_name_and_alias() {
    let three = THREE.replace("secret: absent,", "secret: absent, allowed_models: [S],");
    let three = models(&three);
    assert!(three.select(Some("big"), None, &[]).is_err());
    assert_eq!(
        selected(&three, Some("s")),
        ("zeta".to_owned(), "shared".to_owned())
    );
    assert_eq!(
        three
            .list()
            .iter()
            .filter(|model| model.provider == "zeta")
            .count(),
        1
    );
}

#[test]
fn who_is_asked_instead_is_configured_by_name() {
    let three = models(&format!(
        "fallbacks: {{ s: [small, alpha/shared, s] }}\n{THREE}"
    ));
    let first = three.select(Some("zeta/shared"), None, &[]).unwrap();
    let others = three.instead_of(&first);
    let others: Vec<_> = others
        .iter()
        .map(|other| format!("{}/{}", other.provider.name(), other.model))
        .collect();
    assert_eq!(others, ["alpha/small", "alpha/shared"]);
    let none = three.select(Some("small"), None, &[]).unwrap();
    assert!(three.instead_of(&none).is_empty());
}

#[test]
fn auto_passes_over_a_model_that_the_policy_would_not_let_be_asked() {
    let ranked = models(RANKED);
    let identity = CallIdentity {
        request_id: String::new(),
        tool: "chat".into(),
        principal: "local".into(),
    };
    let asker = Asker {
        identity: &identity,
        may_ask: &|model, provider| model != "strong-slow" && provider == "one",
    };
    let deep = ranked.select(Some("auto:deep"), Some(asker), &[]).unwrap();
    assert_eq!(deep.model, "middling");
    let named = ranked
        .select(Some("strong-slow"), Some(asker), &[])
        .unwrap();
    assert_eq!(named.model, "strong-slow");
}

#[test]
fn a_name_that_is_qualified_by_a_provider_goes_to_no_other() {
    let two = models(
        "providers:\n  openai: { base_url: 'https://o/v1', secret: bound, models: [luna] }\n  \
         router: { base_url: 'https://r/v1', secret: bound, models: [a/one], unlisted_models: true }\n",
    );
    assert!(two.select(Some("openai/astra"), None, &[]).is_err());
    assert_eq!(
        selected(&two, Some("router/openai/astra")).1,
        "openai/astra"
    );
    assert_eq!(selected(&two, Some("b/two")).0, "router");
    for wrong in ["b/t\two", "b/..", "b/two ", "b//two"] {
        assert!(two.select(Some(wrong), None, &[]).is_err(), "{wrong:?}");
    }
}
