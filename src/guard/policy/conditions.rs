//! All conditions of a rule set, compiled on threads of their own.
//!
//! Parsing is recursive, so it never happens on a caller's stack; and ten thousand rules are read in
//! less than a second where two processors share them.

use std::{num::NonZero, sync::Arc, thread};

use cel::Env;

use super::{
    check::Scene,
    condition::Condition,
    draft::Draft,
    source::{Fault, STACK},
    tool::ToolShape,
    trying::Samples,
};

/// On how many threads conditions are compiled.
const THREADS: usize = 4;

/// How many conditions are worth a thread of their own.
const WORTH_A_THREAD: usize = 256;

/// A condition and what may be surprising about it, or all that is wrong.
type Outcome = Result<(Condition, Option<Fault>), Vec<Fault>>;

/// A condition to compile.
struct Work<'d> {
    /// The draft's number.
    number: usize,
    draft: &'d Draft,
    text: &'d str,
    tools: Vec<&'d ToolShape>,
}

/// Compiles the conditions of `drafts`, each for the tools that it is `about`; by the drafts'
/// numbers. `None`: a thread could not be had, or ended in a panic.
pub(super) fn compile(
    env: &Arc<Env>,
    drafts: &[Draft],
    about: &[Vec<usize>],
    tools: &[ToolShape],
) -> Option<Vec<(usize, Outcome)>> {
    let samples = Samples::of(tools);
    let numbered = drafts.iter().zip(about).enumerate();
    let work: Vec<Work<'_>> = numbered
        .filter_map(|(number, (draft, about))| {
            let text = draft.condition.as_deref()?;
            let tools = about.iter().filter_map(|tool| tools.get(*tool)).collect();
            Some(Work {
                number,
                draft,
                text,
                tools,
            })
        })
        .collect();
    let threads = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(THREADS);
    let threads = threads.min(work.len() / WORTH_A_THREAD + 1);
    let share = work.len().div_ceil(threads).max(1);
    let outcomes = thread::scope(|scope| {
        let running: Vec<_> = work
            .chunks(share)
            .map(|share| {
                let run = || -> Vec<_> {
                    share
                        .iter()
                        .map(|work| (work.number, work.compile(env, &samples)))
                        .collect()
                };
                thread::Builder::new()
                    .stack_size(STACK)
                    .spawn_scoped(scope, run)
            })
            .collect();
        let ended = running.into_iter().map(|thread| thread.ok()?.join().ok());
        ended.collect::<Option<Vec<_>>>()
    });
    Some(outcomes?.into_iter().flatten().collect())
}

impl Work<'_> {
    fn compile(&self, env: &Arc<Env>, samples: &Samples) -> Outcome {
        let scene = Scene {
            vocabulary: self.draft.vocabulary,
            direction: self.draft.direction,
            tools: &self.tools,
        };
        let condition = Condition::compile(env, self.text, scene)?;
        let warning = samples.try_on(&condition, env, self.draft.direction, &self.tools);
        Ok((condition, warning.map_err(|fault| vec![fault])?))
    }
}
