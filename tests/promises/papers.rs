//! The papers tell the truth: configurations that they show load, commands that they show exist,
//! tools that they name are those that clients see, and links lead somewhere.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::support::keyward::{LEGACY, Setup, write_private};

/// Written by hand beside the code, and so the likeliest to be wrong.
const SHOWN: [&str; 5] = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "deploy/compose/keyward.yaml",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: impl AsRef<Path>) -> String {
    let path = root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every paper: those above, and what lies in `docs`.
fn papers() -> Vec<(String, String)> {
    let mut folders = vec![root().join("docs")];
    let mut files: Vec<PathBuf> = SHOWN.iter().map(|file| root().join(file)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "md" => files.push(path),
                _ => {}
            }
        }
    }
    let named = |path: PathBuf| (path.display().to_string(), read(&path));
    files.into_iter().map(named).collect()
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    text.split("\n```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .collect()
}

#[test]
fn every_configuration_in_the_papers_loads() {
    let mut loaded = 0;
    for (paper, text) in papers() {
        let shown = match paper.ends_with(".yaml") {
            true => vec![text.as_str()],
            false => blocks(&text, "yaml"),
        };
        for yaml in shown {
            let ended = Setup::with_config(yaml).run(&["check"]);
            assert_eq!(
                ended.status.code(),
                Some(0),
                "{paper}:\n{yaml}\n{}",
                ended.stderr
            );
            loaded += 1;
        }
    }
    assert!(loaded >= 7, "only {loaded} were found");
}

/// The words after each `keyward` that stands where a command can stand.
fn commands(text: &str) -> BTreeSet<Vec<&str>> {
    let shells = ["sh", "text", "toml", "json"].map(|language| blocks(text, language));
    let lines = shells.iter().flatten().flat_map(|block| block.lines());
    let quoted = text.split('`').skip(1).step_by(2);
    let behind = |line: &str| line.rfind("-- keyward ").map_or(0, |at| at + "-- ".len());
    lines
        .chain(quoted)
        .filter_map(|line| line[behind(line)..].strip_prefix("keyward "))
        .map(|rest| {
            let word = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
            rest.split_whitespace().take_while(word).collect()
        })
        .filter(|words: &Vec<&str>| !words.is_empty())
        .collect()
}

#[test]
fn every_command_in_the_papers_exists() {
    let setup = Setup::bare();
    let mut seen = BTreeSet::new();
    for (paper, text) in papers() {
        for words in commands(&text) {
            let arguments: Vec<&str> = words.iter().copied().chain(["--help"]).collect();
            let ended = setup.run(&arguments);
            assert!(ended.status.success(), "{paper}: {words:?} {ended:?}");
            seen.extend(words.into_iter().map(str::to_owned));
        }
    }
    for command in ["serve", "check", "secrets", "demo", "--json"] {
        assert!(seen.contains(command), "{command} is not shown: {seen:?}");
    }
}

#[test]
fn what_the_containers_run_exists() {
    // The image's entry point is the binary; what follows is ours.
    let image = read("Dockerfile");
    assert!(image.contains(r#"ENTRYPOINT ["/usr/local/bin/keyward"]"#));
    assert!(image.contains(r#"CMD ["serve"]"#));
    let compose = read("docker-compose.yml");
    let service = compose.split("\n  keyward:\n").nth(1).unwrap();
    let service = service.split("\n\n  openbao:\n").next().unwrap();
    assert!(service.contains("\n    command: [serve]\n"), "{service}");
    assert!(service.contains("[CMD, /usr/local/bin/keyward, check]"));
    assert!(service.contains(r#"ports: ["127.0.0.1:8787:8787"]"#));
    for arguments in [["serve", "--help"], ["check", "--help"]] {
        assert!(Setup::bare().run(&arguments).status.success());
    }
    // Every service is confined in the same way.
    let services = compose.matches("\n    image: ").count();
    assert_eq!(services, 5);
    assert_eq!(compose.matches("<<: *confined").count(), services);
}

#[test]
fn the_tools_that_the_readme_names_are_those_that_clients_see() {
    let setup = Setup::bare();
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    let answer = keyward.request("tools/list", json!({}));
    let listed = answer["result"]["tools"].as_array().unwrap().iter();
    let listed: BTreeSet<&str> = listed.map(|tool| tool["name"].as_str().unwrap()).collect();
    let readme = read("README.md");
    let sentence = readme.split("offers three tools:").nth(1).unwrap();
    let sentence = sentence.split("\n\n").next().unwrap();
    let named: BTreeSet<&str> = sentence.split('`').skip(1).step_by(2).collect();
    assert_eq!(named, listed);
    assert!(keyward.close().success());
}

#[test]
fn links_between_the_papers_lead_somewhere() {
    let mut followed = 0;
    for (paper, text) in papers() {
        let folder = Path::new(&paper).parent().unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            assert!(folder.join(link).exists(), "{paper} links to {link}");
            followed += 1;
        }
    }
    assert!(followed > 10, "only {followed} were found");
}

#[test]
fn a_broken_configuration_in_a_paper_would_be_noticed() {
    let text = "a\n```yaml\nlog: { levle: info }\n```\nb `keyward chek` c\n";
    let [yaml] = blocks(text, "yaml")[..] else {
        panic!("one block")
    };
    let setup = Setup::with_config(yaml);
    assert_eq!(setup.run(&["check"]).status.code(), Some(1));
    assert_eq!(commands(text), BTreeSet::from([vec!["chek"]]));
    assert!(!setup.run(&["chek", "--help"]).status.success());
    write_private(
        &setup.folder().join("keyward.yaml"),
        "log: { level: info }\n",
    );
    assert_eq!(setup.run(&["check"]).status.code(), Some(0));
}
