//! `keyward version`.

use serde_json::json;

use super::{Exit, print};
use crate::secrets::providers;

/// Prints which version this is and what it was built with.
pub(super) fn version(as_json: bool) -> Exit {
    let (version, built_in) = (env!("CARGO_PKG_VERSION"), providers::built_in());
    if as_json {
        print(json!({ "name": "keyward", "version": version, "secret_providers": built_in }));
    } else {
        print(format_args!(
            "keyward {version}\nsecret providers: {}",
            built_in.join(", ")
        ));
    }
    Exit::Done
}
