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

use super::progress;
use crate::{
    guard::{Corridor, Outcome, Received},
    tools::ToolDefinition,
};

/// How long a client may keep the list of tools: it changes only with the process.
const TOOLS_TTL_MS: u64 = 3_600_000;

/// One handler for all clients and transports; a clone shares everything.
#[derive(Clone)]
pub struct Handler {
    corridor: Arc<Corridor>,
    principal: &'static str,
}

impl Handler {
    /// A handler whose calls are made on behalf of `principal`.
    #[must_use]
    pub fn new(corridor: Arc<Corridor>, principal: &'static str) -> Self {
        Self {
            corridor,
            principal,
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let received = Received {
            tool: request.name.into_owned(),
            arguments: request.arguments.unwrap_or_default(),
            principal: self.principal,
        };
        let cancelled = context.ct.clone();
        let call = progress::reported(&context, |progress| self.corridor.call(received, progress));
        let outcome = tokio::select! {
            outcome = call => outcome,
            // The client does not read what it cancelled; dropping the call closes its upstream.
            () = cancelled.cancelled() => {
                return Err(ErrorData::internal_error("the call was cancelled", None));
            }
        };
        match outcome {
            Outcome::Answer { text, structured } => {
                let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
                result.structured_content = Some(structured);
                Ok(result)
            }
            Outcome::Error { text } => Ok(CallToolResult::error(vec![ContentBlock::text(text)])),
            Outcome::UnknownTool => Err(ErrorData::invalid_params(
                "unknown tool; tools/list shows which there are",
                None,
            )),
        }
    }
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
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self
            .corridor
            .tools()
            .map(|tool| advertised(tool.definition()))
            .collect();
        let mut result = ListToolsResult::with_all_items(tools).with_ttl_ms(TOOLS_TTL_MS);
        result.cache_scope = Some(CacheScope::Private);
        Ok(result)
    }

    /// What `rmcp` knows no form for: an unknown method, or a known one with parameters of another
    /// shape. The method is the client's text and is not repeated.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
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
        self.call(request, context)
            .await
            .map(CallToolResponse::from)
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
