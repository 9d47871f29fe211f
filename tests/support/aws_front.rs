//! What stands before moto and sees what AWS would see: who asked, signed for whom, with which
//! words. When told, it answers in moto's place, with what moto cannot be made to say.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use reqwest::{Client, Url};
use serde_json::{Value, json};

use super::{arrivals::Arrivals, tls::HttpServer};

/// One request, as AWS would take it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// `GetSecretValue`, `AssumeRole` …
    pub action: String,
    /// The access key id that signed; empty if nobody signed.
    pub key_id: String,
    /// The region that it was signed for.
    pub region: String,
    /// The session token that it came with.
    pub session_token: Option<String>,
    /// The fields of a form (STS).
    pub form: BTreeMap<String, String>,
    /// The body, if it is JSON (Secrets Manager).
    pub json: Value,
}

type Script = Box<dyn Fn(&Seen) -> Option<Response> + Send + Sync>;

/// The front.
pub struct AwsFront {
    server: HttpServer,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    client: Client,
    script: Script,
    seen: Arrivals<Seen>,
}

impl AwsFront {
    /// Before the server at `target`; `script` answers what it wants to.
    pub fn start(
        target: &str,
        script: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            client: Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .build()
                .unwrap(),
            script: Box::new(script),
            seen: Arrivals::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        Self {
            server: HttpServer::start(router),
            shared,
        }
    }

    /// Its base URL, for `endpoint_url` and `sts_endpoint_url`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What has arrived so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.all()
    }

    /// The actions that have arrived so far, in order.
    pub fn actions(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.action).collect()
    }
}

/// Secrets Manager's answer to what it refuses.
pub fn refusal(status: u16, code: &str, message: &str) -> Response {
    let body = json!({ "__type": code, "message": message }).to_string();
    let kind = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    (StatusCode::from_u16(status).unwrap(), kind, body).into_response()
}

/// STS's answer to what it refuses.
pub fn sts_refusal(status: u16, code: &str, message: &str) -> Response {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    let kind = [(header::CONTENT_TYPE, "text/xml")];
    (StatusCode::from_u16(status).unwrap(), kind, body).into_response()
}

/// STS's answer to `action`, `AssumeRole` or one of its kind: an hour of these credentials.
pub fn session(action: &str, access_key: &str, session_token: &str) -> Response {
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <Credentials><AccessKeyId>ASIASESSION</AccessKeyId><SecretAccessKey>{access_key}\
         </SecretAccessKey><SessionToken>{session_token}</SessionToken>\
         <Expiration>2199-01-01T00:00:00Z</Expiration></Credentials></{action}Result>\
         </{action}Response>"
    );
    ([(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let seen = read(&parts.headers, &body);
    let answer = (shared.script)(&seen);
    shared.seen.push(seen);
    if let Some(answer) = answer {
        return answer;
    }
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let asked = shared
        .client
        .request(parts.method, format!("{}{path}", shared.target))
        .headers(headers)
        .body(body)
        .send()
        .await;
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    };
    let status = answer.status();
    let mut headers = answer.headers().clone();
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONNECTION);
    let body = answer.bytes().await.unwrap_or_default();
    (status, headers, Body::from(body)).into_response()
}

fn read(headers: &HeaderMap, body: &[u8]) -> Seen {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let text = String::from_utf8_lossy(body);
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    // A form reads as the query of an address does.
    let form: BTreeMap<String, String> = Url::parse(&format!("form:?{text}"))
        .map(|url| url.query_pairs().into_owned().collect())
        .unwrap_or_default();
    let target = header("x-amz-target");
    let action = target.as_deref().and_then(|target| target.split_once('.'));
    let action = action.map(|(_, action)| action.to_owned());
    // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
    let scope = header("authorization").unwrap_or_default();
    let scope = scope
        .split("Credential=")
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let part = |index: usize| scope.split('/').nth(index).unwrap_or_default().to_owned();
    Seen {
        action: action
            .or_else(|| form.get("Action").cloned())
            .unwrap_or_default(),
        key_id: part(0),
        region: part(2),
        session_token: header("x-amz-security-token"),
        form: if json.is_null() {
            form
        } else {
            BTreeMap::new()
        },
        json,
    }
}
