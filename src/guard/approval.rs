//! What an approval is good for: this call, of this principal, under these rules, and no other.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::tools::Files;

/// Names one call for its approval. Two calls have the same key only if they are the same in
/// everything that a person was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalKey([u8; 32]);

impl ApprovalKey {
    /// The key of a call. `asked` is what an approval stands on: principal, tool, arguments, files,
    /// model and rules.
    pub(super) fn of(asked: &Value) -> Option<Self> {
        let canonical = serde_json_canonicalizer::to_vec(asked).ok()?;
        Some(Self(Sha256::digest(&canonical).into()))
    }

    /// Its bytes, to be bound into what a client is given.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a person is asked before a call may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// What the answer is good for.
    pub key: ApprovalKey,
    /// The question, in words for a person.
    pub question: String,
    /// The beginning of the arguments, as they came.
    pub(super) arguments: String,
}

/// How much of the arguments a person is shown, in characters.
const MAX_SHOWN: usize = 2_000;

/// The beginning of `arguments`, as JSON.
pub(super) fn beginning(arguments: &serde_json::Map<String, Value>) -> String {
    // Each is cut for itself, so that a long one hides none behind it.
    let each = MAX_SHOWN / arguments.len().max(1);
    let cut = |value: &Value| {
        let text = value.to_string();
        match text.char_indices().nth(each) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    let told = arguments.iter().take(MAX_SHOWN);
    let told: Vec<String> = told
        .map(|(name, value)| format!("{name}: {}", cut(value)))
        .collect();
    told.join("\n")
}

/// What the files of a call are, as a person is shown it; nothing, if it has none.
pub(super) fn told_of(files: &Files) -> String {
    let each = files.iter();
    let each = each.map(|file| format!("\nfile: {} ({} bytes)", file.path, file.size));
    each.collect()
}

/// Cleaned arguments, as they follow the question.
pub(super) fn shown(arguments: &str) -> String {
    match arguments {
        "" => String::new(),
        arguments => format!(" It would be called with:\n{arguments}"),
    }
}

/// The question for a call of `tool`.
pub(super) fn question(tool: &str, model: Option<&str>, reason: Option<&str>) -> String {
    let model = model.map_or(String::new(), |model| format!(" with the model `{model}`"));
    let reason = reason.map_or(String::new(), |reason| format!(" {reason}"));
    format!("Keyward's policy wants your approval for this call of `{tool}`{model}.{reason}")
}

/// What an approval stands on.
pub(super) fn asked(
    principal: &str,
    tool: &str,
    arguments: &serde_json::Map<String, Value>,
    model: [Option<&str>; 2],
    files: &Files,
    rules: &[String],
) -> Value {
    // By what is in them: a file may be another by the time that the answer comes.
    let files: Vec<&[u8; 32]> = files.iter().map(|file| &file.digest).collect();
    json!({
        "principal": principal, "tool": tool, "arguments": arguments,
        "model": model, "files": files, "rules": rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(principal: &str, tool: &str, prompt: &str, model: &str, rule: &str) -> ApprovalKey {
        let arguments = json!({ "prompt": prompt });
        let arguments = arguments.as_object().unwrap();
        let rules = [rule.to_owned()];
        let asked = asked(
            principal,
            tool,
            arguments,
            [Some(model), None],
            &Files::default(),
            &rules,
        );
        ApprovalKey::of(&asked).unwrap()
    }

    #[test]
    fn an_approval_is_good_for_the_same_call_alone() {
        let one = key("alice", "chat", "hi", "m", "r");
        assert_eq!(one, key("alice", "chat", "hi", "m", "r"));
        for other in [
            key("bob", "chat", "hi", "m", "r"),
            key("alice", "chat2", "hi", "m", "r"),
            key("alice", "chat", "ho", "m", "r"),
            key("alice", "chat", "hi", "n", "r"),
            key("alice", "chat", "hi", "m", "s"),
        ] {
            assert_ne!(one, other);
        }
    }
}
