//! Rules of one's own: what they find, and what is refused in words.

use std::sync::Arc;

use super::{
    super::{Direction, RedactionSettings, Redactor},
    Knows, rules,
};

fn load(file: &str) -> Result<Redactor, Vec<String>> {
    let files = [(3, file.to_owned())];
    let redactor = Redactor::new(&RedactionSettings::default(), &files, Arc::new(Knows("")));
    redactor.map_err(|problems| {
        let told = problems.into_iter().map(|problem| {
            assert_eq!(problem.path, ["redaction", "rules", "3"]);
            problem.message
        });
        told.collect()
    })
}

/// What a rule with `keys` finds in `text`, as the text that is left.
fn left(keys: &str, text: &str) -> String {
    let file = format!("[[rules]]\nid = \"mine\"\n{keys}");
    match load(&file) {
        Ok(redactor) => redactor.text(Direction::Log, text).text.into_owned(),
        Err(problems) => panic!("{problems:?}"),
    }
}

fn refused(file: &str) -> String {
    match load(file) {
        Ok(_) => panic!("accepted: {file}"),
        Err(problems) => problems.join("; "),
    }
}

#[test]
fn a_rule_finds_its_regex_its_first_group_or_the_group_it_names() {
    let text = "acme 1234 5678";
    let keyed = "keywords = [\"ACME\"]\n";
    for (regex, expected) in [
        ("regex = 'acme \\d+'", "[redacted:mine] 5678"),
        ("regex = 'acme (\\d+) (\\d+)'", "acme [redacted:mine] 5678"),
        ("regex = 'acme (x)?.*?(\\d+)$'", "acme 1234 [redacted:mine]"),
        (
            "regex = 'acme (\\d+) (\\d+)'\nsecretGroup = 2",
            "acme 1234 [redacted:mine]",
        ),
    ] {
        assert_eq!(left(&format!("{keyed}{regex}"), text), expected);
    }
}

#[test]
fn a_rule_with_keywords_is_tried_only_where_one_is_and_one_without_everywhere() {
    assert_eq!(
        left("regex = '\\d{4}'\nkeywords = [\"acme\"]", "1234"),
        "1234"
    );
    assert_eq!(
        left("regex = '\\d{4}'\nkeywords = [\"acme\"]", "aCmE 1234"),
        "aCmE [redacted:mine]"
    );
    assert_eq!(left("regex = '\\d{4}'", "1234"), "[redacted:mine]");
}

#[test]
fn a_match_that_reaches_beyond_the_keywords_surroundings_is_found_whole() {
    let long = "7".repeat(5_000);
    let keys = "regex = '7+acme7+'\nkeywords = [\"acme\"]";
    let text = format!(
        "{} {long}acme{long} {}",
        "x".repeat(3_000),
        "x".repeat(3_000)
    );
    let expected = text.replace(&format!("{long}acme{long}"), "[redacted:mine]");
    assert_eq!(left(keys, &text), expected);
}

#[test]
fn what_is_not_random_enough_is_no_find() {
    let keys = "regex = 'acme-([a-z0-9]+)'\nentropy = 2.5";
    assert_eq!(left(keys, "acme-aaaaaaaa"), "acme-aaaaaaaa");
    assert_eq!(left(keys, "acme-a1b2c3d4"), "acme-[redacted:mine]");
}

#[test]
fn an_allow_list_takes_back_by_secret_match_line_or_word() {
    let rule = "regex = 'acme-(\\w+)'\n";
    for (list, taken_back, still_found) in [
        ("regexes = ['^test']", "acme-test1", "acme-1test"),
        ("stopwords = ['DEMO']", "acme-1demo1", "acme-dem0"),
        (
            "regexTarget = 'match'\nregexes = ['^acme-1']",
            "acme-123",
            "acme-213",
        ),
        (
            "regexTarget = 'line'\nregexes = ['^# ']",
            "x\n# acme-123\n",
            "# x\nacme-123",
        ),
        (
            "condition = 'AND'\nregexes = ['^1']\nstopwords = ['demo']",
            "acme-1demo",
            "acme-2demo acme-1dem",
        ),
    ] {
        for form in ["[[rules.allowlists]]", "[rules.allowlist]"] {
            let keys = format!("{rule}{form}\n{list}");
            assert_eq!(left(&keys, taken_back), taken_back, "{keys}");
            let found = left(&keys, still_found);
            let expected = still_found.matches("acme-").count();
            assert_eq!(
                found.matches("[redacted:mine]").count(),
                expected,
                "{found}"
            );
        }
    }
}

#[test]
fn a_files_own_allow_list_is_for_all_its_rules_or_for_those_it_names() {
    let rules_of = |list: &str| {
        let rule = |id: &str| format!("[[rules]]\nid = '{id}'\nregex = '{id}-\\w+'\n");
        let file = format!("{list}\n{}{}", rule("one"), rule("two"));
        let redactor = load(&file).unwrap_or_else(|problems| panic!("{problems:?}"));
        rules(&redactor, Direction::Log, "one-demo two-demo")
    };
    assert_eq!(rules_of("[allowlist]\nstopwords = ['demo']"), [""; 0]);
    let named = "[[allowlists]]\ntargetRules = ['one']\nstopwords = ['demo']";
    assert_eq!(rules_of(named), ["two"]);
    assert_eq!(rules_of(""), ["one", "two"]);
}

#[test]
fn what_did_not_count_does_not_hide_what_stands_in_it() {
    let keys = "regex = 'key=(\\S+)'\n[rules.allowlist]\nregexes = ['^aaaa']";
    assert_eq!(
        left(keys, "key=aaaakey=a1b2c3d4e5f6"),
        "key=aaaakey=[redacted:mine]"
    );
}

#[test]
fn what_did_not_count_and_has_no_name_is_passed_over_as_a_whole() {
    let keys = "regex = '[a-f0-9]{8}'\n[rules.allowlist]\nregexes = ['^0000']";
    assert_eq!(left(keys, "0000000012345678"), "00000000[redacted:mine]");
}

#[test]
fn classes_are_ascii_and_unicode_is_a_flag() {
    assert_eq!(
        left("regex = 'k\\w+'", "kab\u{e9}"),
        "[redacted:mine]\u{e9}"
    );
    assert_eq!(left("regex = '(?u)k\\w+'", "kab\u{e9}"), "[redacted:mine]");
    // A class that could end within a character takes the character whole.
    assert_eq!(left("regex = 'k[^x]{1}'", "k\u{e9}"), "[redacted:mine]");
}

#[test]
fn a_file_may_be_as_long_as_one_mebibyte() {
    let rule = "[[rules]]\nid = 'mine'\nregex = 'acme'\n#";
    for (length, is_read) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let file = rule.to_owned() + &"#".repeat(length - rule.len());
        assert_eq!(load(&file).is_ok(), is_read, "{length}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_the_rules_id_and_never_with_a_value() {
    let rule = |keys: &str| format!("[[rules]]\nid = 'mine'\n{keys}");
    for (file, told) in [
        (
            rule("regex = '(a'"),
            "rule `mine`: the regular expression in `regex` is not one",
        ),
        (rule("regex = '(?:a{1000}){1000}'"), "`regex` is too large"),
        (
            rule(&format!("regex = '{}'", "a".repeat(9_000))),
            "is longer than 8 KiB",
        ),
        (
            rule("regex = 'a'\nsecretGroup = 1"),
            "`secretGroup` is no group",
        ),
        (rule("regex = 'a'\nentropy = 9.0"), "`entropy` is bits"),
        (
            rule("regex = 'a'\nkeywords = ['ab']"),
            "`keywords` are at most",
        ),
        (
            rule("regex = 'a'\npath = 'x'"),
            "rule `mine`: `path` is not supported",
        ),
        (rule("path = 'x'"), "needs a `regex`"),
        (
            rule("regex = 'a'\n[rules.allowlist]\npaths = ['a']"),
            "`paths` is not supported",
        ),
        (
            rule("regex = 'a'\n[rules.allowlist]"),
            "without regexes and stopwords",
        ),
        (
            rule("regex = 'a'\n[rules.allowlist]\nregexes = ['(']"),
            "in `regexes` is not one",
        ),
        (
            rule("regex = 'a'\n[rules.allowlist]\nstopwords = ['']"),
            "an empty stopword",
        ),
        (
            "[[rules]]\nid = 'Mine!'\nregex = 'a'".to_owned(),
            "rule 1: an `id` is small",
        ),
        (
            "[[rules]]\nid = 'jwt'\nregex = 'a'".to_owned(),
            "is a rule of this id already",
        ),
        (
            "[[rules]]\nid = 'email'\nregex = 'a'".to_owned(),
            "is a rule of this id already",
        ),
        (
            "[[rules]]\nid = 'limit'\nregex = 'a'".to_owned(),
            "is a rule of this id already",
        ),
        (
            rule("regex = 'a'\n[[rules]]\nid = 'mine'\nregex = 'b'"),
            "of this id already",
        ),
        (
            format!("[extend]\nuseDefault = true\n{}", rule("regex = 'a'")),
            "`extend` is not",
        ),
        (
            rule("regex = 'a'\nregexp = 'b'"),
            "line 4: unknown field `regexp`",
        ),
        (rule("regex = 7171"), "line 3: invalid type"),
        ("rules = 'hunter2".to_owned(), "line 1: "),
        (String::new(), "more than 1,000 rules, or none"),
        ("#".repeat(2 << 20), "longer than 1 MiB"),
    ] {
        let problems = refused(&file);
        assert!(problems.contains(told), "{file:.80}: {problems}");
        let values = ["hunter2", "Mine!", "(?:a{1000}", "7171"];
        assert!(
            !values.iter().any(|value| problems.contains(value)),
            "{problems}"
        );
    }
}
