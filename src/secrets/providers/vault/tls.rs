//! The files behind the TLS connection to Vault: whom we trust, and who we are.
//!
//! They are looked at before each request and read again when they have changed, because
//! certificates rotate. The client's private key is a secret file like any other. Once read it is
//! inside rustls, in memory that is not ours to lock, as long as the HTTP client lives; nothing
//! else here keeps it.

use std::{
    error::Error,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;
use reqwest::{Certificate, Identity};
use rustls::{
    AlertDescription,
    pki_types::{CertificateDer, pem::PemObject},
};
use zeroize::Zeroizing;

use super::validity::validity;
use crate::{
    outbound,
    secrets::providers::{ErrorKind, ProviderError, secret_file},
};

/// The longest bundle of authorities that is read, and of all files of a folder together.
const MAX_CA_BYTES: u64 = 4 * 1024 * 1024;

/// The longest client certificate, with what is between it and its authority, or key.
const MAX_IDENTITY_BYTES: usize = 64 * 1024;

/// Where the files are.
#[derive(Debug, Default)]
pub(super) struct TlsFiles {
    /// The authorities that replace the system's: a file, or else a folder of files.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) ca_path: Option<PathBuf>,
    /// The client's certificate and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    /// systemd's folder of credentials.
    pub(super) credentials: Option<PathBuf>,
}

/// What tells a file from its earlier self; `None` where there is none.
type Mark = Option<(u64, u64, Option<SystemTime>)>;

/// The state of all files at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Mark>);

/// What was read.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) roots: Option<Vec<Certificate>>,
    pub(super) identity: Option<Identity>,
}

impl TlsFiles {
    /// The state of the files now.
    pub(super) async fn stamp(&self) -> Stamp {
        let paths: Vec<PathBuf> = self.paths().map(Path::to_owned).collect();
        if paths.is_empty() {
            return Stamp::default();
        }
        let mark = |path: &PathBuf| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.ino(), found.len(), found.modified().ok()))
        };
        let marking = tokio::task::spawn_blocking(move || paths.iter().map(mark).collect());
        Stamp(marking.await.unwrap_or_default())
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.as_ref();
        let identity = identity.map(|(certificate, key)| [certificate, key]);
        let authorities = self.ca_file.as_ref().or(self.ca_path.as_ref());
        let paths = authorities
            .into_iter()
            .chain(identity.into_iter().flatten());
        paths.map(PathBuf::as_path)
    }

    /// Reads all files.
    pub(super) async fn load(&self) -> Result<Loaded, ProviderError> {
        let roots = match (&self.ca_file, &self.ca_path) {
            (Some(file), _) => Some(authorities_in_file(file).await?),
            (None, Some(folder)) => Some(authorities_in_folder(folder.clone()).await?),
            (None, None) => None,
        };
        let identity = match &self.identity {
            Some((certificate, key)) => Some(self.identity(certificate, key).await?),
            None => None,
        };
        Ok(Loaded { roots, identity })
    }

    /// Whom we trust, in words.
    pub(super) fn about_authorities(&self) -> String {
        match self.ca_file.as_ref().or(self.ca_path.as_ref()) {
            Some(path) => format!("the authorities are those in {}", path.display()),
            None => "the authorities are the system's; `ca_file` replaces them".to_owned(),
        }
    }

    /// What to look at when Vault does not take our certificate.
    pub(super) async fn about_certificate(&self) -> String {
        let Some((file, _)) = &self.identity else {
            return "there is no client certificate; set `client_certificate_file`".to_owned();
        };
        let place = file.display();
        let now = Timestamp::now();
        let times = match read_bounded(file, MAX_IDENTITY_BYTES as u64).await {
            Some(pem) => CertificateDer::from_pem_slice(&pem)
                .ok()
                .and_then(|der| validity(&der)),
            None => None,
        };
        match times {
            Some((_, end)) if end < now => format!(
                "the client certificate in {place} has expired ({end}); whatever writes the file \
                 must renew it"
            ),
            Some((begin, _)) if begin > now => format!(
                "the client certificate in {place} is not valid before {begin}; is the clock right?"
            ),
            _ => format!(
                "the client certificate in {place} is not signed by an authority that Vault \
                 trusts for it, fits no role at this mount (or not `auth.cert.role`), or is \
                 revoked"
            ),
        }
    }

    /// What to look at when the other side ended a connection without a reason.
    pub(super) async fn hint(&self) -> String {
        match &self.identity {
            None => "; if it demands a client certificate, set `client_certificate_file` and \
                     `client_key_file`"
                .to_owned(),
            Some(_) => format!(
                "; if that is over the client certificate: {}",
                self.about_certificate().await
            ),
        }
    }

    /// What the other side's reason to end a handshake says of our certificate, if anything.
    pub(super) async fn about_alert(&self, alert: AlertDescription) -> Option<String> {
        use AlertDescription as A;
        Some(match alert {
            A::CertificateRequired => match &self.identity {
                None => "the server demands a client certificate; set `client_certificate_file` \
                         and `client_key_file`"
                    .to_owned(),
                Some(_) => self.about_certificate().await,
            },
            A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            // An authority of the same name, made anew.
            | A::DecryptError => self.about_certificate().await,
            _ => return None,
        })
    }

    async fn identity(&self, certificate: &Path, key: &Path) -> Result<Identity, ProviderError> {
        let refused = |path: &Path, what: &str| {
            let detail = format!(
                "Vault's client certificate (`client_certificate_file`, `client_key_file` or \
                 `auth.cert`): {} {what}",
                path.display()
            );
            ProviderError::new(ErrorKind::Misconfigured, detail)
        };
        let chain = read_bounded(certificate, MAX_IDENTITY_BYTES as u64).await;
        let chain = chain.ok_or_else(|| refused(certificate, "cannot be read"))?;
        if CertificateDer::from_pem_slice(&chain).is_err() {
            return Err(refused(certificate, "has no certificate in PEM in it"));
        }
        let credentials = self.credentials.clone();
        let read = secret_file::read(key.to_owned(), credentials, MAX_IDENTITY_BYTES).await?;
        let key_pem = read.ok_or_else(|| refused(key, "does not exist"))?.bytes;
        if contains(&key_pem, b"ENCRYPTED") {
            let what = "is encrypted, and nobody could be asked for its passphrase";
            return Err(refused(key, what));
        }
        // One buffer of the right size: a growing one leaves its old self behind.
        let mut whole = Zeroizing::new(Vec::with_capacity(chain.len() + key_pem.len() + 1));
        whole.extend_from_slice(&chain);
        whole.push(b'\n');
        whole.extend_from_slice(&key_pem);
        Identity::from_pem(&whole).map_err(|_| refused(key, "has no private key in PEM in it"))
    }
}

/// Whether a client could not be built because certificate and key are no pair.
pub(super) fn is_no_pair(error: &(dyn Error + 'static)) -> bool {
    in_causes(error, |tls| {
        matches!(tls, rustls::Error::InconsistentKeys(_)).then_some(())
    })
    .is_some()
}

/// Why the other side ended the handshake, if it did and told.
pub(super) fn alert(error: &(dyn Error + 'static)) -> Option<AlertDescription> {
    in_causes(error, |tls| match tls {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    })
}

/// The first thing that `find` finds in a TLS error among an error's causes.
fn in_causes<T>(
    error: &(dyn Error + 'static),
    find: impl Fn(&rustls::Error) -> Option<T> + Copy,
) -> Option<T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let here = error.downcast_ref::<rustls::Error>().and_then(find);
        // An I/O error hides what it wraps from `source`.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let found = here.or_else(|| inner.and_then(|inner| in_causes(inner, find)));
        if found.is_some() {
            return found;
        }
        cause = error.source();
    }
    None
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

/// A file that is no secret; `None` if it cannot be read, is no file or is too long.
async fn read_bounded(path: &Path, max_bytes: u64) -> Option<Vec<u8>> {
    let found = tokio::fs::metadata(path).await.ok()?;
    if !found.is_file() || found.len() > max_bytes {
        return None;
    }
    tokio::fs::read(path).await.ok()
}

async fn authorities_in_file(path: &Path) -> Result<Vec<Certificate>, ProviderError> {
    let refused = |what: &str| {
        let detail = format!(
            "`secrets.providers.vault.ca_file`, {}, {what}",
            path.display()
        );
        Err(ProviderError::new(ErrorKind::Misconfigured, detail))
    };
    match tokio::fs::metadata(path).await {
        Ok(found) if found.is_file() && found.len() <= MAX_CA_BYTES => {}
        Ok(_) => return refused("is not a PEM file"),
        Err(_) => return refused("cannot be read"),
    }
    let Ok(pem) = tokio::fs::read(path).await else {
        return refused("cannot be read");
    };
    match outbound::authorities(&pem) {
        Some(found) => Ok(found),
        None => refused("has no certificate in it"),
    }
}

/// The certificates of all files in a folder; those that hold none are passed over.
async fn authorities_in_folder(folder: PathBuf) -> Result<Vec<Certificate>, ProviderError> {
    let place = folder.display().to_string();
    let reading = move || {
        let mut found = Vec::new();
        let mut left = MAX_CA_BYTES;
        for entry in std::fs::read_dir(folder)?.flatten() {
            // Through links, as Kubernetes mounts them. Hidden ones are its own.
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let length = std::fs::metadata(entry.path())
                .ok()
                .filter(|found| found.is_file() && !is_hidden)
                .map(|found| found.len());
            let Some(length) = length.filter(|length| *length <= left) else {
                continue;
            };
            left -= length;
            let pem = std::fs::read(entry.path())?;
            found.extend(outbound::authorities(&pem).unwrap_or_default());
        }
        Ok::<_, io::Error>(found)
    };
    let read = tokio::task::spawn_blocking(reading).await;
    let refused = |what: &str| {
        let detail = format!("`secrets.providers.vault.ca_path`, {place}, {what}");
        Err(ProviderError::new(ErrorKind::Misconfigured, detail))
    };
    match read {
        Ok(Ok(found)) if found.is_empty() => refused("has no file with a certificate in it"),
        Ok(Ok(found)) => Ok(found),
        _ => refused("cannot be read"),
    }
}
