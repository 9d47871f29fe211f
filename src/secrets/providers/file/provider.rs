//! The provider itself: from a reference to a file, from a file to a value.
//!
//! The file is opened anew for each fetch, so that a mount that was rotated is followed; how it is
//! opened and what is refused is in `secret_file`.

use std::path::PathBuf;

use futures_util::future::BoxFuture;

use super::presence::Probe;
use crate::secrets::{
    Reference, SecretName,
    providers::{
        ErrorKind, Fetch, Found, Lookup, MAX_VALUE_BYTES, OnError, Presence, ProviderError,
        SecretProvider,
        json_field::{self, NoText},
        secret_file,
        template::Template,
        value,
    },
};

/// The longest JSON file that a field is picked from.
const MAX_JSON_BYTES: usize = 64 * 1024;

const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY/";

/// Keys in files.
pub(super) struct FileProvider {
    pub(super) lookup: Template,
    pub(super) on_error: OnError,
    pub(super) config_dir: Option<PathBuf>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) probe: Probe,
}

pub(super) fn validate(reference: &Reference) -> Result<(), String> {
    let path = reference.path();
    if reference.option_names().next().is_some() {
        Err("a `file:` reference has no `?options`".into())
    } else if path.starts_with('~') {
        Err("`~` is not expanded; write the whole path".into())
    } else if path.starts_with('$') && !path.starts_with(CREDENTIALS) {
        Err("of all variables only `$CREDENTIALS_DIRECTORY/` is expanded".into())
    } else {
        Ok(())
    }
}

impl FileProvider {
    fn path(&self, reference: &Reference) -> Result<PathBuf, ProviderError> {
        let misconfigured =
            |detail: &str| Err(ProviderError::new(ErrorKind::Misconfigured, detail));
        if let Some(name) = reference.path().strip_prefix(CREDENTIALS) {
            return match &self.credentials {
                Some(folder) => Ok(folder.join(name)),
                None => misconfigured(
                    "the reference begins with $CREDENTIALS_DIRECTORY, which is not set: Keyward \
                     was not started by systemd with `LoadCredential=`",
                ),
            };
        }
        let path = PathBuf::from(reference.path());
        match &self.config_dir {
            _ if path.is_absolute() => Ok(path),
            Some(folder) => Ok(folder.join(path)),
            None => misconfigured(
                "a relative path starts at the configuration file, and there is none; write the \
                 whole path",
            ),
        }
    }

    async fn look_up(&self, fetch: Fetch<'_>) -> Result<Lookup, ProviderError> {
        let path = self.path(fetch.reference)?;
        let place = format!("the file {}", path.display());
        let field = fetch.reference.field();
        // Room for the line end that is stripped.
        let max_bytes = if field.is_some() {
            MAX_JSON_BYTES
        } else {
            MAX_VALUE_BYTES + 2
        };
        let read = secret_file::read(path, self.credentials.clone(), max_bytes).await?;
        let Some(contents) = read else {
            return Ok(Lookup::Miss);
        };
        let stored = match field {
            None => {
                let bytes = value::without_line_end(&contents.bytes);
                value::check(bytes, &place)?;
                fetch.pool.store(bytes).await
            }
            Some(field) => {
                let text = json_field::find(&contents.bytes, &json_field::steps(field))
                    .map_err(|why| no_field(why, &place))?;
                value::check(text.as_bytes(), &format!("the field in {place}"))?;
                fetch.pool.store(text.as_bytes()).await
            }
        };
        Ok(Lookup::Found(Found {
            value: stored
                .map_err(|full| ProviderError::new(ErrorKind::PoolFull, full.to_string()))?
                .into(),
            version: None,
            created_at: contents.modified_at,
            expires_at: None,
        }))
    }
}

fn no_field(why: NoText, place: &str) -> ProviderError {
    let (kind, what) = match why {
        NoText::NotJson => (ErrorKind::Malformed, "is not JSON, so it has no field"),
        NoText::Absent => (ErrorKind::FieldAbsent, "has no such field"),
        NoText::NotString => (
            ErrorKind::Malformed,
            "has a field of that name that is not a string",
        ),
    };
    ProviderError::new(kind, format!("{place} {what}"))
}

impl SecretProvider for FileProvider {
    fn name(&self) -> &'static str {
        "file"
    }

    fn locate(&self, name: &SecretName) -> Option<Reference> {
        self.lookup.locate(name)
    }

    fn validate(&self, reference: &Reference) -> Result<(), String> {
        validate(reference)?;
        self.path(reference).map(drop).map_err(|error| error.detail)
    }

    fn presence(&self, reference: &Reference) -> Presence {
        let Ok(path) = self.path(reference) else {
            return Presence::Unknown;
        };
        self.probe.ask(move || path.try_exists())
    }

    fn fetch<'a>(&'a self, fetch: Fetch<'a>) -> BoxFuture<'a, Result<Lookup, ProviderError>> {
        Box::pin(self.look_up(fetch))
    }

    fn on_error(&self) -> OnError {
        self.on_error
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{OpenOptionsExt, symlink},
        path::Path,
    };

    use super::*;
    use crate::{call::CallIdentity, secrets::memory::Pool};

    fn provider(folder: &Path) -> FileProvider {
        FileProvider {
            lookup: Template::new("file", "{name}.key", validate).unwrap(),
            on_error: OnError::Stop,
            config_dir: Some(folder.to_owned()),
            credentials: None,
            probe: Probe::default(),
        }
    }

    fn write(path: &Path, bytes: &[u8]) {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
    }

    async fn fetch(provider: &FileProvider, text: &str) -> Result<Option<String>, ErrorKind> {
        let asker = CallIdentity {
            request_id: "0".repeat(32),
            tool: "test".into(),
            principal: "local".into(),
        };
        let reference = text.parse().unwrap();
        let pool = Pool::reserve();
        match provider
            .fetch(Fetch {
                reference: &reference,
                asker: &asker,
                pool: &pool,
            })
            .await
        {
            Ok(Lookup::Found(found)) => Ok(Some(
                String::from_utf8(found.value.as_slice().to_vec()).unwrap(),
            )),
            Ok(Lookup::Miss) => Ok(None),
            Err(error) => {
                assert!(!error.to_string().contains("canary"), "{error}");
                Err(error.kind)
            }
        }
    }

    #[tokio::test]
    async fn values_fields_misses_and_mistakes_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let provider = provider(folder.path());
        write(&folder.path().join("plain"), b"canary\n");
        write(
            &folder.path().join("json"),
            br#"{"api_key": "canary-json", "port": 1}"#,
        );
        write(&folder.path().join("two"), b"canary\ncanary\n");
        write(&folder.path().join("empty"), b"\n");
        for (reference, expected) in [
            ("file:plain", Ok(Some("canary"))),
            ("file:./plain", Ok(Some("canary"))),
            ("file:json#api_key", Ok(Some("canary-json"))),
            ("file:absent", Ok(None)),
            ("file:json#other", Err(ErrorKind::FieldAbsent)),
            ("file:json#port", Err(ErrorKind::Malformed)),
            ("file:plain#api_key", Err(ErrorKind::Malformed)),
            ("file:two", Err(ErrorKind::Malformed)),
            ("file:empty", Err(ErrorKind::Malformed)),
            (
                "file:$CREDENTIALS_DIRECTORY/x",
                Err(ErrorKind::Misconfigured),
            ),
        ] {
            let expected = expected.map(|found| found.map(str::to_owned));
            assert_eq!(fetch(&provider, reference).await, expected, "{reference}");
        }
    }

    #[tokio::test]
    async fn a_rotated_kubernetes_mount_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, value) in [("..v1", "first"), ("..v2", "second")] {
            fs::create_dir(at(version)).unwrap();
            write(&at(version).join("openai"), value.as_bytes());
        }
        symlink("..v1", at("..data")).unwrap();
        symlink("..data/openai", at("openai.key")).unwrap();
        let provider = provider(folder.path());
        let located = provider
            .locate(&"openai".parse().unwrap())
            .unwrap()
            .to_string();
        assert_eq!(fetch(&provider, &located).await, Ok(Some("first".into())));
        symlink("..v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert_eq!(fetch(&provider, &located).await, Ok(Some("second".into())));
    }

    #[test]
    fn references_that_would_never_work_are_refused_at_load() {
        let mut provider = provider(Path::new("/etc/keyward"));
        for (text, good) in [
            ("file:/run/secrets/openai", true),
            ("file:../keys/openai#/a/b", true),
            ("file:~/key", false),
            ("file:$HOME/key", false),
            ("file:/a?version=1", false),
        ] {
            assert_eq!(
                provider.validate(&text.parse().unwrap()).is_ok(),
                good,
                "{text}"
            );
        }
        provider.config_dir = None;
        assert!(provider.validate(&"file:key".parse().unwrap()).is_err());
    }
}
