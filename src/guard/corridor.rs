//! The corridor: the guard's steps in their order, and a tool at the end of them.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};

use super::{
    Caller, InvalidArguments, Outcome, Received, Recording, Validator, approval,
    authorization::{authorize, denied},
    cleaning::{Cleaner, NotCleaned},
    fields::{FieldPattern, sensitive},
    policy::{self, Decision, Policy, ToolShape, Verdict},
    recording::Passage,
    redaction::{Direction, Redactor},
    refusal::Refusal,
    scene::{Scene, unread},
    unauthenticated::Unauthenticated,
    usage::Ledger,
};
use crate::{
    audit::Pending,
    call::{CallContext, Progress},
    models::{Asker, Selected},
    tools::{Plan, Registry, Tool, ToolAnswer, ToolDefinition, ToolError, put_back},
    workspace::Workspace,
};

/// Calls that may run at the same time; one more is refused at once rather than queued without
/// bound.
const MAX_CALLS: usize = 1024;

/// The one way to run a tool. Built once; shared by all transports.
pub struct Corridor {
    tools: Vec<Shown>,
    validator: Validator,
    policy: Arc<Policy>,
    redactor: Arc<Redactor>,
    cleaner: Cleaner,
    recording: Recording,
    ledger: Ledger,
    strangers: Unauthenticated,
    workspace: Arc<Workspace>,
    slots: Semaphore,
}

/// A tool, as clients are shown it and as the policy knows it.
struct Shown {
    tool: Arc<dyn Tool>,
    definition: ToolDefinition,
    shape: ToolShape,
    sensitive: Vec<FieldPattern>,
}

/// What the policy knows of a registry's tools.
#[must_use]
pub fn shapes(registry: &Registry) -> Vec<ToolShape> {
    let shape = |tool: &Arc<dyn Tool>| {
        let definition = tool.definition();
        ToolShape {
            name: definition.name.clone(),
            tags: definition.tags.clone(),
            read_only: definition.annotations.read_only_hint,
            input_schema: Map::clone(&definition.input_schema),
            output_schema: Map::clone(&definition.output_schema),
        }
    };
    registry.iter().map(shape).collect()
}

impl Corridor {
    /// Puts `policy` and what `recording` holds in force for the tools of `registry`.
    ///
    /// # Errors
    /// The name of a tool whose schema is broken: a fault of the build.
    pub fn new(
        registry: &Registry,
        policy: Arc<Policy>,
        recording: Recording,
    ) -> Result<Self, String> {
        let shown = |(tool, shape): (&Arc<dyn Tool>, ToolShape)| {
            let mut definition = tool.definition().clone();
            let mut output = Value::Object(Map::clone(&definition.output_schema));
            let sensitive = sensitive(&output);
            policy.loosen(&shape.name, &mut output);
            if let Value::Object(output) = output {
                definition.output_schema = Arc::new(output);
            }
            Shown {
                tool: Arc::clone(tool),
                definition,
                shape,
                sensitive,
            }
        };
        let tools: Vec<Shown> = registry.iter().zip(shapes(registry)).map(shown).collect();
        let validator = Validator::new(tools.iter().map(|shown| (&shown.tool, &shown.definition)))?;
        Ok(Self {
            tools,
            validator,
            policy,
            redactor: Arc::clone(&recording.redactor),
            cleaner: Cleaner::new(Arc::clone(&recording.redactor)),
            recording,
            ledger: Ledger::default(),
            strangers: Unauthenticated::default(),
            workspace: Arc::clone(registry.workspace()),
            slots: Semaphore::new(MAX_CALLS),
        })
    }

    /// The tools that `caller` may see, in their order, as they are advertised.
    pub fn tools<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a ToolDefinition> {
        let shows = |shown: &&Shown| {
            let (principal, client) = (&caller.principal, caller.client.as_ref());
            self.policy.shows(&shown.shape.name, principal, client)
        };
        self.tools
            .iter()
            .filter(shows)
            .map(|shown| &shown.definition)
    }

    /// Takes a call through every step. Dropping the future cancels it, down to the connection
    /// to the upstream. `progress` is given the call's progress, if somebody watches.
    pub async fn call(&self, received: Received, progress: watch::Sender<Progress>) -> Outcome {
        let mut passage = self.recording.begin(&received.tool, &received.caller);
        let walked = self.walk(received, &mut passage, progress).await;
        let refusal = match walked {
            Ok(answer) => return answer,
            Err(refusal) => refusal,
        };
        // A refusal that cannot be recorded is none of those that a client could act on.
        let recorded = passage.refused(&refusal).await;
        let refusal = recorded.err().unwrap_or(refusal);
        let request_id = &passage.identity.request_id;
        match refusal.outcome_for_client(request_id) {
            Outcome::Error { text } => {
                let text = self
                    .redactor
                    .text(Direction::ToClient, &text)
                    .text
                    .into_owned();
                Outcome::Error { text }
            }
            outcome => outcome,
        }
    }

    /// Records that an approval was asked for and not given, so that the call does not run.
    pub async fn not_approved(&self, tool: &str, caller: &Caller, code: &'static str) {
        let mut passage = self.recording.begin(tool, caller);
        // The call does not run in any case, and its client is told so.
        let _unrecorded = passage.refused(&Refusal::NotApproved(code)).await;
    }

    /// Records a request to call a tool that was none by its form.
    pub async fn malformed(&self, tool: &str, caller: &Caller) {
        let mut passage = self.recording.begin(tool, caller);
        // There is no call in any case, and its client is told so.
        let _unrecorded = passage.refused(&Refusal::Invalid(String::new())).await;
    }

    /// Records a message of `caller` that could not be read, and why: there is no call.
    pub fn unreadable(&self, caller: &Caller, code: &'static str) {
        self.recording.unreadable(caller, code);
    }

    /// Records a request that proved no right to be heard: there is no call, and no principal.
    pub fn unauthenticated(&self, code: &'static str) {
        self.strangers.record(&self.recording.audit, code);
    }

    async fn walk(
        &self,
        received: Received,
        passage: &mut Passage<'_>,
        progress: watch::Sender<Progress>,
    ) -> Result<Outcome, Refusal> {
        let Received {
            tool,
            arguments,
            caller,
            is_approved,
        } = received;
        let _slot = self.slots.try_acquire().map_err(|_| Refusal::Busy)?;
        passage.received(&arguments);
        let shown = self
            .tools
            .iter()
            .find(|shown| shown.definition.name == tool);
        let Some(shown) = shown else {
            passage.unfit(&arguments).await?;
            return Err(Refusal::UnknownTool);
        };
        let validated = match self.validator.validate(&tool, arguments) {
            Ok(validated) => validated,
            Err(InvalidArguments::UnknownTool) => return Err(Refusal::UnknownTool),
            Err(InvalidArguments::Schema {
                problems,
                arguments,
            }) => {
                passage.unfit(&arguments).await?;
                return Err(Refusal::Invalid(problems));
            }
        };
        let may_ask = |model: &str, provider: &str| {
            let (principal, client) = (&caller.principal, caller.client.as_ref());
            self.policy
                .admits_model(&tool, principal, client, (model, provider))
        };
        let asker = Asker {
            identity: &passage.identity,
            may_ask: &may_ask,
        };
        let mut plan = match shown.tool.plan(validated.arguments(), asker) {
            Ok(plan) => plan,
            Err(error) => {
                passage.unfit(validated.arguments()).await?;
                let scene = Scene::unplanned(&caller, &shown.shape);
                let judged = self.judge_failed(passage, &scene, validated.arguments(), |verdict| {
                    verdict != Verdict::Deny
                });
                judged.await?;
                return Err(Refusal::Failed(error));
            }
        };
        if let Err(error) = plan.read_files(&self.workspace).await {
            passage.unfit(validated.arguments()).await?;
            let files = unread(&plan, &self.workspace);
            passage.unread(&error, files.iter().map(|file| file.path.clone()));
            let scene = Scene {
                files,
                ..Scene::planned(&caller, &shown.shape, &plan)
            };
            let judged = self.judge_failed(passage, &scene, validated.arguments(), |verdict| {
                matches!(verdict, Verdict::Allow | Verdict::Transform)
            });
            judged.await?;
            return Err(Refusal::Failed(error.into()));
        }
        let mut scene = Scene::planned(&caller, &shown.shape, &plan);
        let others = self
            .judge_others(&scene, validated.arguments(), &mut plan)
            .await;
        passage.planned(&plan);
        let principal = &caller.principal.id;
        let accepted = passage.accepted(validated.arguments()).await?;
        let decision = self.judge(&scene, validated.arguments()).await;
        let authorized = authorize(validated, plan, &decision, principal, is_approved);
        let is_approved = decision.verdict == Verdict::RequireApproval && authorized.is_ok();
        let decided = self.decided(passage, policy::Direction::Input, &decision, is_approved);
        for (other, decision) in &others {
            // It stands before the record that is waited for below, and is kept if that is.
            drop(passage.decided_on(other, decision));
        }
        // A call that is dropped here stays counted: who cancels wins nothing.
        let recorded = match kept(accepted).await {
            Ok(()) => kept(decided).await,
            refused => refused,
        };
        let authorized = recorded
            .and(authorized)
            .inspect_err(|_| self.ledger.take_back_call(principal))
            .map_err(|refusal| self.with_arguments(refusal))?;

        let (tool, mut arguments, mut plan) = authorized.into_parts();
        let paths = plan.files.put(&mut arguments);
        self.clean_arguments(passage, &mut arguments).await?;
        let cx = CallContext {
            identity: passage.identity.clone(),
            progress,
        };
        // A panic is a bug, but it must cost one call, not leave a client waiting for ever.
        let run = AssertUnwindSafe(tool.run(&arguments, plan, &cx)).catch_unwind();
        let ran = run
            .await
            .unwrap_or(Err(ToolError::Internal("a tool panicked")));
        let ToolAnswer {
            mut structured,
            by,
            spent,
        } = ran.map_err(Refusal::Failed)?;
        if let Some(by) = by {
            passage.answered_by(&by);
            (scene.model, scene.provider) = (Some(by.model), Some(by.provider));
        }
        if let Some(spent) = spent {
            passage.spent(spent);
            self.ledger.count_spent(principal, spent);
        }
        self.check_output(&shown.definition.name, &structured)?;

        put_back(paths, &mut arguments);
        let decision = self
            .policy
            .output(
                &scene.facts(&arguments, self.ledger.of(principal)),
                &mut structured,
            )
            .await;
        kept(self.decided(passage, policy::Direction::Output, &decision, false)).await?;
        if decision.verdict == Verdict::Deny {
            return Err(denied(&decision));
        }
        let is_changed = self.clean_answer(passage, shown, &mut structured).await?;
        if is_changed || decision.verdict == Verdict::Transform {
            self.check_output(&shown.definition.name, &structured)?;
        }
        let text = tool.text(&structured);
        passage.answered(&text).await?;
        Ok(Outcome::Answer { text, structured })
    }

    /// Shows a person whose approval is asked what they would approve, as far as it may be seen.
    fn with_arguments(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::NeedsApproval(mut request) => {
                let shown = self
                    .redactor
                    .text(Direction::Audit, &request.arguments)
                    .text;
                request.question.push_str(&approval::shown(&shown));
                Refusal::NeedsApproval(request)
            }
            refusal => refusal,
        }
    }

    /// Counts a call and judges it.
    async fn judge(&self, scene: &Scene<'_>, arguments: &Map<String, Value>) -> Decision {
        let usage = self.ledger.count_call(&scene.caller.principal.id);
        self.policy.input(&scene.facts(arguments, usage)).await
    }

    /// Leaves in `plan` those that the call may ask in its model's place, and gives what was decided
    /// of each. Each is judged as if the call had named it; what needs a person's approval is not
    /// asked on the quiet.
    async fn judge_others(
        &self,
        scene: &Scene<'_>,
        arguments: &Map<String, Value>,
        plan: &mut Plan,
    ) -> Vec<(Selected, Decision)> {
        let usage = self.ledger.of(&scene.caller.principal.id);
        let mut decisions = Vec::with_capacity(plan.instead.len());
        for other in std::mem::take(&mut plan.instead) {
            let scene = Scene {
                caller: scene.caller,
                shape: scene.shape,
                model: Some(other.model.clone()),
                provider: Some(other.provider.name().to_owned()),
                secrets: other.secrets(),
                files: scene.files.clone(),
            };
            let decision = self.policy.input(&scene.facts(arguments, usage)).await;
            if decision.verdict == Verdict::Allow {
                plan.instead.push(other.clone());
            }
            decisions.push((other, decision));
        }
        if !self
            .policy
            .judges(&scene.shape.name, policy::Direction::Input)
        {
            decisions.clear();
        }
        decisions
    }

    /// Judges a call that cannot run, because its error may tell what only those may know who may
    /// call: which models there are, which files. `may_know` says so of a verdict.
    async fn judge_failed(
        &self,
        passage: &Passage<'_>,
        scene: &Scene<'_>,
        arguments: &Map<String, Value>,
        may_know: impl Fn(Verdict) -> bool,
    ) -> Result<(), Refusal> {
        let decision = self.judge(scene, arguments).await;
        self.ledger.take_back_call(&scene.caller.principal.id);
        if may_know(decision.verdict) {
            return Ok(());
        }
        kept(self.decided(passage, policy::Direction::Input, &decision, false)).await?;
        Err(denied(&decision))
    }

    /// Records a decision, unless there is nothing to decide by.
    fn decided(
        &self,
        passage: &Passage<'_>,
        direction: policy::Direction,
        decision: &Decision,
        is_approved: bool,
    ) -> Option<Pending> {
        self.policy
            .judges(&passage.identity.tool, direction)
            .then(|| passage.decided(direction.label(), decision, is_approved))
    }

    /// Takes out of the arguments what must not reach a model, or refuses the call for it.
    async fn clean_arguments(
        &self,
        passage: &Passage<'_>,
        arguments: &mut Map<String, Value>,
    ) -> Result<(), Refusal> {
        let document = Value::Object(std::mem::take(arguments));
        let cleaned = self.cleaner.document(Direction::ToModel, document, &[]);
        let (document, report) = cleaned.await.map_err(|NotCleaned| not_cleaned())?;
        if let Value::Object(cleaned) = document {
            *arguments = cleaned;
        }
        if report.findings.is_empty() {
            return Ok(());
        }
        let what = report.told();
        kept(Some(passage.redacted("to_model", what.clone()))).await?;
        if report.blocked {
            return Err(Refusal::Blocked(format!(
                "the call was not made, because its arguments hold what looks like a secret or \
                 personal data: {what}; take it out and call again"
            )));
        }
        Ok(())
    }

    /// Takes out of an answer what its client must not see; says whether anything changed.
    async fn clean_answer(
        &self,
        passage: &Passage<'_>,
        shown: &Shown,
        structured: &mut Value,
    ) -> Result<bool, Refusal> {
        let document = structured.take();
        let cleaned = self
            .cleaner
            .document(Direction::ToClient, document, &shown.sensitive);
        let (document, report) = cleaned.await.map_err(|NotCleaned| not_cleaned())?;
        *structured = document;
        if report.findings.is_empty() {
            return Ok(report.changed);
        }
        let what = report.told();
        kept(Some(passage.redacted("to_client", what.clone()))).await?;
        if report.blocked {
            return Err(Refusal::Blocked(format!(
                "the answer is held back, because it holds what looks like a secret or personal \
                 data: {what}"
            )));
        }
        Ok(report.changed)
    }

    fn check_output(&self, tool: &str, structured: &Value) -> Result<(), Refusal> {
        if self.validator.output_fits(tool, structured) {
            return Ok(());
        }
        let what = "an answer does not fit its output schema";
        Err(Refusal::Failed(ToolError::Internal(what)))
    }
}

fn not_cleaned() -> Refusal {
    Refusal::Failed(ToolError::Internal("a document could not be redacted"))
}

/// Waits for a record. What must not happen unrecorded stands behind this.
async fn kept(pending: Option<Pending>) -> Result<(), Refusal> {
    match pending {
        Some(pending) => pending.kept().await.map_err(|_| Refusal::NotRecorded),
        None => Ok(()),
    }
}
