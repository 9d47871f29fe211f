//! The usual arrangements: one stand-in upstream, and its key in one place or another.

use crate::support::{
    keyward::{Setup, write_private},
    upstream::{MODEL, Upstream},
};

/// The key of the usual arrangements: shaped like a real one, found nowhere else.
pub const KEY: &str = "sk-promise-4f7Qz1LmXw93RkTbVn8Hs2JdYc6Pg0Ua";
/// The bearer token of servers on HTTP.
pub const TOKEN: &str = "promise-token-9b1DeFg5HiJ2kLm7NoP4qRs8TuV6wXy3";

/// One provider, whose key lives where `reference` says.
pub fn chat_settings(upstream: &Upstream, reference: &str) -> String {
    let base_url = upstream.base_url();
    format!(
        r#"secrets:
  names:
    stand-in: {{ ref: "{reference}" }}
    http-token: {{ ref: "env:HTTP_TOKEN" }}
models:
  providers:
    stand-in:
      protocol: openai
      base_url: "{base_url}"
      secret: stand-in
      max_tokens_field: max_completion_tokens
      models: [{MODEL}]
"#
    )
}

/// The key in a variable.
pub fn key_in_env(upstream: &Upstream) -> Setup {
    Setup::with_config(&chat_settings(upstream, "env:STAND_IN_KEY")).env("STAND_IN_KEY", KEY)
}

/// The key in a file that only its owner can read.
pub fn key_in_file(upstream: &Upstream) -> Setup {
    // The folder exists only once the setup does, so the reference is relative to the config.
    let setup = Setup::with_config(&chat_settings(upstream, "file:key"));
    write_private(&setup.folder().join("key"), &format!("{KEY}\n"));
    setup
}

/// The key in a variable, and HTTP with a token that the client finds in the file `token`.
pub fn over_http(upstream: &Upstream) -> Setup {
    let settings = chat_settings(upstream, "env:STAND_IN_KEY");
    let server = "server:\n  http: { token_secret: http-token }\n";
    let setup = Setup::with_config(&format!("{server}{settings}"))
        .env("STAND_IN_KEY", KEY)
        .env("HTTP_TOKEN", TOKEN);
    write_private(&setup.folder().join("token"), TOKEN);
    setup
}
