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
    Models::new(&settings, Arc::new(broker.unwrap()), None).unwrap()
}

fn selected(models: &Models, name: Option<&str>) -> (String, String) {
    let selected = models.select(name, None).unwrap();
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
        let selected = three.select(Some(name), Some(&asker)).unwrap();
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
    let selected = three.select(None, Some(&asker)).unwrap();
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
    let error = models(THREE).select(Some("qwen3-32b"), None).unwrap_err();
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
    let error = none.select(None, None).unwrap_err();
    assert_eq!(error.code(), "no_model_available");
    assert!(error.to_string().contains("OPENAI_API_KEY"), "{error}");
}
