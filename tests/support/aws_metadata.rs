//! Where a machine gets its AWS credentials, played strictly: an instance's metadata service that
//! wants IMDSv2, a container's endpoint that wants its token, and the portal of AWS's single
//! sign-on.
//!
//! moto's own metadata service leaves out the header that the Rust SDK insists on, and asks nobody
//! for a token. These refuse whoever does not keep AWS's documented protocol.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde_json::json;

use super::{arrivals::Arrivals, tls::HttpServer};

/// The role that the instance has.
const ROLE: &str = "instance-role";
/// The token that a session with the metadata service begins with.
const SESSION: &str = "metadata-session";
/// "EC2 User Guide, Use IMDSv2": asked with, and answered with by the service.
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

/// The key id that the instance's credentials have.
pub const INSTANCE_KEY_ID: &str = "ASIAINSTANCE";
/// The key id that the container's credentials have.
pub const CONTAINER_KEY_ID: &str = "ASIACONTAINER";

/// The key id that the portal's credentials have.
pub const PORTAL_KEY_ID: &str = "ASIAPORTAL";

/// A profile that logs in at the portal.
pub const PORTAL_PROFILE: &str = "[default]\nsso_session = work\nsso_account_id = 123456789012\n\
    sso_role_name = reader\n[sso-session work]\nsso_region = eu-central-1\n\
    sso_start_url = https://sso.example/start\n";

/// Where `aws sso login` leaves the token of that session, in the home: SHA-1 of `work`.
pub const PORTAL_TOKEN: &str = ".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json";

/// Any of the services.
pub struct Metadata {
    server: HttpServer,
    seen: Arc<Arrivals<String>>,
}

/// The secret halves of what it gives.
#[derive(Clone)]
pub struct Secrets {
    /// The secret access key.
    pub access_key: String,
    /// The session token.
    pub session_token: String,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            access_key: "canary-metadata-secret".to_owned(),
            session_token: "canary-metadata-token".to_owned(),
        }
    }
}

#[derive(Clone)]
struct Strict {
    seen: Arc<Arrivals<String>>,
    authorization: Option<String>,
    secrets: Secrets,
}

impl Metadata {
    /// An instance's, which answers nothing without a session of IMDSv2.
    pub fn of_instance(secrets: Secrets) -> Self {
        let router = Router::new()
            .route("/latest/api/token", put(begin))
            .route("/latest/meta-data/{*path}", get(metadata));
        Self::serve(router, None, secrets)
    }

    /// A container's, at `/credentials`, which wants `authorization` in the header of that name.
    pub fn of_container(authorization: &str, secrets: Secrets) -> Self {
        let router = Router::new().route("/credentials", get(container));
        Self::serve(router, Some(authorization.to_owned()), secrets)
    }

    /// The portal, which wants the token that somebody logged in for.
    pub fn of_portal(token: &str, secrets: Secrets) -> Self {
        let router = Router::new().route("/federation/credentials", get(portal));
        Self::serve(router, Some(token.to_owned()), secrets)
    }

    fn serve(router: Router<Strict>, authorization: Option<String>, secrets: Secrets) -> Self {
        let seen = Arc::new(Arrivals::default());
        let state = Strict {
            seen: Arc::clone(&seen),
            authorization,
            secrets,
        };
        let server = HttpServer::start(router.with_state(state));
        Self { server, seen }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What was asked, and `refused` behind it where the protocol was not kept.
    pub fn seen(&self) -> Vec<String> {
        self.seen.all()
    }
}

async fn begin(State(strict): State<Strict>, headers: HeaderMap) -> Response {
    let seconds = headers.get(TTL).and_then(|text| text.to_str().ok());
    let Some(seconds) = seconds.filter(|text| text.parse::<u32>().is_ok_and(|ttl| ttl <= 21_600))
    else {
        strict.seen.push("token refused".to_owned());
        return StatusCode::BAD_REQUEST.into_response();
    };
    strict.seen.push("token".to_owned());
    ([(TTL, seconds.to_owned())], SESSION).into_response()
}

async fn metadata(
    State(strict): State<Strict>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    if headers.get(TOKEN).is_none_or(|token| token != SESSION) {
        strict.seen.push(format!("{path} refused"));
        return StatusCode::UNAUTHORIZED.into_response();
    }
    strict.seen.push(path.clone());
    let credentials = "iam/security-credentials/";
    match path.strip_prefix(credentials) {
        Some("") => ROLE.into_response(),
        Some(ROLE) => given(INSTANCE_KEY_ID, &strict.secrets),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn container(State(strict): State<Strict>, headers: HeaderMap) -> Response {
    let shown = headers
        .get("authorization")
        .and_then(|text| text.to_str().ok());
    if shown != strict.authorization.as_deref() {
        strict.seen.push("credentials refused".to_owned());
        return StatusCode::UNAUTHORIZED.into_response();
    }
    strict.seen.push("credentials".to_owned());
    given(CONTAINER_KEY_ID, &strict.secrets)
}

async fn portal(State(strict): State<Strict>, uri: Uri, headers: HeaderMap) -> Response {
    let shown = headers
        .get("x-amz-sso_bearer_token")
        .and_then(|text| text.to_str().ok());
    let asked = uri.query().unwrap_or_default();
    let is_right = shown == strict.authorization.as_deref()
        && ["role_name=reader", "account_id=123456789012"]
            .iter()
            .all(|part| asked.contains(part));
    if !is_right {
        strict.seen.push("portal refused".to_owned());
        return StatusCode::UNAUTHORIZED.into_response();
    }
    strict.seen.push("portal".to_owned());
    let body = json!({ "roleCredentials": {
        "accessKeyId": PORTAL_KEY_ID,
        "secretAccessKey": strict.secrets.access_key,
        "sessionToken": strict.secrets.session_token,
        "expiration": 7_226_582_400_000_u64,
    }});
    ([("content-type", "application/json")], body.to_string()).into_response()
}

fn given(key_id: &str, secrets: &Secrets) -> Response {
    let body = json!({
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": key_id,
        "SecretAccessKey": secrets.access_key,
        "Token": secrets.session_token,
        "LastUpdated": "2026-01-01T00:00:00Z",
        "Expiration": "2199-01-01T00:00:00Z",
    });
    ([("content-type", "application/json")], body.to_string()).into_response()
}
