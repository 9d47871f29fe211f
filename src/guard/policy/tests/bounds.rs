//! Conditions that exhaust what they may use are stopped, the call is denied, and others are served.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;

use super::*;
use crate::guard::policy::{failure::Failure, rule::Rule};

fn names(count: usize) -> Value {
    json!({ "id": 1, "names": (0..count).map(|n| n.to_string()).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_rule_may_go_through_ten_thousand_items_and_not_one_more() {
    for condition in [
        "args.names.all(n, n != 'x')",
        "args.names.exists_one(n, n == '7')",
        "size(args.names.map(n, n)) > 0",
        "size(args.names.filter(n, true)) > 0",
    ] {
        let fine = says(condition, names(10_000)).await;
        assert!(
            fine.verdict == Verdict::Deny && !fine.is_error,
            "{condition}: {fine:?}"
        );
        let over = says(condition, names(10_001)).await;
        assert_eq!(
            over.detail,
            Some(format!("rule `rule`: {}", Failure::TooManyItems)),
            "{condition}"
        );
    }
    let nested = "args.names.all(a, args.names.all(b, a != 'x' || b != 'x'))";
    assert!(!says(nested, names(99)).await.is_error);
    assert!(says(nested, names(101)).await.is_error);
}

#[tokio::test]
async fn items_are_counted_for_each_rule_by_itself() {
    let policy = policy(
        "rules:
  - { id: a, when: { tools: [people] }, condition: \"args.names.exists(n, n == 'x')\", action: deny }
  - { id: b, when: { tools: [people] }, condition: \"args.names.exists(n, n == 'y')\", action: deny }",
    );
    let decision = judged(&policy, &call("people", names(10_000))).await;
    assert_eq!(decision.verdict, Verdict::Allow);
}

#[tokio::test]
async fn a_failure_of_the_bounds_is_not_swallowed_by_an_or() {
    let decision = says("args.names.all(n, n != 'x') || true", names(10_001)).await;
    assert!(decision.is_error);
    let decision = says("!(args.names.all(n, n != 'x') && false)", names(10_001)).await;
    assert!(decision.is_error);
}

#[tokio::test]
async fn an_item_that_decides_ends_the_search() {
    let decision = says("args.names.exists(n, n == '5')", names(50_000)).await;
    assert!(decision.verdict == Verdict::Deny && !decision.is_error);
}

#[tokio::test]
async fn texts_and_lists_are_not_joined_without_end() {
    let long = json!({ "id": 1, "note": "x".repeat(1 << 20) });
    let twice = "(args.note + args.note)";
    let fine = says(&format!("size({twice}) > 0"), long.clone()).await;
    assert!(!fine.is_error, "{fine:?}");
    let doubled = (0..4).fold(twice.to_owned(), |sum, _| format!("({sum} + {sum})"));
    let over = says(&format!("size({doubled}) > 0"), long).await;
    assert_eq!(
        over.detail,
        Some(format!("rule `rule`: {}", Failure::TooLarge))
    );
    let list = "(args.names + args.names)";
    let doubled = (0..5).fold(list.to_owned(), |sum, _| format!("({sum} + {sum})"));
    let over = says(&format!("size({doubled}) > 0"), names(10_000)).await;
    assert_eq!(
        over.detail,
        Some(format!("rule `rule`: {}", Failure::TooLarge))
    );
}

/// A policy with a rule that takes long on long lists, and its deadline.
fn slow(deadline: Duration) -> Arc<Policy> {
    let mut policy = denying(
        "args.names.all(a, args.names.all(b, a + 'x' in args.names || b + 'x' in args.names || \
         a + b + 'x' in args.names || true))",
    )
    .ok()
    .unwrap();
    policy.deadline = deadline;
    Arc::new(policy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_rule_denies_at_its_deadline_and_gives_its_thread_back() {
    let policy = slow(Duration::from_millis(5));
    let began = Instant::now();
    let decision = judged(&policy, &call("people", names(95))).await;
    let took = began.elapsed();
    assert_eq!(
        decision.detail,
        Some(format!("rule `rule`: {}", Failure::TimedOut)),
        "{took:?}"
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
    // Both turns come back, though nobody waited for the rule.
    let turns = tokio::time::timeout(Duration::from_secs(10), policy.all_turns()).await;
    assert!(turns.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn while_slow_rules_run_other_calls_are_judged() {
    let policy = slow(Duration::from_secs(60));
    let slow_calls: Vec<_> = (0..4)
        .map(|_| {
            let policy = Arc::clone(&policy);
            tokio::spawn(async move { judged(&policy, &call("people", names(50))).await })
        })
        .collect();
    tokio::task::yield_now().await;
    // On the only worker: were a slow rule evaluated there, this would come after it.
    let began = Instant::now();
    let other = judged(&policy, &call("chat", json!({ "prompt": "hi" }))).await;
    assert_eq!(other.verdict, Verdict::Allow);
    assert!(
        slow_calls.iter().any(|call| !call.is_finished()),
        "{:?}",
        began.elapsed()
    );
    for call in slow_calls {
        assert!(!call.await.unwrap().is_error);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_keeps_its_turn_as_long_as_it_runs() {
    let policy = slow(Duration::from_secs(60));
    let all = policy.free_turns();
    let running = {
        let policy = Arc::clone(&policy);
        tokio::spawn(async move { judged(&policy, &call("people", names(95))).await })
    };
    while policy.free_turns() == all && !running.is_finished() {
        tokio::task::yield_now().await;
    }
    let until = Instant::now() + Duration::from_millis(2);
    while Instant::now() < until {
        assert_eq!(policy.free_turns(), all - 1);
    }
    assert!(!running.await.unwrap().is_error);
    assert_eq!(policy.free_turns(), all);
}

#[tokio::test]
async fn waiting_for_a_turn_ends_at_the_deadline_too() {
    let policy = slow(Duration::from_millis(20));
    let turns = policy.all_turns().await;
    let decision = judged(&policy, &call("people", names(1))).await;
    assert_eq!(
        decision.detail,
        Some(format!("rule `rule`: {}", Failure::TimedOut))
    );
    drop(turns);
    let decision = judged(&policy, &call("people", names(1))).await;
    assert!(!decision.is_error);
}

#[tokio::test]
async fn few_short_rules_are_judged_in_one_go_and_many_let_others_go_between() {
    let first_go = |count: usize| {
        let rules = (0..count).map(|number| RuleSettings {
            id: format!("rule-{number}"),
            condition: Some("args.id == 2".to_owned()),
            ..one_rule("true").rules.remove(0)
        });
        let settings = PolicySettings {
            rules: rules.collect(),
            ..PolicySettings::default()
        };
        let policy = Policy::compile(&settings, &[], &tools()).ok().unwrap();
        let call = call("people", json!({ "id": 1 }));
        policy.input(&call.facts()).now_or_never()
    };
    let few = first_go(256);
    assert!(few.is_some_and(|decision| decision.verdict == Verdict::Allow));
    assert!(first_go(257).is_none());
}

#[tokio::test]
async fn more_rules_than_there_is_time_for_deny() {
    let mut policy = denying("args.id == 2").ok().unwrap();
    policy.deadline = Duration::ZERO;
    let decision = judged(&policy, &call("people", json!({ "id": 1 }))).await;
    assert_eq!(
        decision.detail,
        Some(format!("rule `rule`: {}", Failure::TimedOut))
    );
}

#[test]
fn ten_thousand_rules_are_compiled() {
    let rules = (0..10_000).map(|n| {
        let mut settings = one_rule(&format!("args.note.contains('word {n}')"));
        settings.rules[0].id = format!("r{n}");
        settings.rules.remove(0)
    });
    let settings = PolicySettings {
        rules: rules.collect(),
        ..PolicySettings::default()
    };
    let policy = Policy::compile(&settings, &[], &tools()).ok().unwrap();
    assert_eq!(policy.rule_count(), 10_000);
    assert!(
        policy
            .rules
            .iter()
            .map(|rule: &Rule| &rule.id)
            .is_sorted_by_key(|id| id[1..].parse::<u32>().ok())
    );
}
