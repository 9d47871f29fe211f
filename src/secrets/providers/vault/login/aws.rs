//! AWS IAM: we sign a request "who am I?" to AWS's STS and do not send it; Vault sends it, and
//! learns who signed.
//! <https://developer.hashicorp.com/vault/api-docs/auth/aws#login>
//!
//! The secret key never leaves this process. The signed request is good for some minutes, for that
//! one question; with a server id it is good for one Vault alone.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Url;
use vaultrs::api::auth::aws::requests::IamLoginRequest;
use zeroize::Zeroizing;

use super::{super::wire::Answer, AwsIamSettings, Desk, Preparing, desk::Attempt};
use crate::secrets::providers::{ProviderError, aws::Search};

pub(super) const NAME: &str = "aws";

/// The question, as STS is asked it.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
const QUESTION: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The header that ties a login to one Vault.
const SERVER_ID: &str = "X-Vault-AWS-IAM-Server-ID";

/// The region of the global STS.
const GLOBAL_REGION: &str = "us-east-1";

/// How long finding credentials may take: profiles, roles and metadata services may be asked.
const FIND: Duration = Duration::from_secs(30);

/// The login.
pub(in super::super) struct AwsIam {
    mount: String,
    role: Option<String>,
    region: String,
    sts: Url,
    server_id: Option<String>,
    search: Search,
}

pub(super) fn prepare(settings: &AwsIamSettings, to: &mut Preparing<'_>) -> Option<AwsIam> {
    let mount = to.mount(NAME, &settings.mount);
    let is_region = |text: &String| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if !settings.region.as_ref().is_none_or(is_region) {
        let help = "write one such as `eu-central-1`";
        to.refuse(&[NAME, "region"], "this is not the name of a region", help);
        return None;
    }
    let is_header = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if !settings.server_id_header.as_ref().is_none_or(is_header) {
        let help = "write what Vault's `iam_server_id_header_value` is";
        let message = "this cannot be the value of a header";
        to.refuse(&[NAME, "server_id_header"], message, help);
        return None;
    }
    let sts = match (&settings.sts_endpoint, &settings.region) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, None) => "https://sts.amazonaws.com".to_owned(),
        (None, Some(region)) if region.starts_with("cn-") => {
            format!("https://sts.{region}.amazonaws.com.cn")
        }
        (None, Some(region)) => format!("https://sts.{region}.amazonaws.com"),
    };
    let sts = Url::parse(&sts).ok();
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.username() == ""
    };
    let Some(sts) = sts.filter(|url| url.has_host() && is_plain(url)) else {
        let help = "write one such as `https://sts.eu-central-1.amazonaws.com`";
        to.refuse(&[NAME, "sts_endpoint"], "this is not an address", help);
        return None;
    };
    Some(AwsIam {
        mount: mount?,
        role: settings.role.clone(),
        region: settings
            .region
            .clone()
            .unwrap_or_else(|| GLOBAL_REGION.to_owned()),
        sts,
        server_id: settings.server_id_header.clone(),
        search: Search::of(to.cx, settings.region.clone()),
    })
}

impl AwsIam {
    pub(super) fn mount(&self) -> &str {
        &self.mount
    }

    /// The signed headers hold the session token, if there is one; they live as long as the
    /// request.
    pub(super) async fn log_in(&self, desk: &Desk<'_>) -> Result<Answer, ProviderError> {
        let attempt = desk.attempt(NAME, &self.mount);
        let credentials = self.find_credentials(&attempt).await?;
        let headers = self.signed_headers(credentials, SystemTime::now());
        let headers = headers.ok_or_else(|| attempt.failed("the request could not be signed"))?;
        let request = IamLoginRequest {
            mount: self.mount.clone(),
            role: self.role.clone(),
            iam_http_request_method: "POST".to_owned(),
            iam_request_url: BASE64_STANDARD.encode(self.sts.as_str()),
            iam_request_body: BASE64_STANDARD.encode(QUESTION),
            iam_request_headers: BASE64_STANDARD.encode(headers.as_bytes()),
        };
        drop(headers);
        let answer = attempt.ask(request, None).await?;
        attempt.judge(answer, |said| {
            let what = if said.has("X-Vault-AWS-IAM-Server-ID") || said.has(SERVER_ID) {
                "this Vault wants another server id; see `auth.aws.server_id_header`"
            } else if said.has("entry for role") || said.has("role not found") {
                "there is no such role at this mount; see `auth.aws.role`"
            } else if said.has("does not belong to the role") || said.has("not authorized") {
                "the role is not bound to this IAM identity; see `auth.aws.role` and the \
                 credentials"
            } else if said.has("expired") || said.has("SignatureDoesNotMatch") && said.has("date") {
                "AWS finds the signed request too old; is the clock of this machine right, and are \
                 the credentials still valid?"
            } else if said.has("from STS") || said.has("upstream request") {
                "AWS did not recognise who signed: are the credentials valid, and is the STS of \
                 `auth.aws.region` or `auth.aws.sts_endpoint` the one that Vault is configured with?"
            } else {
                return None;
            };
            Some(what.to_owned())
        })
    }

    /// From the variables taken at start, or else where the SDK looks. Nothing is kept: logins are
    /// rare.
    async fn find_credentials(&self, attempt: &Attempt<'_>) -> Result<Credentials, ProviderError> {
        let found = tokio::time::timeout(FIND, self.search.find()).await;
        let late = |_| attempt.failed("AWS credentials could not be had in time");
        found.map_err(late)?
    }

    /// The question's headers with its signature, as the JSON that Vault expects.
    fn signed_headers(&self, of: Credentials, now: SystemTime) -> Option<Zeroizing<String>> {
        let identity: Identity = of.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("sts")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let host = match self.sts.port() {
            Some(port) => format!("{}:{port}", self.sts.host_str()?),
            None => self.sts.host_str()?.to_owned(),
        };
        let mut headers = BTreeMap::from([("Content-Type", CONTENT_TYPE), ("Host", &host)]);
        if let Some(server_id) = &self.server_id {
            headers.insert(SERVER_ID, server_id);
        }
        let request = SignableRequest::new(
            "POST",
            self.sts.as_str(),
            headers.iter().map(|(name, value)| (*name, *value)),
            SignableBody::Bytes(QUESTION.as_bytes()),
        );
        let (signed, _) = sign(request.ok()?, &params).ok()?.into_parts();
        headers.extend(signed.headers());
        let listed: BTreeMap<_, _> = headers
            .iter()
            .map(|(name, value)| (name, [value]))
            .collect();
        serde_json::to_string(&listed).ok().map(Zeroizing::new)
    }
}
