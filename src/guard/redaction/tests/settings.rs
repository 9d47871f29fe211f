//! Directions, actions and strategies, and what of the settings is refused.

use std::sync::Arc;

use fastrand::Rng;

use super::{
    super::{Action, Direction, RedactionSettings, Redactor},
    Knows, redactor, rules,
    samples::sample,
    settings, with_key,
};

const DIRECTIONS: [Direction; 4] = [
    Direction::ToModel,
    Direction::ToClient,
    Direction::Log,
    Direction::Audit,
];

fn token() -> String {
    sample("github-token", &mut Rng::with_seed(7)).secret
}

/// The action in each direction for what is found in `text`; `None` if nothing was.
fn actions(redactor: &Redactor, text: &str) -> [Option<Action>; 4] {
    DIRECTIONS.map(|direction| {
        let redacted = redactor.text(direction, text);
        let action = redacted.report.findings.first().map(|found| found.action);
        let is_left = redacted.text == text;
        assert_eq!(is_left, action < Some(Action::Redact), "{direction:?}");
        assert_eq!(redacted.report.changed, !is_left);
        assert_eq!(redacted.report.blocked, action == Some(Action::Block));
        action
    })
}

#[test]
fn by_default_a_secret_is_blocked_to_models_and_redacted_elsewhere_and_personal_data_is_not_kept() {
    use Action::{Block, Redact};
    let redactor = redactor("{}");
    let secrets = [Some(Block), Some(Redact), Some(Redact), Some(Redact)];
    assert_eq!(actions(&redactor, &token()), secrets);
    let personal = [None, None, Some(Redact), Some(Redact)];
    assert_eq!(actions(&redactor, "anna@mail.example"), personal);
}

#[test]
fn what_is_left_out_of_a_direction_keeps_its_default() {
    let redactor = redactor("{ to_model: { personal: warn }, log: { secrets: warn } }");
    assert_eq!(actions(&redactor, &token())[0], Some(Action::Block));
    assert_eq!(
        actions(&redactor, "anna@mail.example"),
        [
            Some(Action::Warn),
            None,
            Some(Action::Redact),
            Some(Action::Redact)
        ]
    );
    assert_eq!(actions(&redactor, &token())[2], Some(Action::Warn));
}

#[test]
fn a_key_that_was_handed_out_never_passes_whatever_is_set() {
    use Action::{Block, Redact};
    for (set, to_model, elsewhere) in [
        ("\"off\"", Block, Redact),
        ("warn", Block, Redact),
        ("redact", Redact, Redact),
        ("block", Block, Block),
    ] {
        let directions = ["to_model", "to_client", "log", "audit"];
        let yaml = directions.map(|direction| format!("{direction}: {{ secrets: {set} }}"));
        let redactor = with_key(&format!("{{ {} }}", yaml.join(", ")), "correct horse");
        let expected = [to_model, elsewhere, elsewhere, elsewhere].map(Some);
        let text = "it is correct horse, is it";
        assert_eq!(actions(&redactor, text), expected, "{set}");
        let redacted = redactor.text(Direction::ToModel, text).text;
        assert_eq!(redacted, "it is [redacted:live-key], is it");
    }
}

#[test]
fn a_key_that_was_handed_out_is_replaced_wholly_whatever_the_strategy() {
    let redactor = with_key(
        "{ strategy: { default: partial } }",
        "correct horse battery",
    );
    let redacted = redactor.text(Direction::Log, "password=correct horse battery9staple4x");
    assert_eq!(redacted.text, "password=[redacted:live-key]9staple4x");
    let token = token();
    let redacted = redactor.text(Direction::Log, &token).text;
    let end = &token[token.len() - 4..];
    assert_eq!(redacted, format!("[redacted:github-token:*{end}]"));
}

#[test]
fn the_strategy_of_a_rule_goes_before_that_of_its_kind_and_that_before_the_default() {
    let redactor = redactor(
        "{ strategy: { default: { truncate: 2 }, personal: partial, email: email, phone: hash } }",
    );
    let redacted = |text: &str| redactor.text(Direction::Log, text).text.into_owned();
    assert_eq!(redacted("anna@mail.example"), "a***@mail.example");
    assert_eq!(
        redacted("4111111111111111"),
        "[redacted:payment-card:*1111]"
    );
    let phone = redacted("+49 30 1234567");
    assert_eq!(phone.len(), "[redacted:phone:0123456789abcdef]".len());
    assert_eq!(phone, redacted("+49 30 1234567"));
    let token = token();
    let expected = format!("{}[redacted:github-token]", &token[..2]);
    assert_eq!(redacted(&token), expected);
}

#[test]
fn every_strategy_leaves_what_is_redacted_again_as_it_is() {
    let token = token();
    let text = format!(
        "token={token} anna@mail.example 4111 1111 1111 1111, +49 30 1234567; DE89370400440532013000"
    );
    for strategy in [
        "full",
        "partial",
        "hash",
        "{ truncate: 8 }",
        "email",
        "type_preserving",
    ] {
        let redactor = redactor(&format!("{{ strategy: {{ default: {strategy} }} }}"));
        let once = redactor.text(Direction::Log, &text).text;
        assert!(!once.contains(&token[..20]), "{once}");
        assert_ne!(once, text);
        assert!(!once.contains("limit"), "{once}");
        assert_eq!(
            redactor.text(Direction::Log, &once).text,
            once,
            "{strategy}"
        );
    }
}

#[test]
fn an_imitation_that_looks_like_a_find_itself_stays() {
    let redactor = redactor("{ strategy: { email: type_preserving } }");
    let redacted = redactor.text(Direction::Log, "anna@mail.example").text;
    assert!(redacted != "anna@mail.example" && redacted.len() == 17);
    assert_eq!(
        (&redacted[4..5], &redacted[9..10]),
        ("@", "."),
        "{redacted}"
    );
}

#[test]
fn what_is_blocked_is_redacted_as_well() {
    let redacted_text = redactor("{}")
        .text(Direction::ToModel, &token())
        .text
        .into_owned();
    assert_eq!(redacted_text, "[redacted:github-token]");
}

#[test]
fn a_mark_lends_no_words_to_what_stands_beside_it() {
    let redactor = redactor("{}");
    let text = "[redacted:vault-token]: a7Bx93kQ0zLp5Rt2Yw";
    assert_eq!(rules(&redactor, Direction::Log, text), [""; 0]);
    let text = "[redacted:no-such-token]: a7Bx93kQ0zLp5Rt2Yw";
    assert_eq!(rules(&redactor, Direction::Log, text), ["generic-secret"]);
}

#[test]
fn a_rule_that_is_disabled_finds_nothing() {
    let redactor = redactor("{ disable: [github-token, email] }");
    assert_eq!(rules(&redactor, Direction::Log, &token()), [""; 0]);
    assert_eq!(
        rules(&redactor, Direction::Log, "anna@mail.example"),
        [""; 0]
    );
}

#[test]
fn what_makes_no_sense_is_refused_by_its_key_without_its_value() {
    let yaml = "{ strategy: { nonsense: full, email: { truncate: 9 }, default: { truncate: 0 } }, \
                disable: [email, live-key, mystery] }";
    let Err(problems) = Redactor::new(&settings(yaml), &[], Arc::new(Knows(""))) else {
        panic!("accepted");
    };
    let paths: Vec<String> = problems
        .iter()
        .map(|problem| problem.path.join("."))
        .collect();
    assert_eq!(
        paths,
        [
            "redaction.strategy.default",
            "redaction.strategy.email",
            "redaction.strategy.nonsense",
            "redaction.disable.1",
            "redaction.disable.2",
        ]
    );
    for problem in problems {
        let said = problem.message + &problem.help;
        assert!(
            !said.contains("mystery") && !said.contains("nonsense"),
            "{said}"
        );
    }
}

#[test]
fn keys_and_actions_that_are_not_known_are_refused() {
    for wrong in [
        "{ to_models: {} }",
        "{ log: { secret: block } }",
        "{ log: { secrets: deny } }",
        "{ strategy: { default: { keep: 2 } } }",
    ] {
        assert!(
            serde_saphyr::from_str::<RedactionSettings>(wrong).is_err(),
            "{wrong}"
        );
    }
}
