//! `keyward audit hash VALUE`: what the audit has in the place of a value.

use std::io::{self, Read as _};

use serde_json::Value;

use super::{AuditHash, Exit, complain, print};
use crate::{
    audit,
    cli::{keeping, world::World},
};

/// The longest value that is read, in bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Prints the hash, if the configuration names a key that lasts.
pub(super) async fn hash(world: World, options: &AuditHash) -> Exit {
    let value = match value(options) {
        Ok(value) => value,
        Err(what) => {
            complain(what);
            return Exit::Unreadable;
        }
    };
    let hashes = match keeping::hashes(&world) {
        Ok(hashes) if hashes.are_lasting() => hashes,
        Ok(_) => {
            complain(
                "each start makes a new key for the hashes of arguments, so none can be searched \
                 for; name a lasting one as `audit.hash_secret`",
            );
            return Exit::Invalid;
        }
        Err(error) => return error.report(false),
    };
    let hash = hashes.with(|key| audit::hash_value(key, &value)).await;
    world.broker.close().await;
    match hash {
        Some(hash) => {
            print(hash);
            Exit::Done
        }
        None => {
            complain("the key of the hashes cannot be had; `keyward secrets check` says why");
            Exit::Invalid
        }
    }
}

fn value(options: &AuditHash) -> Result<Value, String> {
    let mut text = options.value.clone();
    if text == "-" {
        text.clear();
        io::stdin()
            .take(MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| format!("standard input: {}", error.kind()))?;
    }
    if options.as_json {
        serde_json::from_str(&text).map_err(|_| "the value is no JSON".to_owned())
    } else {
        Ok(Value::String(text))
    }
}
