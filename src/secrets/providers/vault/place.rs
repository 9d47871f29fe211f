//! A Vault reference, taken apart: which mount, which path in it, which version, namespace, field.

use crate::secrets::{Field, Reference};

/// Where a value is in Vault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) mount: &'a str,
    pub(super) path: &'a str,
    pub(super) version: Option<u64>,
    /// Instead of the one in the settings.
    pub(super) namespace: Option<&'a str>,
    pub(super) field: &'a Field,
}

/// Refuses a reference that can never work.
pub(super) fn validate(reference: &Reference) -> Result<(), String> {
    Place::of(reference).map(drop)
}

impl<'a> Place<'a> {
    pub(super) fn of(reference: &'a Reference) -> Result<Self, String> {
        let written = reference.path();
        let (mount, path) = written
            .split_once("//")
            .or_else(|| written.split_once('/'))
            .ok_or(
                "a Vault reference has a mount and a path in it, as in `vault:secret/ai/openai`",
            )?;
        let whole = |text: &str| text.split('/').all(|segment| !segment.is_empty());
        if !whole(mount) || !whole(path) {
            return Err(
                "a mount or a path has an empty segment; `//` stands once, between a mount \
                        that contains `/` and the path in it"
                    .into(),
            );
        }
        if let Some(unknown) = reference
            .option_names()
            .find(|name| !matches!(*name, "version" | "namespace"))
        {
            // An option's name is the operator's own word, but it may still be a mispasted value.
            return Err(match unknown.len() {
                0..=16 => format!(
                    "Vault references have no option `{unknown}`, only `version` and `namespace`"
                ),
                _ => "Vault references have only the options `version` and `namespace`".into(),
            });
        }
        let version = match reference.option("version").map(str::parse::<u64>) {
            None => None,
            Some(Ok(version)) if version > 0 => Some(version),
            Some(_) => return Err("`version` is a number from 1".into()),
        };
        let field = reference
            .field()
            .ok_or("a Vault secret has several fields; name one, as in `#api_key`")?;
        let namespace = reference
            .option("namespace")
            .map(|text| text.trim_matches('/'));
        if namespace.is_some_and(|text| !text.chars().all(|c| c.is_ascii_graphic())) {
            return Err("a namespace has no white space and no special characters".into());
        }
        Ok(Self {
            mount,
            path,
            version,
            namespace,
            field,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_the_first_segment_or_what_stands_before_two_slashes() {
        for (text, mount, path) in [
            ("vault:secret/ai/openai#k", "secret", "ai/openai"),
            ("vault:team/kv//ai/openai#k", "team/kv", "ai/openai"),
        ] {
            let reference = text.parse().unwrap();
            let place = Place::of(&reference).unwrap();
            assert_eq!((place.mount, place.path), (mount, path), "{text}");
        }
    }

    #[test]
    fn version_and_namespace_are_the_only_options() {
        let reference = "vault:a/b?version=3&namespace=team-a/dev/#k"
            .parse()
            .unwrap();
        let place = Place::of(&reference).unwrap();
        assert_eq!(
            (place.version, place.namespace),
            (Some(3), Some("team-a/dev"))
        );
        for wrong in ["?version=0", "?version=x", "?stage=y"] {
            assert!(
                validate(&format!("vault:a/b{wrong}#k").parse().unwrap()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_reference_without_mount_path_or_field_is_refused() {
        for wrong in [
            "vault:a#k",
            "vault:/a#k",
            "vault:a/#k",
            "vault:a//b//c#k",
            "vault:a/b",
        ] {
            assert!(validate(&wrong.parse().unwrap()).is_err(), "{wrong}");
        }
    }
}
