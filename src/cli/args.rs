//! The command line: what can be typed, and the help that explains it.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};

use super::audit::Audit;
use crate::telemetry::{LogFormat, LogLevel};

/// Stands between AI clients and everything that needs a key. It holds no keys: each is fetched
/// from your secret store for one request and wiped.
#[derive(Debug, Parser)]
#[command(name = "keyward", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What configuration to use, and what overrides it.
    #[command(flatten)]
    pub global: Global,
}

/// Takes a refused value out of an error if it stands in the environment. What somebody typed may
/// be shown to them; what a variable holds was not typed, and may be a misplaced key.
pub(super) fn without_environment_values(
    mut error: clap::Error,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> clap::Error {
    let Some(ContextValue::String(refused)) = error.get(ContextKind::InvalidValue) else {
        return error;
    };
    // Only variables of ours become arguments.
    let held = environment.into_iter().find_map(|(name, value)| {
        let name = name.into_string().ok()?;
        (name.starts_with("KEYWARD_") && value == refused.as_str()).then_some(name)
    });
    if let Some(name) = held {
        let shown = format!("${name}");
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
    }
    error
}

const GLOBAL: &str = "Options of every command";

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the configuration is invalid, or a check failed; 2 something could not be \
read, or the command line is wrong; 3 the server or the demo failed while it ran.

Without a configuration file, keys come from well-known variables such as OPENAI_API_KEY. Begin \
with `keyward demo`, then `keyward check`; an AI client is given the command `keyward serve`.";

/// Options that every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Configuration file [default: $KEYWARD_CONFIG, then
    /// $XDG_CONFIG_HOME/keyward/config.yaml, then /etc/keyward/config.yaml; never one in the
    /// working directory].
    // The variable is read by `config::find`, which refuses a relative one.
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How much to log, to stderr: error, warn, info or debug [default: info].
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        hide_possible_values = true,
        env = "KEYWARD_LOG_LEVEL",
        hide_env_values = true,
        value_name = "LEVEL"
    )]
    pub log_level: Option<LogLevel>,
    /// How log lines look: text, or json with one object a line [default: text].
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        hide_possible_values = true,
        env = "KEYWARD_LOG_FORMAT",
        hide_env_values = true,
        value_name = "FORMAT"
    )]
    pub log_format: Option<LogFormat>,
    /// The model that is asked when a call names none [default: auto, the first that has a key].
    #[arg(
        long,
        global = true,
        help_heading = GLOBAL,
        env = "KEYWARD_DEFAULT_MODEL",
        hide_env_values = true,
        value_name = "MODEL"
    )]
    pub default_model: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve MCP to a client, over stdin and stdout or over HTTP.
    Serve(Serve),
    /// Check the configuration without contacting anything.
    Check(Json),
    /// Try the secrets that the configuration names; never shows their values.
    #[command(subcommand)]
    Secrets(Secrets),
    /// List models, show what is known of one, or try whether it answers.
    #[command(subcommand)]
    Models(Models),
    /// Try the rules of the policy on calls that are written down; makes none of them.
    #[command(subcommand)]
    Policy(Policy),
    /// Verify, search and read what was recorded.
    #[command(subcommand)]
    Audit(Audit),
    /// Watch a call go through Keyward: what client, upstream, log and memory saw of the key.
    Demo(Demo),
    /// Print the version and what this binary was built with.
    Version(Json),
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Serve MCP's streamable HTTP at this address instead of stdio, for example
    /// 127.0.0.1:8787. Clients must send a token, whose secret `server.http.token_secret` names.
    #[arg(
        long,
        env = "KEYWARD_HTTP",
        hide_env_values = true,
        value_name = "ADDRESS"
    )]
    pub http: Option<SocketAddr>,
}

/// Commands under `secrets`.
#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Fetch each secret, tell its provider, version, age and latency, and wipe it.
    Check(SecretsCheck),
    /// List the secrets that the configuration uses: where each is looked for, how long it may be
    /// kept, who may use it. Contacts nothing.
    List(Json),
    /// Ask the places of one secret as a call would, and tell what each answers and why the next
    /// one is asked or not.
    Explain(SecretsExplain),
}

/// Options of `secrets check`.
#[derive(Debug, Args)]
pub struct SecretsCheck {
    /// The names to check. Default: all that the configuration uses.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The principal to put where a reference says `{principal.sub}` [default: operator].
    #[arg(long, value_name = "NAME")]
    pub principal: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `secrets explain`.
#[derive(Debug, Args)]
pub struct SecretsExplain {
    /// The secret's name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The principal to put where a reference says `{principal.sub}` [default: operator].
    #[arg(long, value_name = "NAME")]
    pub principal: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Commands under `models`.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// List every model that a call may ask for. Contacts nothing.
    List(Json),
    /// Show what is known of a model: limits, thinking, price, whom its place is taken by. Contacts
    /// nothing.
    Show(ModelName),
    /// Ask a model for a few tokens, and tell latency, usage, cost and the version of the key. Costs
    /// what the vendor takes for it.
    Check(ModelName),
}

/// A model.
#[derive(Debug, Args)]
pub struct ModelName {
    /// Its name or alias, provider/model, or auto.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Commands under `policy`.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Show what each rule makes of one call, and the values that it saw.
    Explain(PolicyExplain),
    /// Run calls of a file with what should become of them, denials included.
    Test(PolicyTest),
}

/// Options of `policy explain`.
#[derive(Debug, Args)]
pub struct PolicyExplain {
    /// The call, as JSON with `tool`, `arguments`, `principal` …; `-` reads standard input.
    #[arg(value_name = "CALL.json")]
    pub call: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `policy test`.
#[derive(Debug, Args)]
pub struct PolicyTest {
    /// Files of tests, in YAML; `-` reads standard input.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of commands that only print.
#[derive(Debug, Args)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where the demo keeps its key.
    #[arg(long, value_enum, default_value_t = DemoSecrets::Env)]
    pub secrets: DemoSecrets,
    /// Address of a Vault-compatible server [default: $VAULT_ADDR]. The token is read from
    /// $VAULT_TOKEN; the demo writes and removes one path below secret/.
    #[arg(long, value_name = "URL")]
    pub vault_address: Option<String>,
    /// Certificate of the authority that signed the Vault server's [default: $VAULT_CACERT].
    #[arg(long, value_name = "FILE")]
    pub vault_ca_file: Option<PathBuf>,
    /// Endpoint of Secrets Manager [default: $AWS_ENDPOINT_URL, else the region's own].
    #[arg(long, value_name = "URL")]
    pub aws_endpoint_url: Option<String>,
    /// Region of Secrets Manager [default: $AWS_REGION].
    #[arg(long, value_name = "REGION")]
    pub aws_region: Option<String>,
}

/// Where the demo keeps its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoSecrets {
    /// In an environment variable of the server.
    Env,
    /// In a Vault-compatible server (KV v2).
    Vault,
    /// In AWS Secrets Manager.
    Aws,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_value_is_shown_if_it_was_typed_and_not_if_a_variable_holds_it() {
        for command in [
            ["keyward", "check", "--log-level", "wornCanary"],
            ["keyward", "check", "--log-format", "wornCanary"],
            ["keyward", "serve", "--http", "wornCanary"],
        ] {
            let refused = || Cli::try_parse_from(command).unwrap_err();
            let typed = without_environment_values(refused(), []).to_string();
            assert!(typed.contains("wornCanary"), "{typed}");
            let variable = ("KEYWARD_X".into(), "wornCanary".into());
            let held = without_environment_values(refused(), [variable]).to_string();
            assert!(!held.contains("Canary"), "{held}");
            assert!(held.contains("$KEYWARD_X"), "{held}");
        }
    }
}
