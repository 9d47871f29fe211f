//! A rule as it was written, wherever and in whichever form: one form for all that compile it.

use super::{
    config::{
        ActionSettings, Direction, MxcpAction, MxcpPolicies, MxcpRule, PolicyFile, PolicySettings,
        RuleSettings,
    },
    roots::Vocabulary,
};

/// A rule as it was written.
#[derive(Debug)]
pub(super) struct Draft {
    /// The file it stands in. `None`: the configuration itself.
    pub(super) file: Option<usize>,
    /// The path of its keys there.
    pub(super) path: Vec<String>,
    pub(super) id: String,
    pub(super) tools: Option<Patterns>,
    pub(super) principals: Option<Patterns>,
    pub(super) models: Option<Patterns>,
    pub(super) direction: Direction,
    pub(super) vocabulary: Vocabulary,
    pub(super) condition: Option<String>,
    pub(super) action: ActionSettings,
    /// The path of the fields' list, below `path`.
    pub(super) fields_key: &'static [&'static str],
    pub(super) reason: Option<String>,
}

/// A list of patterns, and the path of its key.
#[derive(Debug)]
pub(super) struct Patterns {
    pub(super) path: Vec<String>,
    pub(super) texts: Vec<String>,
}

impl Draft {
    /// The path of a key below the rule's own.
    pub(super) fn path_to(&self, below: &[&str]) -> Vec<String> {
        extend(&self.path, below)
    }
}

/// All rules, those of the configuration first.
pub(super) fn drafts(settings: &PolicySettings, files: &[PolicyFile]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    add_rules(&mut drafts, None, &settings.rules);
    for (index, file) in files.iter().enumerate() {
        add_rules(&mut drafts, Some(index), &file.rules);
        if let Some(policies) = &file.policies {
            add_mxcp(&mut drafts, index, file.tool.as_deref(), policies);
        }
    }
    drafts
}

fn add_rules(drafts: &mut Vec<Draft>, file: Option<usize>, rules: &[RuleSettings]) {
    for (index, rule) in rules.iter().enumerate() {
        let path = vec!["rules".to_owned(), index.to_string()];
        let patterns = |key: &str, texts: &Option<Vec<String>>| {
            let texts = texts.clone()?;
            let path = extend(&path, &["when", key]);
            Some(Patterns { path, texts })
        };
        drafts.push(Draft {
            file,
            id: rule.id.clone(),
            tools: patterns("tools", &rule.when.tools),
            principals: patterns("principals", &rule.when.principals),
            models: patterns("models", &rule.when.models),
            direction: rule.when.direction,
            vocabulary: Vocabulary::Keyward,
            condition: rule.condition.clone(),
            action: rule.action.clone(),
            fields_key: match rule.action {
                ActionSettings::MaskFields(_) => &["action", "mask_fields"],
                _ => &["action", "filter_fields"],
            },
            reason: rule.reason.clone(),
            path,
        });
    }
}

fn add_mxcp(drafts: &mut Vec<Draft>, file: usize, tool: Option<&str>, policies: &MxcpPolicies) {
    for (direction, rules) in [
        (Direction::Input, &policies.input),
        (Direction::Output, &policies.output),
    ] {
        for (index, rule) in rules.iter().enumerate() {
            drafts.push(from_mxcp(file, tool, direction, index, rule));
        }
    }
}

/// A rule in MXCP's form, which has no name of its own: it is called by its place.
fn from_mxcp(
    file: usize,
    tool: Option<&str>,
    direction: Direction,
    index: usize,
    rule: &MxcpRule,
) -> Draft {
    let label = direction.label();
    let fields = || rule.fields.iter().map(|name| anywhere(name)).collect();
    Draft {
        file: Some(file),
        path: extend(&["policies".to_owned()], &[label, &index.to_string()]),
        id: format!("mxcp-{}-{label}-{}", file + 1, index + 1),
        tools: tool.map(|tool| Patterns {
            path: vec!["tool".to_owned()],
            texts: vec![tool.to_owned()],
        }),
        principals: None,
        models: None,
        direction,
        vocabulary: Vocabulary::Mxcp,
        condition: Some(rule.condition.clone()),
        action: match rule.action {
            MxcpAction::Deny => ActionSettings::Deny,
            MxcpAction::FilterFields => ActionSettings::FilterFields(fields()),
            MxcpAction::MaskFields => ActionSettings::MaskFields(fields()),
            MxcpAction::FilterSensitiveFields => ActionSettings::FilterSensitiveFields,
        },
        fields_key: &["fields"],
        reason: rule.reason.clone(),
    }
}

/// The pattern of a field called `name`, in steps that dots separate, wherever it stands.
fn anywhere(name: &str) -> String {
    let steps = name.split('.').map(|step| {
        // RFC 6901, section 3.
        let step = step.replace('~', "~0").replace('/', "~1");
        format!("/{step}")
    });
    format!("/**{}", steps.collect::<String>())
}

fn extend(path: &[String], below: &[&str]) -> Vec<String> {
    path.iter()
        .cloned()
        .chain(below.iter().map(|key| (*key).to_owned()))
        .collect()
}
