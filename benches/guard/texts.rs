//! Texts in which there is nothing to find: words, this repository's papers and its code.
//!
//! What a rule finds in the papers and the code, since they speak of keys, is left out. The words
//! that rules look for stay: they are what such a text costs.

use std::{fs, path::Path};

use keyward::guard::redaction::{Direction, Redactor};

const WORDS: &str = "the of a and to in that it is was for on are as with his they at be this from \
    have or by one had not but what all were when we there can an your which their said if do will \
    each about how up out them then she many some so these would other into has more her two like \
    him see time could no make than first been its who now people my made over did down only way \
    find use may water long little very after words called just where most know garden letter \
    market evening mountain winter question answer morning window paper story river bridge";

/// English-like text of `bytes` bytes, always the same.
pub fn english(bytes: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut random = fastrand::Rng::with_seed(1);
    let mut text = String::new();
    while text.len() < bytes {
        for _ in 0..random.usize(6..18) {
            text.push_str(random.choice(&words).unwrap());
            text.push(' ');
        }
        text.pop();
        text.push_str(if random.u8(0..6) == 0 { ".\n\n" } else { ". " });
    }
    text.truncate(bytes);
    text
}

/// The paragraphs of this repository's papers, repeated up to about `bytes` bytes.
pub fn papers(bytes: usize, redactor: &Redactor) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [
        root.to_owned(),
        root.join("docs"),
        root.join("docs/decisions"),
    ] {
        files.extend(files_in(&folder, "md"));
    }
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let paragraphs: Vec<String> = texts
        .flat_map(|text| {
            text.split("\n\n")
                .map(|one| format!("{one}\n\n"))
                .collect::<Vec<_>>()
        })
        .filter(|paragraph| is_clean(paragraph, redactor))
        .collect();
    repeated(&paragraphs, bytes)
}

/// Files of this repository's code, repeated up to about `bytes` bytes.
pub fn code(bytes: usize, redactor: &Redactor) -> String {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        files.extend(files_in(&folder, "rs"));
        let below = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        folders.extend(below.filter(|path| path.is_dir()));
    }
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let texts: Vec<String> = texts.filter(|text| is_clean(text, redactor)).collect();
    repeated(&texts, bytes)
}

fn files_in(folder: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn is_clean(text: &str, redactor: &Redactor) -> bool {
    redactor
        .text(Direction::Audit, text)
        .report
        .findings
        .is_empty()
}

fn repeated(parts: &[String], bytes: usize) -> String {
    let mut text = String::new();
    for part in parts.iter().cycle() {
        text.push_str(part);
        if text.len() >= bytes {
            break;
        }
    }
    text.truncate(text.floor_char_boundary(bytes));
    text
}
