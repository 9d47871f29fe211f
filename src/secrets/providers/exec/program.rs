//! Whether a program may be started: nobody else may have put it there.
//!
//! Checked before each start, since a file can change while the server runs. A link is followed,
//! and what it leads to is judged. Whoever may write to the program's folder can still put another
//! one of ours or root's in its place; that folder is the operator's to guard.

use std::{io, os::unix::fs::MetadataExt, path::Path};

use nix::unistd::geteuid;

use crate::secrets::providers::{ErrorKind, ProviderError};

/// Refuses a program that is absent, may not be run, or that somebody else may change.
pub(super) fn check(path: &Path) -> Result<(), ProviderError> {
    let refused = |kind, what: &str| {
        let place = path.display();
        Err(ProviderError::new(
            kind,
            format!("the program {place} {what}"),
        ))
    };
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound => refused(ErrorKind::Misconfigured, "does not exist"),
                io::ErrorKind::PermissionDenied => {
                    refused(ErrorKind::UnsafePermissions, "is out of this user's reach")
                }
                _ => refused(ErrorKind::Misconfigured, "cannot be looked at"),
            };
        }
    };
    let (mode, owner) = (found.mode(), found.uid());
    if !found.is_file() {
        refused(ErrorKind::Misconfigured, "is not a file")
    } else if owner != 0 && owner != geteuid().as_raw() {
        refused(
            ErrorKind::UnsafePermissions,
            "belongs to another user, who could change it; it must be root's or this user's",
        )
    } else if mode & 0o022 != 0 {
        refused(
            ErrorKind::UnsafePermissions,
            "may be changed by its group or by others; `chmod go-w` it",
        )
    } else if mode & 0o111 == 0 {
        refused(ErrorKind::Misconfigured, "is not executable")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn only_a_program_that_nobody_else_may_change_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        let kind = |mode| {
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
            check(&program).err().map(|error| error.kind)
        };
        for mode in [0o755, 0o700, 0o555] {
            assert_eq!(kind(mode), None, "{mode:o}");
        }
        for mode in [0o775, 0o757, 0o722] {
            assert_eq!(kind(mode), Some(ErrorKind::UnsafePermissions), "{mode:o}");
        }
        assert_eq!(kind(0o644), Some(ErrorKind::Misconfigured));
        let other = |path: &Path| check(path).unwrap_err().kind;
        assert_eq!(other(folder.path()), ErrorKind::Misconfigured);
        assert_eq!(other(&folder.path().join("none")), ErrorKind::Misconfigured);
        kind(0o775);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert_eq!(
            other(&link),
            ErrorKind::UnsafePermissions,
            "the link leads to it"
        );
    }

    #[test]
    fn a_program_of_another_user_is_refused() {
        if !geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&program, Some(12_345), None).unwrap();
        assert_eq!(
            check(&program).unwrap_err().kind,
            ErrorKind::UnsafePermissions
        );
    }
}
