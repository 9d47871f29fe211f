//! What the demo prints, and whether what it saw is what Keyward promises.

use zeroize::Zeroizing;

use super::{
    DemoError,
    store::Store,
    upstream::{Form, KeySeen},
};
use crate::{
    cli::print,
    secrets::memory::scanner::{Findings, NotMeasured, Report},
};

/// The moments at which memory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The key is here and not yet sent.
    Fetched,
    /// The upstream has the request and withholds its answer.
    InFlight,
    /// 100 ms after the answer.
    Ended,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Fetched => "fetched, not yet sent",
            Self::InFlight => "upstream has it",
            Self::Ended => "100 ms after the end",
        }
    }
}

/// What each party saw.
pub(super) struct Seen<'a> {
    pub(super) answer: String,
    pub(super) key_seen: KeySeen,
    pub(super) log: Vec<u8>,
    pub(super) key: &'a Zeroizing<String>,
    pub(super) phases: [(Phase, Result<Report, NotMeasured>); 3],
    pub(super) store: &'a Store,
}

pub(super) fn opening(store: &Store, base_url: &str) {
    print("Keyward demo: one call, and what each party saw of its key.\n");
    print(format_args!(
        "  upstream  a stand-in for OpenAI at {base_url}, accepts one random key"
    ));
    print(format_args!("  key       put into {}", store.place()));
}

pub(super) fn tools(names: &[String]) {
    print(format_args!(
        "  server    `keyward serve` over stdio; tools: {}",
        names.join(", ")
    ));
    print("  client    calls chat …\n");
}

/// Prints what was seen.
///
/// # Errors
/// [`DemoError::Promise`] if something saw more of the key than it should.
pub(super) fn seen(seen: &Seen<'_>) -> Result<(), DemoError> {
    let mut broken = Vec::new();
    print(format_args!(
        "The client saw the answer: \"{}\"",
        seen.answer
    ));
    match seen.key_seen {
        KeySeen::Right => print("The upstream saw the right key."),
        KeySeen::Wrong | KeySeen::Absent => broken.push("the upstream did not see the right key"),
    }
    let log = String::from_utf8_lossy(&seen.log);
    if Form::ALL
        .iter()
        .any(|form| log.contains(&form.write(seen.key)))
    {
        broken.push("the log holds the key");
    } else {
        print(format_args!(
            "The log saw no key: {} lines, searched for it raw and in {} encodings.",
            log.lines().count(),
            Form::ALL.len() - 1
        ));
    }
    print("The memory of the server, searched from outside for every 16 bytes of the key:\n");
    print("                        inside the locked pool        outside");
    for (phase, found) in &seen.phases {
        match found {
            Ok(report) => {
                let name = phase.name();
                let (inside, outside) = (report.inside, report.outside);
                print(format_args!(
                    "  {name:<22}{:<30}{}",
                    counted(inside),
                    counted(outside)
                ));
                if let Some(promise) = exceeded(*phase, report, seen.store) {
                    broken.push(promise);
                }
            }
            Err(reason) => print(format_args!("  {:<22}{reason}", phase.name())),
        }
    }
    if let Some(note) = seen.store.note() {
        print(format_args!("\n{note}"));
    }
    if broken.is_empty() {
        next_steps();
        Ok(())
    } else {
        Err(DemoError::Promise(broken.join("; ")))
    }
}

/// Copies, and the most frequent 16-byte fragment, which every copy contains too.
fn counted(found: Findings) -> String {
    let of = |number: usize, one: &str, many: &str| {
        format!("{number} {}", if number == 1 { one } else { many })
    };
    let copies = of(found.full_copies, "copy", "copies");
    format!(
        "{copies}, {}",
        of(found.largest_fragment_count, "fragment", "fragments")
    )
}

/// Which promise of a phase is broken, if one is.
fn exceeded(phase: Phase, report: &Report, store: &Store) -> Option<&'static str> {
    let count = |found: Findings| {
        found
            .full_copies
            .max(found.largest_fragment_count)
            .max(found.base64)
            .max(found.huffman)
    };
    let (inside, outside) = (count(report.inside), count(report.outside));
    match phase {
        Phase::Fetched if inside + outside > 1 => Some("more than one copy of a fetched key"),
        Phase::InFlight if outside > 2 => Some("more than two copies outside the pool in flight"),
        Phase::Ended if outside > 0 => Some("a copy was left outside the pool"),
        Phase::Ended if inside > store.rest() => Some("a copy was left in the pool"),
        _ => None,
    }
}

fn next_steps() {
    print(
        "\nNext, with a key of yours in OPENAI_API_KEY (or see the README for Vault and AWS):\n\
         \n  Claude Code  claude mcp add --scope user keyward -- keyward serve\
         \n  Codex        codex mcp add keyward -- keyward serve\
         \n               and, since Codex passes few variables on, under [mcp_servers.keyward]\
         \n               in ~/.codex/config.toml: env_vars = [\"OPENAI_API_KEY\"]\
         \n  Cursor       {\"mcpServers\": {\"keyward\": {\"command\": \"keyward\", \"args\": \
         [\"serve\"]}}} in ~/.cursor/mcp.json",
    );
}
