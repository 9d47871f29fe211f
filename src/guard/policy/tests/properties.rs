//! Whatever is written and whatever is called: nothing panics, and nothing passes a rule by failing.

use proptest::prelude::*;

use super::*;

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]|id|note|names|people|ssn", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Expressions that are mostly CEL, about what calls have.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "args.id",
        "args.note",
        "args.names",
        "args.free",
        "args.free.a",
        "args.amount",
        "principal.id",
        "principal.groups",
        "principal.claims",
        "principal.claims.level",
        "files",
        "files[0].path",
        "files[0].size",
        "usage.calls",
        "now",
        "model",
        "tool.read_only",
        "1",
        "0",
        "-1",
        "1.5",
        "'a'",
        "''",
        "true",
        "false",
        "null",
        "[1, 2]",
        "['a']",
        "{'a': 1}",
        "b'a'",
        "9223372036854775807",
        "2u",
        "int",
        "duration('1s')",
        "timestamp('2026-01-01T00:00:00Z')",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 32, 3, |inner| {
        let operators = prop::sample::select(vec![
            "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "&&", "||", "in",
        ]);
        let functions = prop::sample::select(vec![
            "size",
            "int",
            "uint",
            "double",
            "string",
            "bool",
            "dyn",
            "type",
            "timestamp",
            "duration",
            "!",
            "-",
            "has",
        ]);
        let members = prop::sample::select(vec![
            "contains",
            "startsWith",
            "endsWith",
            "matches",
            "size",
            "getHours",
        ]);
        let macros = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
        prop_oneof![
            (inner.clone(), operators, inner.clone())
                .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            (functions, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (inner.clone(), members, inner.clone()).prop_map(|(a, m, b)| format!("{a}.{m}({b})")),
            (inner.clone(), macros, inner.clone())
                .prop_map(|(a, m, b)| format!("{a}.{m}(v, {b} == v)")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a}[{b}]")),
        ]
    })
}

fn blocking<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// A rule that denies and the same rule turned round cannot both let a call pass.
    #[test]
    fn no_call_passes_both_a_rule_and_its_opposite(condition in expression(), args in json_value()) {
        let args = if args.is_object() { args } else { json!({ "free": args }) };
        let call = call("people", args);
        let both = [condition.clone(), format!("!({condition})")].map(|text| denying(&text));
        if let [Ok(rule), Ok(opposite)] = both {
            let verdicts = [&rule, &opposite].map(|policy| blocking(judged(policy, &call)).verdict);
            prop_assert!(verdicts.contains(&Verdict::Deny), "{}", condition);
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(condition in ".{0,200}") {
        drop(denying(&condition));
    }

    #[test]
    fn no_text_of_cels_own_signs_makes_the_compiler_panic(
        condition in r#"(args|files|[a-c]|id|\.|\(|\)|\[|\]|\{|\}|'|"|!|-|\+|\?|:|,|&&|\|\||==|<|in| |1|0x|\\|//|\n|r'|b"|all|exists|has|map){0,60}"#,
    ) {
        drop(denying(&condition));
    }

    #[test]
    fn no_rule_set_and_answer_panic_and_what_is_filtered_is_gone(
        answer in json_value(),
        fields in prop::collection::vec("(/([a-c]|\\*|\\*\\*|0|1)){0,3}/(ssn|a|0|\\*)", 1..4),
        masks in prop::collection::vec("/\\*\\*/(a|b|people)", 1..3),
    ) {
        let mut settings = one_rule("true");
        settings.rules[0].when.direction = Direction::Output;
        settings.rules[0].condition = None;
        settings.rules[0].action = ActionSettings::FilterFields(fields.clone());
        let mut second = settings.rules[0].clone();
        second.id = "second".to_owned();
        second.action = ActionSettings::MaskFields(masks);
        settings.rules.push(second);
        if let Ok(policy) = Policy::compile(&settings, &[], &tools()) {
            let mut answer = answer;
            let decision = blocking(policy.output(&call("people", json!({})).facts(), &mut answer));
            prop_assert_eq!(decision.verdict, Verdict::Transform);
            if fields.iter().any(|field| field == "/**/ssn") {
                prop_assert!(!answer.to_string().contains("ssn"));
            }
        }
    }
}
