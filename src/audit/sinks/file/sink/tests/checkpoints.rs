//! Checkpoints: when they are signed, and what they show.

use std::sync::Mutex;

use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
use zeroize::Zeroizing;

use super::*;
use crate::audit::{CheckpointSettings, Hash, VerifierKey, checkpoint};

/// Settings with checkpoints, a key, and what verifies with it.
struct Signing {
    folder: TempDir,
    settings: FileSettings,
    key: Arc<Mutex<Option<Vec<u8>>>>,
    verifier: VerifierKey,
}

impl Signing {
    fn new(records: u64) -> Self {
        let origin = "keyward.example/audit";
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = key.as_ref().to_vec();
        let signed = checkpoint::sign(&key, origin, 1, Hash::ZERO).unwrap();
        let checkpoints = CheckpointSettings {
            path: "checkpoints.txt".into(),
            origin: origin.into(),
            signing_secret: "audit-key".into(),
            every: Duration::from_secs(3600),
            records,
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings: FileSettings {
                checkpoints: Some(checkpoints),
                ..settings()
            },
            key: Arc::new(Mutex::new(Some(key))),
            verifier: signed.verifier_key.parse().unwrap(),
        }
    }

    fn sink(&self) -> FileSink {
        let key = Arc::clone(&self.key);
        let fetch = move || key.lock().unwrap().clone().map(Zeroizing::new);
        FileSink::new(self.settings.clone(), self.folder.path(), Arc::new(fetch)).unwrap()
    }

    fn checkpoints(&self) -> PathBuf {
        self.folder.path().join("checkpoints.txt")
    }

    fn report(&self) -> Report {
        verify(&Verification {
            files: &files(self.folder.path()),
            begins_at: 1,
            checkpoints: Some((&self.checkpoints(), &self.verifier)),
        })
        .unwrap()
    }
}

#[test]
fn the_end_is_signed_when_the_sink_closes() {
    let signing = Signing::new(1000);
    for round in 1..=2 {
        let mut sink = signing.sink();
        keep(&mut sink, &["a", "b"]);
        assert!(sink.tend().unwrap() > Duration::from_secs(3000));
        sink.close();
        let report = signing.report();
        assert!(report.is_whole(), "{report}");
        assert_eq!(report.checkpoints, round);
    }
    // So a cut shows.
    tamper_with(&signing.folder, |text| {
        text.split_inclusive('\n').take(3).collect()
    });
    assert_eq!(signing.report().fault.unwrap().kind.label(), "cut_off");
}

fn tamper_with(folder: &TempDir, change: impl FnOnce(&str) -> String) {
    tamper(folder, |text| change(&text));
}

#[test]
fn a_checkpoint_is_signed_after_so_many_records() {
    let signing = Signing::new(3);
    let mut sink = signing.sink();
    keep(&mut sink, &["a", "b"]);
    sink.tend();
    assert!(!signing.checkpoints().exists());
    keep(&mut sink, &["c"]);
    sink.tend();
    // The signer works on a thread of its own.
    wait_until(|| {
        fs::read_to_string(signing.checkpoints()).is_ok_and(|text| text.ends_with("=\n"))
    });
    keep(&mut sink, &["d"]);
    sink.close();
    let report = signing.report();
    assert!(report.is_whole(), "{report}");
    assert_eq!(report.checkpoints, 2);
    let notes = fs::read_to_string(signing.checkpoints()).unwrap();
    let sizes: Vec<_> = notes
        .lines()
        .filter(|line| line.parse::<u64>().is_ok())
        .collect();
    assert_eq!(sizes, ["3", "4"]);
}

#[test]
fn without_the_key_records_are_kept_and_signed_later() {
    let signing = Signing::new(1);
    let key = signing.key.lock().unwrap().take();
    let mut sink = signing.sink();
    keep(&mut sink, &["a"]);
    sink.tend();
    sink.close();
    assert!(!signing.checkpoints().exists());
    *signing.key.lock().unwrap() = key;
    let mut sink = signing.sink();
    keep(&mut sink, &["b"]);
    sink.close();
    assert_eq!(
        (signing.report().checkpoints, signing.report().is_whole()),
        (1, true)
    );
}

#[test]
fn a_checkpoint_is_parted_from_one_that_was_never_finished() {
    for torn in ["keyward.ex", "keyward.example/audit\n12\n", "x\n\n"] {
        let signing = Signing::new(1000);
        fs::write(signing.checkpoints(), torn).unwrap();
        let mut sink = signing.sink();
        keep(&mut sink, &["a"]);
        sink.close();
        let report = signing.report();
        assert!(report.is_whole(), "{report}");
        assert_eq!((report.checkpoints, report.unfinished_checkpoints), (1, 1));
    }
}
