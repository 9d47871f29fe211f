//! The corridor: calls the guard's steps in their order, and a tool at the end of them.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;
use tokio::sync::{Semaphore, watch};

use super::{InvalidArguments, Outcome, Policy, Received, Validator, authorize};
use crate::{
    call::{CallContext, CallIdentity, Progress},
    settings::milliseconds,
    tools::{Registry, Tool, ToolError},
};

/// Calls that may run at the same time; one more is refused at once rather than queued without
/// bound.
const MAX_CALLS: usize = 1024;

/// The one way to run a tool. Built once; shared by all transports.
pub struct Corridor {
    registry: Registry,
    validator: Validator,
    policy: Policy,
    slots: Semaphore,
}

impl Corridor {
    /// Compiles the tools' schemas and puts `policy` in force.
    ///
    /// # Errors
    /// The name of a tool whose schema is broken: a fault of the build.
    pub fn new(registry: Registry, policy: Policy) -> Result<Self, String> {
        let validator = Validator::new(&registry)?;
        Ok(Self {
            registry,
            validator,
            policy,
            slots: Semaphore::new(MAX_CALLS),
        })
    }

    /// The tools a client may see, in their order.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.registry.iter()
    }

    /// Takes a call through every step. Dropping the future cancels it, down to the connection
    /// to the upstream. `progress` is given the call's progress, if somebody watches.
    pub async fn call(&self, received: Received, progress: watch::Sender<Progress>) -> Outcome {
        let identity = CallIdentity {
            request_id: uuid::Uuid::new_v4().simple().to_string(),
            tool: received.tool.clone(),
            principal: received.principal.to_owned(),
        };
        let Ok(_slot) = self.slots.try_acquire() else {
            tracing::warn!(
                request_id = identity.request_id,
                "refused: too many calls at once"
            );
            return Outcome::refused("too many calls run at once; try again in a moment");
        };
        let validated = match self.validator.validate(received) {
            Ok(validated) => validated,
            Err(InvalidArguments::UnknownTool) => {
                // The name is the client's text: it is not logged unchecked.
                tracing::info!(request_id = identity.request_id, "refused: unknown tool");
                return Outcome::UnknownTool;
            }
            Err(InvalidArguments::Schema(problems)) => {
                let CallIdentity {
                    request_id, tool, ..
                } = &identity;
                tracing::info!(request_id, tool, "refused: arguments do not fit the schema");
                return Outcome::refused(format!("invalid arguments: {problems}"));
            }
        };
        let authorized = match authorize(validated, &self.policy) {
            Ok(authorized) => authorized,
            Err(denied) => return Outcome::refused(denied.to_string()),
        };
        let (tool, arguments) = authorized.into_parts();
        let cx = CallContext { identity, progress };
        let started = Instant::now();
        let cancelled = Cancelled(Some(&cx.identity));
        // A panic is a bug, but it must cost one call, not leave a client waiting for ever.
        let run = AssertUnwindSafe(tool.run(arguments, &cx))
            .catch_unwind()
            .await;
        let outcome = run
            .unwrap_or(Err(ToolError::Internal("a tool panicked")))
            .and_then(|answer| {
                match self
                    .validator
                    .output_fits(&cx.identity.tool, &answer.structured)
                {
                    true => Ok(answer),
                    false => Err(ToolError::Internal(
                        "an answer does not fit its output schema",
                    )),
                }
            });
        cancelled.not();
        let CallIdentity {
            request_id,
            tool,
            principal,
        } = &cx.identity;
        let elapsed_ms = milliseconds(started.elapsed());
        match outcome {
            Ok(answer) => {
                tracing::info!(request_id, tool, principal, elapsed_ms, "call answered");
                Outcome::answer(answer)
            }
            Err(error) => {
                let (code, detail) = (error.code(), error.operator());
                tracing::warn!(
                    request_id,
                    tool,
                    principal,
                    elapsed_ms,
                    code,
                    detail,
                    "call failed"
                );
                Outcome::failed(&error, request_id)
            }
        }
    }
}

/// Logs a call that ends because nobody waits for it any longer: its client cancelled it or left,
/// or the process ends.
struct Cancelled<'a>(Option<&'a CallIdentity>);

impl Cancelled<'_> {
    /// The call has ended by itself.
    fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(CallIdentity {
            request_id,
            tool,
            principal,
        }) = self.0
        {
            tracing::info!(request_id, tool, principal, "call cancelled");
        }
    }
}
