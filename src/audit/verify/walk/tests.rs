//! Every way in which records may have been altered, and what is said of each.

use std::fs;

use aws_lc_rs::{rand::SystemRandom, signature::Ed25519KeyPair};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::audit::{Event, Record, checkpoint};

const ORIGIN: &str = "keyward.example/audit";

struct Trail {
    folder: TempDir,
    lines: Vec<String>,
    chains: Vec<Chain>,
    key: Vec<u8>,
}

impl Trail {
    fn of(count: usize) -> Self {
        let mut chain = Chain::new();
        let (mut lines, mut chains) = (Vec::new(), Vec::new());
        for index in 0..count {
            let mut record = Record::new(Event::CallAccepted);
            record.tool = Some(format!("chat{index}"));
            record.bytes_in = Some(1000 + index as u64);
            lines.push(chain.seal(&record).unwrap() + "\n");
            chains.push(chain);
        }
        Self {
            folder: tempfile::tempdir().unwrap(),
            lines,
            chains,
            key: Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .unwrap()
                .as_ref()
                .to_vec(),
        }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn sign(&self, index: usize) -> String {
        let chain = self.chains[index];
        checkpoint::sign(&self.key, ORIGIN, chain.sequence(), chain.head())
            .unwrap()
            .note
    }

    fn key(&self) -> VerifierKey {
        let signed = checkpoint::sign(&self.key, ORIGIN, 1, Hash::ZERO).unwrap();
        signed.verifier_key.parse().unwrap()
    }

    fn verify(&self, bytes: impl AsRef<[u8]>) -> Report {
        verified(&[self.write("audit.jsonl", bytes)])
    }

    fn verify_with(&self, bytes: impl AsRef<[u8]>, checkpoints: &str) -> Report {
        let files = [self.write("audit.jsonl", bytes)];
        let path = self.write("checkpoints.txt", checkpoints);
        verify(&Verification {
            files: &files,
            begins_at: 1,
            checkpoints: Some((&path, &self.key())),
        })
        .unwrap()
    }
}

fn verified(files: &[PathBuf]) -> Report {
    verify(&Verification {
        files,
        begins_at: 1,
        checkpoints: None,
    })
    .unwrap()
}

/// Line, sequence and kind of the fault.
fn fault(report: &Report) -> (u64, Option<u64>, &'static str) {
    let fault = report.fault.as_ref().expect("a fault");
    (fault.line, fault.sequence, fault.kind.label())
}

#[test]
fn losses_and_healings_that_the_trail_tells_of_are_counted_and_told() {
    let (lost, healed) = (Event::RecordsLost, Event::TailHealed);
    for events in [
        vec![lost, healed, Event::CallAccepted, healed, lost, healed],
        vec![healed],
        vec![lost],
    ] {
        let mut chain = Chain::new();
        let mut sealed = |event: &Event| chain.seal(&Record::new(*event)).unwrap() + "\n";
        let lines: String = events.iter().map(&mut sealed).collect();
        let report = Trail::of(0).verify(lines);
        let count = |kind: Event| events.iter().filter(|event| **event == kind).count();
        let (losses, healings) = (count(lost), count(healed));
        assert!(report.is_whole());
        assert_eq!(report.losses, losses as u64);
        assert_eq!(report.healings, healings as u64);
        let told = format!(
            "{losses} times that records were lost, {healings} times that an unfinished line"
        );
        assert!(report.to_string().contains(&told), "{report}");
    }
    let untold = Trail::of(1);
    let report = untold.verify(untold.lines.concat());
    assert!(!report.to_string().contains("times"), "{report}");
}

#[test]
fn checkpoints_of_every_kind_are_told() {
    for (borne_out, earlier, unfinished) in [(2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 2, 3)] {
        let report = Report {
            checkpoints: borne_out,
            earlier_checkpoints: earlier,
            unfinished_checkpoints: unfinished,
            ..Report::default()
        };
        let told =
            format!("{borne_out} borne out, {earlier} of earlier records, {unfinished} unfinished");
        assert!(report.to_string().contains(&told), "{report}");
    }
    assert!(!Report::default().to_string().contains("borne out"));
}

#[test]
fn what_was_not_altered_is_whole() {
    let trail = Trail::of(5);
    let report = trail.verify(trail.lines.concat());
    assert!(report.is_whole());
    assert_eq!(
        (report.records, report.first, report.last),
        (5, Some(1), Some(5))
    );
    assert_eq!(report.head, Some(trail.chains[4].head()));
    assert!(trail.verify("").is_whole());
}

#[test]
fn the_first_bad_record_is_named_with_what_is_wrong_with_it() {
    let trail = Trail::of(6);
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = trail.lines.clone();
        change(&mut lines);
        fault(&trail.verify(lines.concat()))
    };
    let renamed = |line: &String| line.replace("chat3", "chat9");
    assert_eq!(
        with(&|lines| lines[3] = renamed(&lines[3])),
        (4, None, "wrong_hash")
    );
    assert_eq!(
        with(&|lines| lines[3] = "{}\n".into()),
        (4, None, "no_record")
    );
    assert_eq!(
        with(&|lines| lines[3].insert(1, ' ')),
        (4, None, "not_canonical")
    );
    assert_eq!(
        with(&|lines| drop(lines.remove(3))),
        (4, Some(5), "missing")
    );
    assert_eq!(
        with(&|lines| drop(lines.remove(0))),
        (1, Some(2), "missing")
    );
    assert_eq!(
        with(&|lines| lines.insert(3, lines[2].clone())),
        (4, Some(3), "repeated")
    );
    assert_eq!(with(&|lines| lines.swap(2, 3)), (3, Some(4), "missing"));
    let forged = |lines: &mut Vec<String>| {
        let mut chain = trail.chains[2];
        lines[3] = chain.seal(&Record::new(Event::CallEnded)).unwrap() + "\n";
    };
    assert_eq!(with(&forged), (5, Some(5), "broken_link"));
}

#[test]
fn rotated_files_are_one_chain_in_their_order() {
    let trail = Trail::of(6);
    let [first, second, third] = [0, 2, 4].map(|from| {
        trail.write(
            &format!("{from}.jsonl"),
            trail.lines[from..from + 2].concat(),
        )
    });
    let files = [first, second, third];
    let report = verified(&files);
    assert_eq!(
        (report.is_whole(), report.files, report.records),
        (true, 3, 6)
    );
    let [first, second, third] = files;
    let skipped = verified(&[first.clone(), third.clone()]);
    assert_eq!(fault(&skipped), (1, Some(5), "missing"));
    assert_eq!(skipped.fault.unwrap().file, third);
    let turned = verified(&[second.clone(), first]);
    assert_eq!(fault(&turned), (1, Some(3), "missing"));
    // Older files that were deleted on purpose are so only if the operator says it.
    let files = [second, third];
    let from = |begins_at| {
        let report = verify(&Verification {
            files: &files,
            begins_at,
            checkpoints: None,
        });
        report.unwrap()
    };
    assert!(from(3).is_whole());
    assert_eq!(fault(&from(2)), (1, Some(3), "missing"));
    assert_eq!(fault(&from(4)), (1, Some(3), "repeated"));
}

#[test]
fn an_unfinished_last_line_is_told_apart_from_tampering() {
    let trail = Trail::of(3);
    let whole = trail.lines[..2].concat();
    for bytes in [1, 50, trail.lines[2].len() - 1] {
        let report = trail.verify(format!("{whole}{}", &trail.lines[2][..bytes]));
        assert!(report.is_whole());
        assert_eq!(report.records, 2);
        assert_eq!(report.unfinished[0].bytes, bytes as u64);
    }
    // But no interrupted write leaves more than a whole line.
    let report = trail.verify(trail.lines.concat().trim_end().to_owned() + "\u{b}");
    assert_eq!(fault(&report), (3, Some(3), "no_record"));
}

#[test]
fn a_signed_checkpoint_shows_a_cut_tail_and_a_file_that_was_written_anew() {
    let trail = Trail::of(6);
    let notes = [trail.sign(4), trail.sign(1), trail.sign(1)].join("\n");
    let report = trail.verify_with(trail.lines.concat(), &notes);
    assert!(report.is_whole());
    assert_eq!(report.checkpoints, 3);

    let report = trail.verify_with(trail.lines[..4].concat(), &notes);
    assert_eq!(fault(&report), (5, Some(4), "cut_off"));
    assert_eq!(
        report.fault.unwrap().kind,
        FaultKind::CutOff { sequence: 5 }
    );
    assert_eq!(fault(&trail.verify_with("", &notes)), (1, None, "cut_off"));

    let anew = Trail::of(6);
    let report = trail.verify_with(anew.lines.concat(), &notes);
    assert_eq!(fault(&report), (2, Some(2), "contradicted"));
}

#[test]
fn checkpoints_of_deleted_files_bear_on_the_first_record_that_is_left() {
    let trail = Trail::of(6);
    let files = [trail.write("late.jsonl", trail.lines[3..].concat())];
    let report = |notes: &str| {
        let path = trail.write("checkpoints.txt", notes);
        verify(&Verification {
            files: &files,
            begins_at: 4,
            checkpoints: Some((&path, &trail.key())),
        })
        .unwrap()
    };
    let good = report(&[trail.sign(0), trail.sign(2), trail.sign(5)].join("\n"));
    assert_eq!(
        (good.is_whole(), good.checkpoints, good.earlier_checkpoints),
        (true, 2, 1)
    );
    let other = checkpoint::sign(&trail.key, ORIGIN, 3, Hash::of(b"other")).unwrap();
    assert_eq!(fault(&report(&other.note)), (1, Some(4), "contradicted"));
}

#[test]
fn a_checkpoint_that_proves_nothing_is_not_passed_over() {
    let trail = Trail::of(3);
    let whole = trail.lines.concat();
    let strangers = Trail::of(3).sign(2);
    let altered = trail.sign(2).replacen("\n3\n", "\n2\n", 1);
    for (notes, number) in [
        (strangers, 1),
        ([trail.sign(0), altered].join("\n"), 2),
        (trail.sign(2).replace('\u{2014}', "\u{2014} x"), 1),
        (trail.sign(0).replace(ORIGIN, "other"), 1),
    ] {
        let report = trail.verify_with(&whole, &notes);
        assert_eq!(fault(&report), (0, None, "bad_checkpoint"), "{notes}");
        assert!(!report.to_string().contains(", line"), "{report}");
        let kind = report.fault.unwrap().kind;
        assert!(matches!(kind, FaultKind::BadCheckpoint { number: n, .. } if n == number));
    }
}

#[test]
fn a_long_file_of_checkpoints_is_read_whole() {
    let trail = Trail::of(1);
    let notes = vec![trail.sign(0); 2000].join("\n");
    assert!(notes.len() > 300 * 1024);
    let report = trail.verify_with(trail.lines.concat(), &notes);
    assert_eq!((report.is_whole(), report.checkpoints), (true, 2000));
}

#[test]
fn a_checkpoint_that_was_never_finished_is_told_apart() {
    let trail = Trail::of(3);
    let note = trail.sign(2);
    let text = note.split_inclusive("\n\n").next().unwrap();
    for torn in [&text[..5], text.trim_end(), text] {
        let report = trail.verify_with(trail.lines.concat(), &format!("{note}\n{torn}"));
        assert!(report.is_whole(), "{torn:?}");
        assert_eq!((report.checkpoints, report.unfinished_checkpoints), (1, 1));
        let later = format!("{torn}\n\n{note}");
        let report = trail.verify_with(trail.lines.concat(), &later);
        assert_eq!(
            (report.checkpoints, report.unfinished_checkpoints),
            (1, 1),
            "{later:?}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_no_verdict() {
    let files = [PathBuf::from("/nonexistent/audit.jsonl")];
    let error = verify(&Verification {
        files: &files,
        begins_at: 1,
        checkpoints: None,
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("/nonexistent/audit.jsonl")
    );
}

#[test]
fn an_endless_line_is_a_fault_and_not_a_burden() {
    let trail = Trail::of(1);
    let report = trail.verify(trail.lines[0].clone() + &"x".repeat(3 * 1024 * 1024));
    assert_eq!(fault(&report), (2, None, "no_record"));
}

#[test]
fn the_report_is_readable_by_people_and_programs() {
    let trail = Trail::of(4);
    let mut lines = trail.lines.clone();
    lines.remove(2);
    let report = trail.verify(lines.concat());
    let text = report.to_string();
    assert!(text.starts_with("NOT AS WRITTEN"), "{text}");
    assert!(
        text.contains("line 3, record 4: record 3 should be here"),
        "{text}"
    );
    let json = report.to_json();
    assert_eq!(json["valid"], false);
    assert_eq!(json["fault"]["kind"], "missing");
    assert_eq!(
        (&json["fault"]["line"], &json["records"]),
        (&3.into(), &2.into())
    );
    let whole = trail.verify(trail.lines.concat());
    assert!(whole.to_string().contains("that takes checkpoints"));
    assert_eq!(whole.to_json()["head"], trail.chains[3].head().to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_flipped_bit_is_found(count in 1..5_usize, place in any::<prop::sample::Index>()) {
        let trail = Trail::of(count);
        let mut bytes = trail.lines.concat().into_bytes();
        let bit = place.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let report = trail.verify(&bytes);
        prop_assert!(!report.is_whole(), "bit {bit}");
        // It names the line in which the bit is, unless that was joined to the next.
        let line = trail.lines.concat().as_bytes()[..bit / 8].iter().filter(|b| **b == b'\n').count();
        prop_assert_eq!(report.fault.unwrap().line, line as u64 + 1);
    }

    #[test]
    fn any_cut_swap_insertion_or_duplicate_is_found(
        count in 2..8_usize,
        (at, to, what) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8),
    ) {
        let trail = Trail::of(count);
        let stranger = Trail::of(count);
        let (at, to) = (at.index(count), to.index(count));
        let mut lines = trail.lines.clone();
        match what {
            0 => drop(lines.drain(at.min(to)..=at.max(to))),
            1 => lines.swap(at, to),
            2 => lines.insert(at, stranger.lines[to].clone()),
            _ => lines.insert(at, trail.lines[to].clone()),
        }
        prop_assume!(lines != trail.lines);
        // A cut at the end takes a checkpoint to be seen, and so does a forged record there.
        let report = trail.verify_with(lines.concat(), &trail.sign(count - 1));
        prop_assert!(!report.is_whole());
        let is_tail = trail.lines.starts_with(&lines);
        prop_assert_eq!(trail.verify(lines.concat()).is_whole(), is_tail);
    }

    #[test]
    fn a_cut_in_the_middle_of_lines_is_found(
        count in 2..5_usize,
        (from, to) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let trail = Trail::of(count);
        let mut bytes = trail.lines.concat().into_bytes();
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        bytes.drain(from.min(to)..=from.max(to));
        let report = trail.verify_with(&bytes, &trail.sign(count - 1));
        prop_assert!(!report.is_whole());
    }

    #[test]
    fn nothing_that_is_read_stops_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let trail = Trail::of(1);
        let _whatever = trail.verify(&bytes);
        let _whatever = trail.verify([trail.lines[0].as_bytes(), &bytes].concat());
        let _whatever = trail.verify_with("", &String::from_utf8_lossy(&bytes));
    }
}
