//! Realistic text that holds nothing: what is found in it is a false alarm.

use super::{super::Direction, redactor};

const LINES: &str = include_str!("../../../../tests/data/look-alikes.txt");

#[test]
fn fewer_than_one_in_a_hundred_look_alikes_is_taken_for_a_secret() {
    let redactor = redactor("{}");
    let lines: Vec<&str> = LINES.lines().collect();
    assert_eq!(lines.len(), 200);
    let alarms: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            let found = redactor.text(Direction::ToModel, line).report.findings;
            (!found.is_empty()).then_some((line, found))
        })
        .collect();
    assert!(alarms.len() < 2, "{alarms:#?}");
}

#[test]
fn fewer_than_one_in_fifty_look_alikes_is_taken_for_personal() {
    let redactor = redactor("{ to_model: { secrets: \"off\", personal: warn } }");
    let alarms: Vec<_> = LINES
        .lines()
        .filter_map(|line| {
            let found = redactor.text(Direction::ToModel, line).report.findings;
            (!found.is_empty()).then_some((line, found))
        })
        .collect();
    assert!(alarms.len() < 4, "{alarms:#?}");
}

#[test]
fn the_look_alikes_in_one_text_are_no_worse_than_line_by_line() {
    let redactor = redactor("{}");
    let found = redactor.text(Direction::ToModel, LINES).report.findings;
    assert!(found.len() < 2, "{found:#?}");
}
