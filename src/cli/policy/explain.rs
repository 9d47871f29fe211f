//! `keyward policy explain CALL.json`: what each rule makes of one call, and what it saw of it.

use std::io;

use super::{format, read, unreadable};
use crate::{
    cli::{Exit, args::PolicyExplain, world::World},
    guard::policy::CallDocument,
};

/// Explains what becomes of the call that a file describes.
pub(super) async fn explain(world: &World, options: &PolicyExplain) -> Exit {
    let text = match read(&options.call) {
        Ok(text) => text,
        Err(error) => return unreadable(&options.call, &error.kind()),
    };
    let call: CallDocument = match serde_json::from_str(&text) {
        Ok(call) => call,
        // The position alone: the error may quote what stands there.
        Err(error) => {
            let place = format!(
                "this is no call in JSON (line {}, column {}); `{{ \"tool\": \"chat\", \
                 \"arguments\": {{ … }} }}` is the least",
                error.line(),
                error.column()
            );
            return unreadable(&options.call, &place);
        }
    };
    let mut out = io::stdout().lock();
    let written = world
        .policy()
        .explain_call(&call, format(options.json), &mut out)
        .await;
    // A reader that has gone is no failure.
    written.map_or(Exit::Done, |()| Exit::Done)
}
