//! MCP requests to guard calls, and guard outcomes to MCP results.
//!
//! Which protocol revisions exist and how each frames a request is `rmcp`'s affair; features that
//! are not declared here answer "method not found" by its defaults.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
        CustomRequest, CustomResult, ErrorCode, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
    },
    service::RequestContext,
};

use super::{
    approval::{self, Approvals, Asking, Said},
    progress,
};
use crate::{
    call::{ClientInfo, Principal},
    guard::{ApprovalKey, Caller, Corridor, Outcome, Received},
    tools::ToolDefinition,
};

/// How long a client may keep the list of tools: it changes only with the process.
const TOOLS_TTL_MS: u64 = 3_600_000;

/// One handler for all clients of a transport; a clone shares everything.
#[derive(Clone)]
pub struct Handler {
    corridor: Arc<Corridor>,
    principal: Arc<Principal>,
    approvals: Arc<Approvals>,
    /// Whether each request stands for itself, so that a client cannot be asked meanwhile.
    is_stateless: bool,
}

/// The part of a call that is the same when it is made again.
struct Call {
    tool: String,
    arguments: rmcp::model::JsonObject,
    caller: Caller,
}

impl Handler {
    /// A handler for a transport with one client, whose calls are made on behalf of `principal`.
    #[must_use]
    pub fn new(corridor: Arc<Corridor>, principal: Principal) -> Self {
        Self {
            corridor,
            principal: Arc::new(principal),
            approvals: Arc::new(Approvals::new()),
            is_stateless: false,
        }
    }

    /// The same for a transport that keeps nothing between two requests.
    #[must_use]
    pub fn stateless(corridor: Arc<Corridor>, principal: Principal) -> Self {
        Self {
            is_stateless: true,
            ..Self::new(corridor, principal)
        }
    }

    /// Records a request that had no right credentials.
    pub(super) fn unauthenticated(&self, code: &'static str) {
        self.corridor.unauthenticated(code);
    }

    /// Records a message that could not be read; who sent it is known, but not with which program.
    pub(super) fn unreadable(&self, code: &'static str) {
        tracing::warn!(code, "refused: a message that cannot be read");
        let caller = Caller {
            principal: Arc::clone(&self.principal),
            client: None,
            trace_id: None,
        };
        self.corridor.unreadable(&caller, code);
    }

    fn caller(&self, context: &RequestContext<RoleServer>) -> Caller {
        let told = context.meta.client_info().or_else(|| {
            let told = context.peer.peer_info();
            told.map(|told| told.client_info.clone())
        });
        Caller {
            principal: Arc::clone(&self.principal),
            client: told.map(|told| ClientInfo {
                name: told.name,
                version: told.version,
            }),
            trace_id: context.meta.get("traceparent").and_then(trace_id),
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let said = approval::said(&request);
        let state = request.request_state.filter(|_| said == Some(Said::Yes));
        let call = Call {
            tool: request.name.into_owned(),
            arguments: request.arguments.unwrap_or_default(),
            caller: self.caller(context),
        };
        let approvals = Arc::clone(&self.approvals);
        let redeems = move |key: &ApprovalKey| {
            let state = state.as_deref();
            state.is_some_and(|state| approvals.redeem(state, key))
        };
        let asking = approval::asking(context, self.is_stateless);
        // Only a call that may be made again is kept.
        let again = (asking == Asking::Meanwhile).then(|| call.arguments.clone());
        let (tool, caller) = (call.tool.clone(), call.caller.clone());
        let request = match self.walk(call, redeems, context).await {
            Outcome::ApprovalRequired(request) => request,
            outcome => return answer(outcome),
        };
        match (asking, said) {
            (_, Some(Said::No)) => {}
            (Asking::Never, _) => {
                self.corridor
                    .not_approved(&tool, &caller, "approval_unavailable")
                    .await;
                return refused(
                    "this call needs a person's approval, and this client cannot ask for one \
                     (it does not support elicitation); use a client that can, or ask the operator",
                );
            }
            (Asking::ByAnswer, _) => return Ok(self.approvals.input_required(&request).into()),
            (Asking::Meanwhile, _) => {
                let Ok(_place) = self.approvals.pending() else {
                    self.corridor
                        .not_approved(&tool, &caller, "approvals_pending")
                        .await;
                    return refused(
                        "too many calls wait for a person's approval; answer those first",
                    );
                };
                if approval::ask(context, &request).await == Said::Yes {
                    let call = Call {
                        tool,
                        arguments: again.unwrap_or_default(),
                        caller,
                    };
                    let is_it = move |key: &ApprovalKey| *key == request.key;
                    return answer(self.walk(call, is_it, context).await);
                }
            }
        }
        self.corridor
            .not_approved(&tool, &caller, "approval_declined")
            .await;
        refused("the call was not approved, so it was not made")
    }

    async fn walk(
        &self,
        call: Call,
        is_approved: impl Fn(&ApprovalKey) -> bool + Send + Sync + 'static,
        context: &RequestContext<RoleServer>,
    ) -> Outcome {
        let received = Received {
            tool: call.tool,
            arguments: call.arguments,
            caller: call.caller,
            is_approved: Box::new(is_approved),
        };
        progress::reported(context, |progress| self.corridor.call(received, progress)).await
    }
}

fn answer(outcome: Outcome) -> Result<CallToolResponse, ErrorData> {
    match outcome {
        Outcome::Answer { text, structured } => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = Some(structured);
            Ok(result.into())
        }
        Outcome::Error { text } => refused(text),
        Outcome::ApprovalRequired(_) => refused("the approval is not good for this call"),
        Outcome::UnknownTool => Err(ErrorData::invalid_params(
            "unknown tool; tools/list shows which there are",
            None,
        )),
    }
}

fn refused(text: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into())
}

/// The trace of a `traceparent` (W3C Trace Context, section 3.2), if it is one.
fn trace_id(traceparent: &serde_json::Value) -> Option<String> {
    let mut parts = traceparent.as_str()?.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_trace = version.len() == 2
        && trace.len() == 32
        && is_hex(version)
        && is_hex(trace)
        && trace.contains(|c| c != '0');
    is_trace.then(|| trace.to_owned())
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        let mut name = Implementation::new("keyward", env!("CARGO_PKG_VERSION"));
        name.title = Some("Keyward".to_owned());
        info.server_info = name;
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = self.caller(&context);
        let tools = self.corridor.tools(&caller).map(advertised).collect();
        let mut result = ListToolsResult::with_all_items(tools).with_ttl_ms(TOOLS_TTL_MS);
        result.cache_scope = Some(CacheScope::Private);
        Ok(result)
    }

    /// What `rmcp` knows no form for: an unknown method, or a known one with parameters of another
    /// shape. The method is the client's text and is not repeated.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method == "tools/call" {
            let params = request.params.as_ref();
            let tool = params.and_then(|params| params.get("name")?.as_str());
            let caller = self.caller(&context);
            self.corridor
                .malformed(tool.unwrap_or_default(), &caller)
                .await;
        }
        Err(match request.method.as_str() {
            "tools/call" | "tools/list" => {
                ErrorData::invalid_params("the parameters are not of the method's form", None)
            }
            _ => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "unknown method", None),
        })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let cancelled = context.ct.clone();
        tokio::select! {
            answer = self.call(request, &context) => answer,
            // The client does not read what it cancelled; dropping the call closes its upstream.
            () = cancelled.cancelled() => {
                Err(ErrorData::internal_error("the call was cancelled", None))
            }
        }
    }
}

fn advertised(definition: &ToolDefinition) -> Tool {
    let mut tool = Tool::new(
        definition.name.clone(),
        definition.description.clone(),
        Arc::clone(&definition.input_schema),
    );
    tool.title = Some(definition.title.clone());
    tool.output_schema = Some(Arc::clone(&definition.output_schema));
    let mut annotations = ToolAnnotations::default();
    annotations.read_only_hint = Some(definition.annotations.read_only_hint);
    annotations.open_world_hint = Some(definition.annotations.open_world_hint);
    tool.annotations = Some(annotations);
    tool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_from_a_well_formed_traceparent_alone() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let told = |text: &str| trace_id(&text.into());
        assert_eq!(
            told(&format!("00-{trace}-b7ad6b7169203331-01")).as_deref(),
            Some(trace)
        );
        for wrong in [
            "",
            "00",
            trace,
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
        assert_eq!(trace_id(&7.into()), None);
    }
}
