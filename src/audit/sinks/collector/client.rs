//! The client that posts batches to one receiver.
//!
//! It is the sink's own, follows no redirect, and asks for its credential before each request. The
//! receiver's words never get into an error: they may repeat what was sent. A batch whose answer
//! was lost is sent once more, the same bytes: a receiver may get it twice, never changed.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::{Credential, retry};
use crate::{
    audit::{SinkError, sinks::deadline::Deadline},
    outbound,
};

/// The most that one request carries, in bytes of lines; a longer batch is several requests. Many
/// servers take no more than 1 MiB unless told otherwise.
pub(in crate::audit::sinks) const MAX_BATCH_BYTES: usize = 512 * 1024;
/// The most of an answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const MAX_HEADER_BYTES: u32 = 64 * 1024;
/// How long a connection may wait for its next batch.
const IDLE_LIMIT: Duration = Duration::from_secs(15);

/// A receiver of batches.
pub(in crate::audit::sinks) struct Collector {
    url: Url,
    /// For errors: without path and query.
    host: String,
    ca_file: Option<PathBuf>,
    content_type: HeaderValue,
    credential: Option<Arc<dyn Credential>>,
    runtime: Handle,
    /// Built for the first batch, since that reads the authorities to trust.
    client: Option<Client>,
}

impl Collector {
    /// The receiver at `url`, whose certificate an authority of `ca_file` must have signed if there
    /// is one. Requests run on `runtime`; its owner keeps it as long as the sink.
    pub(in crate::audit::sinks) fn new(
        url: Url,
        ca_file: Option<&Path>,
        content_type: &'static str,
        credential: Option<Arc<dyn Credential>>,
        runtime: Handle,
    ) -> Self {
        Self {
            host: match (url.host_str(), url.port()) {
                (Some(host), Some(port)) => format!("{host} port {port}"),
                (host, _) => host.unwrap_or_default().to_owned(),
            },
            url,
            ca_file: ca_file.map(Path::to_owned),
            content_type: HeaderValue::from_static(content_type),
            credential,
            runtime,
            client: None,
        }
    }

    /// Posts `body` until it is taken with a status of success and `judge` agrees.
    ///
    /// # Errors
    /// It was not, or not before the deadline.
    pub(in crate::audit::sinks) fn post(
        &mut self,
        body: &Bytes,
        deadline: &Deadline,
        judge: impl AsyncFnOnce(Response) -> Result<(), &'static str>,
    ) -> Result<(), SinkError> {
        let too_late = "it does not answer in time";
        let client = self.client()?;
        let left = deadline.left().map_err(|_| self.failed(too_late))?;
        let posting = async {
            let response = self.taken(&client, body, deadline).await?;
            judge(response).await.map_err(|words| self.failed(words))
        };
        self.runtime
            .block_on(async { timeout(left, posting).await })
            .unwrap_or_else(|_| Err(self.failed(too_late)))
    }

    fn client(&mut self) -> Result<Client, SinkError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = self.build().map_err(|words| self.failed(words))?;
        Ok(self.client.insert(client).clone())
    }

    fn build(&self) -> Result<Client, &'static str> {
        let roots = match &self.ca_file {
            Some(file) => {
                let pem = std::fs::read(file).map_err(|_| "its `ca_file` cannot be read")?;
                Some(outbound::authorities(&pem).ok_or("its `ca_file` holds no PEM certificate")?)
            }
            None => None,
        };
        // A buffer of a connection that is kept may hold the credential.
        let idle_connections = usize::from(self.credential.is_none());
        outbound::client(&self.url, roots)
            .pool_max_idle_per_host(idle_connections)
            .pool_idle_timeout(IDLE_LIMIT)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .build()
            .map_err(|_| {
                "TLS cannot be set up: this machine may have no certificate authorities, and \
                 `ca_file` can name some"
            })
    }

    /// Posts until the receiver answers with success.
    async fn taken(
        &self,
        client: &Client,
        body: &Bytes,
        deadline: &Deadline,
    ) -> Result<Response, SinkError> {
        let mut refusals = 0;
        let mut was_broken = false;
        loop {
            let response = match self.send(client, body).await? {
                Ok(response) => response,
                // The receiver may have closed a kept connection just when it was used again.
                Err(error) if is_broken(&error) && !was_broken => {
                    was_broken = true;
                    continue;
                }
                Err(error) => return Err(self.failed(cause(&error))),
            };
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let wait = retry::wait(status, response.headers(), refusals, Timestamp::now());
            // A wait beyond the deadline could only end in it: the caller learns at once.
            match wait.filter(|wait| deadline.left().is_ok_and(|left| *wait < left)) {
                Some(wait) => {
                    drop(response);
                    sleep(wait).await;
                    refusals += 1;
                }
                None => {
                    return Err(self.failed(&format!("it answered {}", status.as_u16())));
                }
            }
        }
    }

    async fn send(
        &self,
        client: &Client,
        body: &Bytes,
    ) -> Result<Result<Response, reqwest::Error>, SinkError> {
        let mut request = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, &self.content_type)
            .body(body.clone());
        if let Some(credential) = &self.credential {
            let mut authorization = credential.authorization(&self.url).await?;
            authorization.set_sensitive(true);
            request = request.header(AUTHORIZATION, authorization);
        }
        Ok(request.send().await)
    }

    fn failed(&self, words: &str) -> SinkError {
        SinkError(format!("the collector at {}: {words}", self.host))
    }
}

/// What a receiver answered, up to a bound.
///
/// # Errors
/// The answer broke off, or is longer.
pub(in crate::audit::sinks) async fn answer(
    mut response: Response,
) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_ANSWER_BYTES => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err("its answer is too long to be read"),
            Ok(None) => return Ok(body),
            Err(_) => return Err("its answer broke off"),
        }
    }
}

/// Whether a request may have failed only for the connection it was sent on.
fn is_broken(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// Our words for what went wrong: those of the client's errors hold the address.
fn cause(error: &reqwest::Error) -> &'static str {
    if error.is_dns() {
        return "its name is not found";
    }
    if !error.is_connect() {
        return "the connection broke before it answered";
    }
    let mut source = error.source();
    while let Some(error) = source {
        let io = error.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return "it refuses connections",
            // What rustls finds wrong.
            Some(io::ErrorKind::InvalidData) => {
                return "the TLS handshake failed: what answers is not a server whose certificate \
                        is trusted here";
            }
            _ => {}
        }
        // An I/O error hides what it wraps from `source`.
        let wrapped = io.and_then(io::Error::get_ref);
        source = wrapped.map_or_else(|| error.source(), |wrapped| Some(wrapped));
    }
    "it cannot be reached"
}
