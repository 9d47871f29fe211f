//! A process of the same user that comes later cannot look into the real server.
//!
//! That the same looks succeed on a process which is not hardened is shown in `tests/memory`.

use std::{fs, fs::File, io};

use nix::{errno::Errno, sys::ptrace, unistd::Pid};

use super::{
    ordinary_user,
    place::{Arranged, Place, Way, arrange},
    watched::Watched,
};
use crate::support::upstream::ANSWER;

#[test]
fn a_process_of_the_same_user_is_denied_the_servers_memory_and_environment() {
    ordinary_user::tries(|| {
        let Arranged {
            setup,
            key,
            upstream,
            ..
        } = arrange(Place::Env, Way::Plain, "");
        let mut server = Watched::serve(setup);
        assert_eq!(server.chat()["structuredContent"]["answer"], ANSWER);
        assert_eq!(upstream.keys(), [Some(key.to_string())]);
        let process = format!("/proc/{}", server.id());
        let denied = |error: io::Error| assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        denied(File::open(format!("{process}/mem")).unwrap_err());
        for name in ["environ", "maps", "smaps", "auxv"] {
            denied(fs::read(format!("{process}/{name}")).unwrap_err());
        }
        let id = Pid::from_raw(i32::try_from(server.id()).unwrap());
        assert_eq!(ptrace::attach(id), Err(Errno::EPERM));
        // The test's own scanner, which came before, sees the one copy that there is.
        assert_eq!(server.scan([&key])[0].inside.full_copies, 1);
    });
}
