//! What a login's settings are checked and completed with at load. No file is read here.

use std::path::{Path, PathBuf};

use crate::{
    secrets::providers::{BuildContext, registry::section},
    settings::Problem,
};

/// Where the settings of one login become a login.
pub(in super::super) struct Preparing<'a> {
    pub(in super::super) cx: BuildContext<'a>,
    pub(in super::super) problems: &'a mut Vec<Problem>,
    /// Whether Vault is reached over TLS.
    pub(in super::super) is_https: bool,
    /// Whether the connection has a client certificate without the login.
    pub(in super::super) has_certificate: bool,
    /// Whether it has that from the settings, and not from a variable.
    pub(in super::super) is_certificate_set: bool,
    /// A client certificate and its key that the login brings for the connection.
    pub(in super::super) certificate: Option<(PathBuf, PathBuf)>,
}

impl Preparing<'_> {
    /// A standard variable, by the part of its name after `BAO_` or `VAULT_`.
    pub(in super::super) fn standard(&self, name: &str) -> Option<String> {
        standard(self.cx, name)
    }

    /// A path as the configuration's folder sees it.
    pub(in super::super) fn place(&self, path: &Path) -> PathBuf {
        match self.cx.config_dir {
            Some(folder) => folder.join(path),
            None => path.to_owned(),
        }
    }

    /// The mount of `method`, without slashes around it.
    pub(super) fn mount(&mut self, method: &str, mount: &str) -> Option<String> {
        let mount = mount.trim_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if mount.is_empty() || !mount.chars().all(is_plain) || mount.split('/').any(|s| s == "..") {
            self.refuse(
                &[method, "mount"],
                "this is not the path of an auth method",
                format!("write the path as `vault auth list` shows it, such as `{method}`"),
            );
            return None;
        }
        Some(mount.to_owned())
    }

    /// A name that is sent to Vault: neither empty nor with anything that a path or a header would
    /// read as its own.
    pub(super) fn name(&mut self, method: &str, key: &str, name: &str) -> Option<String> {
        let is_plain = |c: char| c.is_ascii_graphic() && !"/?#%\\".contains(c);
        if name.is_empty() || !name.chars().all(is_plain) {
            self.refuse(
                &[method, key],
                "this is not a name: it is empty, or has white space, `/`, `?`, `#` or `%` in it",
                "write the name as it is in Vault",
            );
            return None;
        }
        Some(name.to_owned())
    }

    /// Tells a problem of the key reached by `keys` below `auth`.
    pub(super) fn refuse(&mut self, keys: &[&str], message: &str, help: impl Into<String>) {
        let mut path = section("vault");
        path.push("auth".to_owned());
        path.extend(keys.iter().map(|&key| key.to_owned()));
        self.problems.push(Problem::at(path, message, help));
    }
}

/// A standard variable; OpenBao's name for it wins.
pub(in super::super) fn standard(cx: BuildContext<'_>, name: &str) -> Option<String> {
    ["BAO_", "VAULT_"].iter().find_map(|prefix| {
        let value = cx.environment.var(&format!("{prefix}{name}"));
        value.filter(|text| !text.is_empty())
    })
}
