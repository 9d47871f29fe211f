//! Tests of a policy: calls that are written down with what should become of them.
//!
//! They judge what a real call is judged by, with the same rules and by the same code; only the
//! schemas are not enforced, so that a test may send what no client could.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    decision::Verdict,
    document::{CallDocument, Outcome},
    engine::Policy,
    explain::Format,
};
use crate::nearest::meant;

/// A file of tests.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// The tests.
    pub tests: Vec<TestCase>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    /// What it shows, in words.
    pub name: String,
    /// The call.
    pub call: CallDocument,
    /// What should become of it.
    pub expect: Verdict,
    /// A rule that should be among those that decide.
    pub rule: Option<String>,
    /// The reason that the client should be told.
    pub reason: Option<String>,
    /// What the answer should have become.
    pub result: Option<Value>,
}

/// How many tests came out as they should.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TestSummary {
    /// As they should.
    pub passed: usize,
    /// Otherwise.
    pub failed: usize,
}

impl Policy {
    /// Runs `tests`, and writes what came of each.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub async fn test(
        &self,
        tests: &TestFile,
        format: Format,
        out: &mut impl Write,
    ) -> io::Result<TestSummary> {
        let mut summary = TestSummary::default();
        let mut documents = Vec::new();
        for test in &tests.tests {
            let outcome = self.decide(&test.call).await;
            let faults = self.faults(test, &outcome);
            if faults.is_empty() {
                summary.passed += 1;
            } else {
                summary.failed += 1;
            }
            match format {
                Format::Text => {
                    let word = if faults.is_empty() { "ok" } else { "FAILED" };
                    writeln!(out, "{word}: {}", test.name)?;
                    faults
                        .iter()
                        .try_for_each(|fault| writeln!(out, "  {fault}"))?;
                }
                Format::Json => documents.push(json!({
                    "name": test.name,
                    "passed": faults.is_empty(),
                    "verdict": outcome.decision.verdict,
                    "rules": outcome.decision.rules,
                    "faults": faults,
                })),
            }
        }
        match format {
            Format::Text => writeln!(out, "{} passed, {} failed", summary.passed, summary.failed)?,
            Format::Json => {
                let document = json!({
                    "passed": summary.passed, "failed": summary.failed, "tests": documents,
                });
                serde_json::to_writer_pretty(&mut *out, &document)?;
                writeln!(out)?;
            }
        }
        Ok(summary)
    }

    /// What is otherwise than `test` expects.
    fn faults(&self, test: &TestCase, outcome: &Outcome) -> Vec<String> {
        let names = self.tools.keys().map(String::as_str);
        if !self.tools.contains_key(&test.call.tool) {
            let hint =
                meant(&test.call.tool, names).map(|name| format!("; did you mean `{name}`?"));
            return vec![format!("there is no such tool{}", hint.unwrap_or_default())];
        }
        let decision = &outcome.decision;
        let mut faults = Vec::new();
        if decision.verdict != test.expect {
            let by = match decision.rules.as_slice() {
                [] => "by default".to_owned(),
                rules => format!("by {}", rules.join(", ")),
            };
            let (got, expected) = (decision.verdict.label(), test.expect.label());
            faults.push(format!("it is {got} {by}, not {expected}"));
        }
        if let Some(rule) = test
            .rule
            .as_ref()
            .filter(|rule| !decision.rules.contains(rule))
        {
            faults.push(format!(
                "`{rule}` is not among the rules that decide: {}",
                decision.rules.join(", ")
            ));
        }
        if test.reason.is_some() && test.reason != decision.reason {
            let reason = decision.reason.as_deref().unwrap_or("none");
            faults.push(format!("the reason is: {reason}"));
        }
        if test.result.is_some() && test.result != outcome.result {
            let result = outcome
                .result
                .as_ref()
                .map_or("none".to_owned(), Value::to_string);
            faults.push(format!("the answer is: {result}"));
        }
        if let Some(detail) = decision.detail.as_ref().filter(|_| !faults.is_empty()) {
            faults.push(detail.clone());
        }
        faults
    }
}
