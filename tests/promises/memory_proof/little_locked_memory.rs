//! A machine that lets a process lock little memory, or none, and many calls at once.
#![expect(unsafe_code, reason = "the limit must be set between fork and exec")]

use std::os::unix::process::CommandExt as _;

use nix::sys::resource::{Resource, setrlimit};

use super::{
    ordinary_user,
    place::{Arranged, Place, Way, arrange},
    watched::Watched,
};
use crate::support::upstream::ANSWER;

#[test]
fn a_hundred_calls_leave_nothing_however_little_memory_may_be_locked() {
    ordinary_user::tries(|| {
        for (limit, place, way) in [
            (0, Place::File, Way::Http1),
            (0, Place::VaultAppRole, Way::Http2),
            (65_536, Place::File, Way::Http2),
            (65_536, Place::Env, Way::Http1),
        ] {
            let about = format!("{limit} bytes, {}, {}", place.name(), way.name());
            let Arranged {
                setup,
                key,
                upstream,
                ..
            } = arrange(place, way, "");
            let mut command = setup.command(&["serve"]);
            let lower = move || Ok(setrlimit(Resource::RLIMIT_MEMLOCK, limit, limit)?);
            // SAFETY: the closure makes one system call, allocates nothing and takes no lock.
            unsafe { command.pre_exec(lower) };
            let mut server = Watched::start(command, setup);
            server.initialize();
            let calls: Vec<u64> = (0..100).map(|_| server.start_chat()).collect();
            let answers = server.answers_to(&calls);
            for answer in answers {
                assert_eq!(
                    answer["result"]["structuredContent"]["answer"], ANSWER,
                    "{about}: {answer}"
                );
            }
            assert_eq!(upstream.keys(), vec![Some(key.to_string()); 100], "{about}");
            let warned = server.log().to_lowercase().contains("memlock");
            assert_eq!(warned, limit == 0, "{about}:\n{}", server.log());
            let [ended] = server.scan_after_the_end([&key]);
            assert!(ended.outside.is_nothing(), "{about}: {ended}");
            assert_eq!(ended.inside.full_copies, place.rest(), "{about}: {ended}");
        }
    });
}
