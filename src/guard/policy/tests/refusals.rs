//! PARITY B4: bad conditions pass `validate`. Here what is wrong is refused when it is loaded, with
//! its place and what was probably meant.

use super::*;

/// The one problem with a rule that denies calls of `people` on `condition`.
fn problem(condition: &str) -> RuleProblem {
    let Err(mut problems) = denying(condition) else {
        panic!("{condition} is not refused");
    };
    assert_eq!(problems.len(), 1, "{condition}: {problems:#?}");
    problems.remove(0)
}

#[test]
fn a_slip_in_a_name_is_told_with_its_place_and_the_name_that_was_meant() {
    for (condition, place, meant) in [
        ("arg.id == 1", (1, 1), "args"),
        ("args.idd == 1", (1, 5), "id"),
        ("args.filter.cty == 'x'", (1, 12), "city"),
        ("args['idd'] == 1", (1, 5), "id"),
        ("principal.grops == []", (1, 10), "groups"),
        ("client.nam == ''", (1, 7), "name"),
        ("tool.readonly", (1, 5), "read_only"),
        ("usage.call > 1", (1, 6), "calls"),
        ("files[0].pth == ''", (1, 9), "path"),
        ("files.exists(f, f.siz > 1)", (1, 18), "size"),
        ("has(args.nte)", (1, 4), "note"),
        ("args.note.contain('x')", (1, 18), "contains"),
        ("true &&\n  args.nte == 'x'", (2, 7), "note"),
        ("files.exist(f, f.size > 1)", (1, 12), "exists"),
        ("sise(args.note) > 1", (1, 5), "size"),
        (
            "files.filter(f, f.size > 1).exists(f, f.pat == '')",
            (1, 40),
            "path",
        ),
    ] {
        let Err(problems) = denying(condition) else {
            panic!("{condition} is not refused");
        };
        let (line, column) = place;
        let at = format!("line {line}, column {column}: ");
        let found = problems
            .iter()
            .find(|problem| problem.message.starts_with(&at));
        let found = found.unwrap_or_else(|| panic!("{condition}: {problems:#?}"));
        assert_eq!(found.path, ["rules", "0", "condition"]);
        assert_eq!(
            found.help,
            format!("did you mean `{meant}`?"),
            "{condition}"
        );
    }
}

#[test]
fn what_is_like_nothing_known_is_told_what_there_is() {
    assert_eq!(
        problem("wages > 1").help,
        "there are: args, client, files, model, now, principal, provider, secrets, tool, usage"
    );
    assert_eq!(problem("args.id.x == 1").help, "this value has no fields");
    assert_eq!(problem("model.name == ''").help, "this value has no fields");
}

#[test]
fn types_that_do_not_go_together_are_found_on_a_sample() {
    for condition in [
        "1 + 'a' == true",
        "args.id == '666'",
        "args.id in ['666']",
        "args.note > 5",
        "args.id",
        "args.note.contains(1)",
        "args.id && true",
        // Not reached in the sample.
        "principal.id == 'bob' && args.note > 5",
        "principal.id == 'sample' || 1 + 'a' == true",
        "model == 'x' ? args.id == 'y' : false",
        "size(args.id) > 1",
        "args.names.exists(n, n > 1)",
        "now == '2026-01-01'",
        "1 / 0 == 1",
    ] {
        let problem = problem(condition);
        assert!(
            problem.message.starts_with("tried on a call of `people`: "),
            "{problem:?}"
        );
        assert!(!problem.help.is_empty());
    }
}

#[test]
fn what_failed_on_a_sample_is_told_with_what_to_do_about_it() {
    for (condition, help) in [
        ("args.note > 5", "compare like with like"),
        ("args.id", "a condition is true or false"),
        ("1 / 0 == 1", "`keyward policy explain`"),
    ] {
        let problem = problem(condition);
        assert!(problem.help.starts_with(help), "{problem:?}");
    }
}

#[test]
fn a_field_that_only_some_of_the_tools_have_is_found_on_the_others() {
    let refused = compiled("rules: [{ id: r, condition: 'args.id == 1', action: deny }]")
        .err()
        .unwrap();
    assert!(refused[0].message.contains("`chat`"), "{refused:?}");
    assert!(refused[0].help.contains("when.tools"));
    compiled("rules: [{ id: r, condition: 'has(args.id) && args.id == 1', action: deny }]")
        .ok()
        .unwrap();
}

#[test]
fn what_no_schema_tells_of_is_not_tried_on_a_sample() {
    for fine in [
        "args.free.x == 1",
        "args.free.exists(x, x.y == 1)",
        "args.free.x == 1 && args.names.exists(n, n == 'x')",
    ] {
        denying(fine).unwrap_or_else(|problems| panic!("{fine}: {problems:#?}"));
    }
}

#[test]
fn a_comprehension_may_hold_lists_and_maps_of_constants() {
    for fine in [
        "args.names.exists(n, n in ['a', 'b'])",
        "args.names.exists(n, n in {'a': true, 'b': false})",
    ] {
        denying(fine).unwrap_or_else(|problems| panic!("{fine}: {problems:#?}"));
    }
}

#[test]
fn what_a_map_makes_of_items_has_fields_of_its_own() {
    for fine in [
        "args.names.map(n, {'made': 1}).exists(m, m.made == 1)",
        "args.names.map(n, n != '', {'made': 1}).exists(m, m.made == 1)",
    ] {
        denying(fine).unwrap_or_else(|problems| panic!("{fine}: {problems:#?}"));
    }
}

#[test]
fn calls_that_leave_out_what_a_rule_reads_are_warned_of() {
    let warned = denying("args.note == 'x'").ok().unwrap();
    assert_eq!(warned.warnings().len(), 1);
    assert!(warned.warnings()[0].message.contains("`people`"));
    assert!(denying("files[0].size > 1").ok().unwrap().warnings().len() == 1);
    for fine in [
        "has(args.note) && args.note == 'x'",
        "args.id == 1",
        "size(files) > 0 && files[0].size > 1",
    ] {
        assert_eq!(denying(fine).ok().unwrap().warnings(), [], "{fine}");
    }
}

#[test]
fn hostile_conditions_are_refused_without_overflow() {
    let many = |text: &str| text.repeat(8192 / text.len());
    for condition in [
        many("("),
        many("["),
        many("!"),
        many("-"),
        format!("args{}", many(".a").get(8..).unwrap()),
        format!("args{}", many("[0]").get(6..).unwrap()),
        many("a?b:").get(1..).unwrap().to_owned(),
        format!("files{}", ".map(x,x)".repeat(900)),
        format!("files{}", ".filter(x, true)".repeat(3)),
        "args.names.all(a, args.names.all(b, args.names.all(c, a == b)))".to_owned(),
        "args.id == 1".to_owned() + &" + 1".repeat(40),
        many("1 + ").get(2..).unwrap().to_owned(),
        format!("{}1{}", "[".repeat(31), "]".repeat(31)) + " == " + &"!".repeat(8000),
        "x".repeat(8193),
        "\0".repeat(8000),
        "'".repeat(8191),
    ] {
        assert!(denying(&condition).is_err(), "{:.40}", condition);
    }
}

#[test]
fn a_long_row_of_alternatives_is_fine() {
    let row = (0..300)
        .map(|n| format!("args.id == {n}"))
        .collect::<Vec<_>>()
        .join(" || ");
    denying(&row).ok().unwrap();
}

#[test]
fn what_would_cost_too_much_or_means_nothing_is_refused() {
    for (condition, part) in [
        ("args.note.matches(args.note)", "not written out"),
        ("args.note.matches('(')", "no regular expression"),
        (
            r"args.note.matches('(\\w{1,1000}){1,1000}')",
            "no regular expression",
        ),
        (
            "(args.names + args.names).exists(n, n == 'x')",
            "is computed",
        ),
        (
            "{'made': args.names}.made.exists(n, n == 'x')",
            "is computed",
        ),
        (
            "args.names.map(n, [n, n]).exists(n, n == [])",
            "something computed",
        ),
        ("args.names.exists(n, {'a': n} == {})", "something computed"),
        (
            "args.names.exists(args, args == 'x')",
            "a name that is taken",
        ),
        ("args.names.exists(int, int == 'x')", "a name that is taken"),
        ("args.names.exists(.n, true)", "a name that is taken"),
        (
            "args.names.exists(n, n.all(n, true))",
            "a name that is taken",
        ),
        ("matches(args.note, 'x')", "not how the function is called"),
        ("args.names.all()", "not how a macro is written"),
        ("bytes(args.note) == b''", "no function of this name"),
        (".args.id == 1", "no variable of this name"),
        ("optional.of(1).hasValue()", "no variable of this name"),
        ("Message{a: 1} == 1", "no messages"),
        ("args.?id == 1", "not CEL"),
        ("result.people == []", "no answer yet"),
        ("user.role == 'x'", "no variable of this name"),
        ("@meter == 1", "not CEL"),
        ("1", "neither true nor false"),
        ("", "not CEL"),
    ] {
        let Err(problems) = denying(condition) else {
            panic!("{condition} is not refused");
        };
        let is_told = problems
            .iter()
            .any(|problem| problem.message.contains(part));
        assert!(is_told, "{condition}: {problems:#?}");
    }
}

#[test]
fn no_message_repeats_what_was_written() {
    for condition in [
        "sk_live_secret == 1",
        "args.sk_live_secret",
        "sk_live_secret(1)",
        "'sk_live_secret",
        "args.note.matches('sk_live_secret(')",
    ] {
        let Err(problems) = denying(condition) else {
            panic!("{condition} is not refused");
        };
        assert!(!format!("{problems:?}").contains("live"), "{problems:?}");
    }
}

#[test]
fn rules_that_cannot_be_applied_are_all_told_at_once() {
    let problems = compiled(
        "rules:
  - { id: Bad Name, action: deny }
  - { id: twice, action: deny }
  - { id: twice, action: deny }
  - { id: tool, when: { tools: [chta] }, action: deny }
  - { id: none, when: { tools: [] }, action: deny }
  - { id: kind, when: { principals: ['kind:robot'] }, action: deny }
  - { id: early, action: { mask_fields: [/x] } }
  - { id: late, when: { direction: output }, action: require_approval }
  - { id: leave, when: { direction: output }, action: allow }
  - { id: fields, when: { direction: output }, action: { filter_fields: [/ok, x, '/**/a/**/b/**/c'] } }
  - { id: empty, when: { direction: output }, action: { mask_fields: [] } }
  - { id: cel, condition: '1 +', action: deny }",
    )
    .err()
    .unwrap();
    let told: Vec<String> = problems
        .iter()
        .map(|problem| problem.path.join("."))
        .collect();
    for path in [
        "rules.0.id",
        "rules.2.id",
        "rules.3.when.tools.0",
        "rules.4.when.tools",
        "rules.5.when.principals.0",
        "rules.6.action",
        "rules.7.action",
        "rules.8.action",
        "rules.9.action.filter_fields.1",
        "rules.9.action.filter_fields.2",
        "rules.10.action.mask_fields",
        "rules.11.condition",
    ] {
        assert!(told.contains(&path.to_owned()), "{path}: {told:?}");
    }
    assert_eq!(told.len(), 12, "{told:?}");
    assert!(
        problems
            .iter()
            .any(|problem| problem.help == "did you mean `chat`?")
    );
    let named = |length| format!("rules: [{{ id: {}, action: deny }}]", "a".repeat(length));
    assert!(compiled(&named(64)).is_ok());
    assert!(compiled(&named(65)).is_err());
}

#[test]
fn a_pattern_that_no_tool_is_like_is_warned_of() {
    let policy = policy("rules: [{ id: r, when: { tools: ['db_*', chat] }, action: deny }]");
    assert_eq!(
        policy.warnings()[0].path,
        ["rules", "0", "when", "tools", "0"]
    );
}

#[test]
fn problems_name_the_file_they_are_in() {
    let file = |yaml: &str| serde_saphyr::from_str::<PolicyFile>(yaml).unwrap();
    let files = [
        file("rules: [{ id: a, action: deny }]"),
        file("rules: [{ id: a, action: deny }]"),
        file("tool: chat"),
    ];
    let problems = Policy::compile(&PolicySettings::default(), &files, &tools())
        .err()
        .unwrap();
    let places: Vec<_> = problems
        .iter()
        .map(|p| (p.file, p.path.join(".")))
        .collect();
    assert!(
        places.contains(&(Some(1), "rules.0.id".to_owned())),
        "{places:?}"
    );
    assert!(places.contains(&(Some(2), "tool".to_owned())), "{places:?}");
}
