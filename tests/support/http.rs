//! Plain requests with JSON in and out, for setting servers up and for asking them what happened.

use std::time::Duration;

use reqwest::{Certificate, Client, Method};
use serde_json::Value;

use super::runtime;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as JSON; `null` if it is none.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The answer, if it is a success; else the test fails with it.
    #[track_caller]
    pub fn expect_success(self, what: &str) -> Value {
        assert!(
            (200..300).contains(&self.status),
            "{what}: {} {}",
            self.status,
            self.text
        );
        self.body
    }
}

/// A request to be sent with [`Request::send`].
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    authority: Option<String>,
}

impl Request {
    /// A request without headers or body. Any method, also OpenBao's `LIST`.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self {
            method: Method::from_bytes(method.as_bytes()).expect("a method is a token"),
            url: url.into(),
            headers: Vec::new(),
            body: None,
            authority: None,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends this JSON.
    pub fn json(self, body: &Value) -> Self {
        self.body(&body.to_string())
    }

    /// Sends this text.
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Trusts this CA (PEM), and no other.
    pub fn trusting(mut self, authority: Option<&str>) -> Self {
        self.authority = authority.map(str::to_owned);
        self
    }

    /// Sends and waits. An error is a sentence about the connection.
    pub fn send(self) -> Result<Answer, String> {
        runtime::run(async move { self.exchange().await.map_err(|error| format!("{error:?}")) })
    }

    async fn exchange(self) -> reqwest::Result<Answer> {
        let roots = match &self.authority {
            Some(pem) => vec![Certificate::from_pem(pem.as_bytes())?],
            None => Vec::new(),
        };
        // No proxy and no system roots: a test asks the server it started and nobody else.
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only(roots)
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .build()?;
        let mut request = client.request(self.method, self.url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, body, text })
    }
}
