//! Files of the audit: reading any of them ends with a report, and one that is not as it was written
//! is never called whole. Whatever is printed of it holds no control character but line ends.

#![no_main]

use std::io::Write as _;

use keyward::audit::{Filter, Format, Query, Verification, query, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(data).expect("room for it");
    let files = [file.path().to_owned()];
    let report = verify(&Verification {
        files: &files,
        begins_at: 1,
        checkpoints: None,
    });
    if let Ok(report) = report {
        // The fuzzer cannot make a hash that fits, so nothing but no record is whole.
        assert!(!report.is_whole() || report.records == 0, "made up and whole");
    }
    let mut shown = Vec::new();
    let all = Query {
        files: &files,
        filter: &Filter::default(),
        limit: None,
        format: Format::Table,
    };
    let _summary = query(&all, &mut shown, &mut || false);
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\n';
    assert!(!shown.iter().any(is_control), "a control character is shown");
});
