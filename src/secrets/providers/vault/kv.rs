//! The setting `kv`: which version of the KV engine a mount is.
//!
//! Apart from the other settings because it is written in two forms, and only a parser of our own
//! says what was expected when it is written in neither.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

/// The version of a KV engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KvVersion {
    /// Without versions; any other engine that answers a read with an object is asked like it.
    V1,
    /// With versions.
    V2,
    /// Whatever Vault says that the mount is.
    #[default]
    Auto,
}

/// What a mount is, by Vault's own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// Keeps what it is given, without versions.
    Kv1,
    /// Keeps versions of it.
    Kv2,
    /// Makes its answers: a database, a cloud, a certificate authority.
    Other,
}

/// The setting `kv`: one version for all mounts, or a map from mount to version.
///
/// Before a miss is believed, Vault is asked what the mount is now. A version that is set here is
/// believed where Vault does not tell; `auto` is not, and the miss becomes an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KvSettings {
    all: KvVersion,
    mounts: BTreeMap<String, KvVersion>,
}

impl KvSettings {
    /// The version that is set for a mount.
    #[must_use]
    pub fn of(&self, mount: &str) -> KvVersion {
        self.mounts.get(mount).copied().unwrap_or(self.all)
    }
}

/// Written by hand because an untagged enum would answer every mistake with "matched no variant".
struct KvVisitor;

const KV_EXPECTED: &str = "`1`, `2` or `auto`";

impl<'de> Visitor<'de> for KvVisitor {
    type Value = KvSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KV_EXPECTED}, or a map from mounts to one of these")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<KvSettings, E> {
        let all = match number {
            1 => KvVersion::V1,
            2 => KvVersion::V2,
            _ => {
                return Err(E::invalid_value(
                    de::Unexpected::Unsigned(number),
                    &KV_EXPECTED,
                ));
            }
        };
        Ok(KvSettings {
            all,
            mounts: BTreeMap::new(),
        })
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<KvSettings, E> {
        self.visit_u64(u64::try_from(number).unwrap_or(u64::MAX))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<KvSettings, E> {
        match text {
            "1" => self.visit_u64(1),
            "2" => self.visit_u64(2),
            "auto" => Ok(KvSettings::default()),
            _ => Err(E::custom(format!("expected {KV_EXPECTED}"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KvSettings, A::Error> {
        let mut mounts = BTreeMap::new();
        while let Some((mount, settings)) = map.next_entry::<String, KvSettings>()? {
            if !settings.mounts.is_empty() {
                return Err(de::Error::custom(format!("expected {KV_EXPECTED}")));
            }
            mounts.insert(mount.trim_matches('/').to_owned(), settings.all);
        }
        Ok(KvSettings {
            all: KvVersion::Auto,
            mounts,
        })
    }
}

impl<'de> Deserialize<'de> for KvSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KvVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kv_version_is_one_for_all_or_set_by_mount() {
        let parse = |kv: &str| serde_json::from_str::<KvSettings>(kv);
        assert_eq!(parse("2").unwrap().of("any"), KvVersion::V2);
        assert_eq!(parse(r#""auto""#).unwrap().of("any"), KvVersion::Auto);
        let by_mount = parse(r#"{"old/": 1, "team/kv": "2"}"#).unwrap();
        assert_eq!(by_mount.of("old"), KvVersion::V1);
        assert_eq!(by_mount.of("team/kv"), KvVersion::V2);
        assert_eq!(by_mount.of("other"), KvVersion::Auto);
        for wrong in ["3", "-1", r#""v2""#, r#"{"a": {"b": 1}}"#, "true"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
