//! Keys pasted into the file, as values or as names.
//!
//! A name is repeated by logs, lists and errors all over the house, so a key that passes for a
//! name (a secret's, a model's) must be stopped here, before any room believes it to be one.

use super::{
    report::Finding,
    tree::{Kind, Node},
};
use crate::key_shape::looks_like_key;

/// Every key-shaped scalar and name below `node`.
pub(super) fn refuse(node: &Node) -> Vec<Finding> {
    let mut findings = Vec::new();
    walk(node, &mut Vec::new(), &mut findings);
    findings
}

fn walk(node: &Node, path: &mut Vec<String>, findings: &mut Vec<Finding>) {
    let finding = |span: &std::ops::Range<usize>, path: &[String]| {
        Finding::at(
            span.clone(),
            "this looks like a key, and no key is ever written here",
            "put it where a secret provider finds it, write its name or reference here, and \
             replace the key, since it stood in a file",
        )
        .on(path.to_vec())
    };
    match &node.kind {
        Kind::Scalar { text, .. } => {
            if looks_like_key(text) {
                findings.push(finding(&node.span, path));
            }
        }
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                walk(item, path, findings);
                path.pop();
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                path.push(entry.key.clone());
                if looks_like_key(&entry.key) {
                    findings.push(finding(&entry.key_span, path));
                }
                walk(&entry.value, path, findings);
                path.pop();
            }
        }
    }
}
