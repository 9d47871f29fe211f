//! A small limit on locked memory is a warning, not a failure.

use keyward::secrets::memory::scanner::Canary;

use crate::{probe::Probe, tests};

tests![
    with_no_memory_to_lock_the_pool_works_and_warns,
    the_64_kib_of_a_container_lock_the_whole_pool,
];

fn works(probe: &mut Probe) {
    let key = Canary::random(64);
    probe.tell("pool", key.as_bytes());
    let report = probe.scan(&key);
    assert_eq!(
        (report.inside.full_copies, report.outside.is_nothing()),
        (1, true)
    );
    probe.tell("drop", b"");
    assert!(probe.scan(&key).inside.is_nothing());
}

fn with_no_memory_to_lock_the_pool_works_and_warns() {
    let mut probe = Probe::start(&["memlock=0"]);
    let report = probe.tell("pool-report", b"");
    assert!(report.starts_with("false"), "{report}");
    assert!(
        report.contains("the limit is 0 KiB") && report.contains("ulimit -l"),
        "{report}"
    );
    works(&mut probe);
}

fn the_64_kib_of_a_container_lock_the_whole_pool() {
    let mut probe = Probe::start(&["memlock=65536"]);
    let report = probe.tell("pool-report", b"");
    // Sixteen pages are 64 KiB only where a page is 4 KiB.
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap();
    assert_eq!(report == "true None", page == Some(4096), "{report}");
    works(&mut probe);
}
