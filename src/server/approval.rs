//! Asking a person for an approval that the policy wants, in both protocol eras.
//!
//! Until 2025-11-25 the server asks its client while the call waits (MCP 2025-11-25, "Elicitation").
//! From 2026-07-28 on it answers `input_required` and the client calls again with the person's
//! answer and the state it was given ("Multi Round-Trip Requests"). That state comes from a client,
//! so it is authenticated, bound to the call that was asked about, short-lived and good once. A
//! client that cannot ask is told so; nothing is ever taken for an approval but a person's word.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rmcp::{
    RoleServer,
    model::{
        CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
        ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, ProtocolVersion,
        RequestStateCodec, SealOptions,
    },
    service::{ElicitationMode, RequestContext},
};

use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

use crate::guard::{ApprovalKey, ApprovalRequest};

/// How long a person may take to answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// The most states that can be redeemed and remembered within [`PATIENCE`].
const MAX_REDEEMED: usize = 10_000;
/// The most calls that wait for a person at the same time.
const MAX_WAITING: usize = 32;
/// The one question within an `input_required` result.
const QUESTION: &str = "approval";

/// Gives out states and takes each back once.
pub(super) struct Approvals {
    /// `None` if no key could be made: then nothing is ever redeemed.
    codec: Option<RequestStateCodec>,
    redeemed: Mutex<HashMap<Vec<u8>, Instant>>,
    /// Calls that wait while a person is asked: each keeps its arguments.
    waiting: Semaphore,
}

/// How a client can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// By a request of ours, while the call waits.
    Meanwhile,
    /// By an answer that it calls again for.
    ByAnswer,
    /// Not at all.
    Never,
}

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The call may run.
    Yes,
    /// It may not, or nothing was said in time.
    No,
}

impl Approvals {
    /// With a key of this process's own: a state is good here alone.
    pub(super) fn new() -> Self {
        let key: Vec<u8> = [
            uuid::Uuid::new_v4(),
            uuid::Uuid::new_v4(),
            uuid::Uuid::new_v4(),
        ]
        .iter()
        .flat_map(|part| *part.as_bytes())
        .collect();
        Self {
            codec: RequestStateCodec::try_new(key).ok(),
            redeemed: Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }

    /// A place among the calls that wait for a person.
    pub(super) fn pending(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.waiting.try_acquire()
    }

    /// The answer that makes a client ask its person and call again.
    pub(super) fn input_required(&self, request: &ApprovalRequest) -> InputRequiredResult {
        let nonce = uuid::Uuid::new_v4();
        let bound = SealOptions::new()
            .associated_data(request.key.as_bytes())
            .ttl(PATIENCE);
        let codec = self.codec.as_ref();
        let state = codec.map(|codec| codec.seal_with(nonce.as_bytes(), &bound));
        let question = InputRequest::Elicitation(ElicitRequest::new(form(request)));
        let questions = InputRequests::from([(QUESTION.to_owned(), question)]);
        InputRequiredResult::new(Some(questions), state)
    }

    /// Whether `state` is one that we gave for just this call, and was not redeemed before.
    pub(super) fn redeem(&self, state: &str, key: &ApprovalKey) -> bool {
        let codec = self.codec.as_ref();
        let opened = codec.and_then(|codec| codec.open_with(state, key.as_bytes()).ok());
        let Some(nonce) = opened else {
            return false;
        };
        let now = Instant::now();
        let mut redeemed = self.redeemed.lock().unwrap_or_else(PoisonError::into_inner);
        redeemed.retain(|_, at| now.duration_since(*at) < PATIENCE);
        if redeemed.len() >= MAX_REDEEMED || redeemed.contains_key(&nonce) {
            return false;
        }
        redeemed.insert(nonce, now);
        true
    }
}

/// What the person answered in a call that is made again.
pub(super) fn said(request: &CallToolRequestParams) -> Option<Said> {
    let answer = request.input_responses.as_ref()?.get(QUESTION)?;
    let result = serde_json::from_value::<ElicitResult>(answer.clone()).ok();
    Some(match result.map(|result| result.action) {
        Some(ElicitationAction::Accept) => Said::Yes,
        _ => Said::No,
    })
}

/// How the client of this request can be asked.
pub(super) fn asking(context: &RequestContext<RoleServer>, is_stateless: bool) -> Asking {
    let version = context.meta.protocol_version();
    if version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
        let capabilities = context.meta.client_capabilities();
        let can_ask = capabilities.and_then(|capabilities| capabilities.elicitation);
        return match can_ask {
            // A client that says neither can show a form (MCP 2025-11-25, "Elicitation").
            Some(modes) if modes.form.is_some() || modes.url.is_none() => Asking::ByAnswer,
            _ => Asking::Never,
        };
    }
    let modes = context.peer.supported_elicitation_modes();
    if !is_stateless && modes.contains(&ElicitationMode::Form) {
        Asking::Meanwhile
    } else {
        Asking::Never
    }
}

/// Asks while the call waits.
pub(super) async fn ask(context: &RequestContext<RoleServer>, request: &ApprovalRequest) -> Said {
    let asked = context
        .peer
        .create_elicitation_with_timeout(form(request), Some(PATIENCE));
    match asked.await {
        Ok(result) if result.action == ElicitationAction::Accept => Said::Yes,
        _ => Said::No,
    }
}

/// A form without fields: a person accepts it or not.
fn form(request: &ApprovalRequest) -> ElicitRequestParams {
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: request.question.clone(),
        requested_schema: ElicitationSchema::new(std::collections::BTreeMap::new()),
    }
}
