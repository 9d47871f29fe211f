//! What each principal has used since the process began: calls and tokens, for rules that limit
//! them.
//!
//! It counts and judges nothing. It is bounded: of more principals than it has room for, the one
//! who called longest ago is forgotten.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::policy::Usage;
use crate::{models::Cost, tools::Spent};

/// The most principals that are counted.
const MAX_PRINCIPALS: usize = 10_000;

/// Counts per principal.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Accounts>);

#[derive(Default)]
struct Accounts {
    by_principal: HashMap<String, Account>,
    clock: u64,
}

#[derive(Clone, Copy, Default)]
struct Account {
    used: Usage,
    last_used: u64,
}

impl Ledger {
    /// What `principal` has used so far.
    pub(super) fn of(&self, principal: &str) -> Usage {
        let accounts = self.accounts();
        let account = accounts.by_principal.get(principal);
        account.map(|account| account.used).unwrap_or_default()
    }

    /// Counts a call that is about to be judged, and says what was used before it. At once, or
    /// calls that come together would all be judged as the first of them.
    pub(super) fn count_call(&self, principal: &str) -> Usage {
        let mut accounts = self.accounts();
        let account = accounts.by_principal.get(principal);
        let before = account.map(|account| account.used).unwrap_or_default();
        accounts.change(principal, |used| used.calls += 1);
        before
    }

    /// Takes back a call that was counted and does not run.
    pub(super) fn take_back_call(&self, principal: &str) {
        self.accounts().change(principal, |used| {
            used.calls = used.calls.saturating_sub(1);
        });
    }

    /// Counts what an answer took.
    pub(super) fn count_spent(&self, principal: &str, spent: Spent) {
        let tokens = spent.usage;
        self.accounts().change(principal, |used| {
            used.input_tokens = used.input_tokens.saturating_add(tokens.input_tokens);
            used.output_tokens = used.output_tokens.saturating_add(tokens.output_tokens);
            let cost = spent.cost.unwrap_or_default();
            used.cost = Cost(used.cost.0.saturating_add(cost.0));
        });
    }

    /// Never held across an await.
    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    fn change(&mut self, principal: &str, change: impl FnOnce(&mut Usage)) {
        self.clock += 1;
        if !self.by_principal.contains_key(principal) && self.by_principal.len() >= MAX_PRINCIPALS {
            let oldest = self
                .by_principal
                .iter()
                .min_by_key(|(_, account)| account.last_used);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.by_principal.remove(&oldest);
            }
        }
        let account = self.by_principal.entry(principal.to_owned()).or_default();
        account.last_used = self.clock;
        change(&mut account.used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_principal_has_an_account_of_its_own() {
        let ledger = Ledger::default();
        let before = |calls| Usage {
            calls,
            ..Usage::default()
        };
        assert_eq!(ledger.count_call("alice"), before(0));
        assert_eq!(ledger.count_call("alice"), before(1));
        ledger.count_call("alice");
        ledger.take_back_call("alice");
        let spent = |input_tokens, output_tokens, cost| Spent {
            usage: crate::models::Usage {
                input_tokens,
                output_tokens,
                ..Default::default()
            },
            cost,
        };
        ledger.count_spent("alice", spent(3, 4, Some(Cost(6))));
        ledger.count_spent("alice", spent(u64::MAX, 1, Some(Cost(1))));
        ledger.count_spent("alice", spent(0, 0, None));
        let used = ledger.of("alice");
        assert_eq!(
            (used.calls, used.input_tokens, used.output_tokens, used.cost),
            (2, u64::MAX, 5, Cost(7))
        );
        ledger.count_spent("alice", spent(0, 0, Some(Cost(u64::MAX))));
        assert_eq!(ledger.of("alice").cost, Cost(u64::MAX));
        assert_eq!(ledger.of("bob").calls, 0);
    }

    #[test]
    fn the_one_who_called_longest_ago_is_forgotten_first() {
        let ledger = Ledger::default();
        for number in 0..MAX_PRINCIPALS {
            ledger.count_call(&number.to_string());
        }
        ledger.count_call("0");
        ledger.count_call("new");
        assert_eq!(
            (
                ledger.of("0").calls,
                ledger.of("1").calls,
                ledger.of("2").calls
            ),
            (2, 0, 1)
        );
        assert_eq!(ledger.accounts().by_principal.len(), MAX_PRINCIPALS);
    }
}
