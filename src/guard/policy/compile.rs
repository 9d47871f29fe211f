//! From rules as they are written to a policy that can be applied, or to all that is wrong with
//! them.
//!
//! It happens when a configuration is loaded and never during a call: what can be found wrong is
//! found here, with the place of the key, so that a rule that would fail is not met by the call
//! that it should have stopped.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cel::Env;

use super::{
    condition::Condition,
    conditions,
    config::{ActionSettings, Direction, PolicyFile, PolicySettings},
    draft::{Draft, Patterns, drafts},
    engine::{Policy, ToolRules},
    glob::{Glob, PrincipalGlob},
    operations,
    rule::{Effect, Rule},
    source::Fault,
    tool::ToolShape,
    transform::Fields,
};
use crate::{
    guard::fields::{self, FieldPattern},
    nearest::meant,
};

/// Something that is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// Which of the policy files it stands in. `None`: the section `policy` of the configuration.
    pub file: Option<usize>,
    /// The path of the key from the root of that file, or of that section.
    pub path: Vec<String>,
    /// What is wrong, without the refused value. In a condition it begins with line and column.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// The longest name of a rule.
const MAX_ID: usize = 64;

/// The most steps `**` of one pattern: each multiplies the ways through an answer.
const MAX_DEEP_STEPS: usize = 2;

impl Policy {
    /// Compiles the rules of `settings` and `files` for `tools`.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn compile(
        settings: &PolicySettings,
        files: &[PolicyFile],
        tools: &[ToolShape],
    ) -> Result<Self, Vec<RuleProblem>> {
        let mut compiler = Compiler {
            tools,
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        for (index, file) in files.iter().enumerate() {
            if file.tool.is_some() && file.policies.is_none() {
                compiler.refuse_at(
                    Some(index),
                    vec!["tool".to_owned()],
                    "`tool` says which tool `policies` are about, and there are none",
                    "rules name their tools under `when.tools`",
                );
            }
        }
        let drafts = drafts(settings, files);
        compiler.check_ids(&drafts);
        let about: Vec<Vec<usize>> = drafts
            .iter()
            .map(|draft| compiler.tools_of(draft))
            .collect();
        let env = match operations::environment() {
            Ok(env) => Arc::new(env),
            Err(_) => {
                compiler.refuse_at(None, Vec::new(), "the interpreter could not be set up", "");
                return Err(compiler.problems);
            }
        };
        let conditions = compiler.conditions(&env, &drafts, &about);
        let mut rules = Vec::with_capacity(drafts.len());
        for (draft, condition) in drafts.iter().zip(conditions) {
            rules.extend(compiler.rule(draft, condition));
        }
        if !compiler.problems.is_empty() {
            return Err(compiler.problems);
        }
        let index = index(tools, &rules, &about);
        Ok(Self::new(
            env,
            settings.default,
            rules,
            index,
            compiler.warnings,
        ))
    }
}

/// Which rules each tool has. There is a rule for each draft.
fn index(tools: &[ToolShape], rules: &[Rule], about: &[Vec<usize>]) -> HashMap<String, ToolRules> {
    let mut index: Vec<ToolRules> = tools.iter().map(tool_rules).collect();
    for (number, (rule, about)) in rules.iter().zip(about).enumerate() {
        for tool in about {
            if let Some(tool) = index.get_mut(*tool) {
                match rule.direction {
                    Direction::Input => tool.input.push(number),
                    Direction::Output => tool.output.push(number),
                }
            }
        }
    }
    index
        .into_iter()
        .map(|tool| (tool.shape.name.clone(), tool))
        .collect()
}

fn tool_rules(tool: &ToolShape) -> ToolRules {
    ToolRules {
        shape: Arc::new(tool.clone()),
        input: Vec::new(),
        output: Vec::new(),
        sensitive: fields::sensitive(&serde_json::Value::Object(tool.output_schema.clone())),
    }
}

struct Compiler<'t> {
    tools: &'t [ToolShape],
    problems: Vec<RuleProblem>,
    warnings: Vec<RuleProblem>,
}

impl Compiler<'_> {
    fn refuse_at(
        &mut self,
        file: Option<usize>,
        path: Vec<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(problem(file, path, message, help));
    }

    fn refuse(
        &mut self,
        draft: &Draft,
        key: &[&str],
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.refuse_at(draft.file, draft.path_to(key), message, help);
    }

    fn check_ids(&mut self, drafts: &[Draft]) {
        let mut known = HashSet::new();
        for draft in drafts {
            let is_word = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte)
            };
            if draft.id.is_empty() || draft.id.len() > MAX_ID || !draft.id.bytes().all(is_word) {
                self.refuse(
                    draft,
                    &["id"],
                    "this is no name for a rule",
                    format!(
                        "a name has 1 to {MAX_ID} characters of `a-z`, `0-9`, `-`, `_` and `.`"
                    ),
                );
            }
            if !known.insert(draft.id.as_str()) {
                self.refuse(
                    draft,
                    &["id"],
                    "another rule has this name",
                    "audit and tests know rules by name: give each its own",
                );
            }
        }
    }

    /// The tools that a rule is about, by number.
    fn tools_of(&mut self, draft: &Draft) -> Vec<usize> {
        let Some(Patterns { path, texts }) = &draft.tools else {
            return (0..self.tools.len()).collect();
        };
        self.refuse_empty(draft, draft.tools.as_ref());
        let globs: Vec<Glob> = texts.iter().map(|text| Glob::new(text)).collect();
        for (number, (glob, text)) in globs.iter().zip(texts).enumerate() {
            if self.tools.iter().any(|tool| glob.matches(&tool.name)) {
                continue;
            }
            let mut path = path.clone();
            // MXCP's `tool` is no list.
            if path.last().is_some_and(|key| key == "tools") {
                path.push(number.to_string());
            }
            if glob.is_literal() {
                let names = self.tools.iter().map(|tool| tool.name.as_str());
                let help = match meant(text, names.clone()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("there are: {}", names.collect::<Vec<_>>().join(", ")),
                };
                self.refuse_at(draft.file, path, "there is no tool of this name", help);
            } else {
                let help = "the rule does nothing until there is such a tool";
                self.warnings.push(problem(
                    draft.file,
                    path,
                    "no tool has a name like this",
                    help,
                ));
            }
        }
        let is_meant = |tool: &ToolShape| globs.iter().any(|glob| glob.matches(&tool.name));
        let numbered = self.tools.iter().enumerate();
        numbered
            .filter(|(_, tool)| is_meant(tool))
            .map(|(number, _)| number)
            .collect()
    }

    fn refuse_empty(&mut self, draft: &Draft, patterns: Option<&Patterns>) {
        if let Some(patterns) = patterns.filter(|patterns| patterns.texts.is_empty()) {
            self.refuse_at(
                draft.file,
                patterns.path.clone(),
                "an empty list means no call at all",
                "leave the key out for all of them",
            );
        }
    }

    /// The conditions of all drafts, in their order; `None` where there is none, or none that can
    /// be used.
    fn conditions(
        &mut self,
        env: &Arc<Env>,
        drafts: &[Draft],
        about: &[Vec<usize>],
    ) -> Vec<Option<Condition>> {
        let mut conditions: Vec<Option<Condition>> = drafts.iter().map(|_| None).collect();
        let Some(outcomes) = conditions::compile(env, drafts, about, self.tools) else {
            self.refuse_at(
                None,
                Vec::new(),
                "the rules could not be compiled",
                "try once more",
            );
            return conditions;
        };
        for (number, outcome) in outcomes {
            let Some((draft, slot)) = drafts.get(number).zip(conditions.get_mut(number)) else {
                continue;
            };
            let told = |fault: Fault| {
                let path = draft.path_to(&["condition"]);
                problem(draft.file, path, fault.to_string(), fault.help)
            };
            match outcome {
                Ok((condition, warning)) => {
                    self.warnings.extend(warning.map(told));
                    *slot = Some(condition);
                }
                Err(faults) => self.problems.extend(faults.into_iter().map(told)),
            }
        }
        conditions
    }

    /// The rule of `draft`. `None`: it has problems.
    fn rule(&mut self, draft: &Draft, condition: Option<Condition>) -> Option<Rule> {
        let before = self.problems.len();
        let principals = self.principals(draft);
        self.refuse_empty(draft, draft.models.as_ref());
        let models = draft.models.as_ref();
        let models = models.map(|models| {
            models
                .texts
                .iter()
                .map(|text| Glob::in_any_case(text))
                .collect()
        });
        let effect = self.effect(draft)?;
        let is_whole =
            before == self.problems.len() && condition.is_some() == draft.condition.is_some();
        is_whole.then(|| Rule {
            id: draft.id.clone(),
            direction: draft.direction,
            principals,
            models,
            condition,
            effect,
            reason: draft.reason.clone(),
        })
    }

    fn principals(&mut self, draft: &Draft) -> Option<Vec<PrincipalGlob>> {
        let patterns = draft.principals.as_ref()?;
        self.refuse_empty(draft, Some(patterns));
        let mut globs = Vec::with_capacity(patterns.texts.len());
        for (number, text) in patterns.texts.iter().enumerate() {
            match PrincipalGlob::parse(text) {
                Some(glob) => globs.push(glob),
                None => self.refuse(
                    draft,
                    &["when", "principals", &number.to_string()],
                    "no principal is of this kind",
                    "kinds are `kind:local` and `kind:token`",
                ),
            }
        }
        Some(globs)
    }

    fn effect(&mut self, draft: &Draft) -> Option<Effect> {
        use ActionSettings::{
            Allow, Deny, FilterFields, FilterSensitiveFields, MaskFields, RequireApproval,
        };
        let belongs = match draft.action {
            Deny => draft.direction,
            Allow | RequireApproval => Direction::Input,
            MaskFields(_) | FilterFields(_) | FilterSensitiveFields => Direction::Output,
        };
        if belongs != draft.direction {
            let (what, key) = match belongs {
                Direction::Input => ("calls", "input"),
                Direction::Output => ("answers", "output"),
            };
            self.refuse(
                draft,
                &["action"],
                format!("this action is about {what}"),
                format!("write `when: {{ direction: {key} }}`, or another action"),
            );
            return None;
        }
        Some(match &draft.action {
            Allow => Effect::Allow,
            Deny => Effect::Deny,
            RequireApproval => Effect::RequireApproval,
            FilterSensitiveFields => Effect::Change(Fields::FilterSensitive),
            MaskFields(texts) => Effect::Change(Fields::Mask(self.patterns(draft, texts)?)),
            FilterFields(texts) => Effect::Change(Fields::Filter(self.patterns(draft, texts)?)),
        })
    }

    fn patterns(&mut self, draft: &Draft, texts: &[String]) -> Option<Vec<FieldPattern>> {
        if texts.is_empty() {
            self.refuse(
                draft,
                draft.fields_key,
                "no fields are named",
                "name at least one field",
            );
            return None;
        }
        let mut patterns = Vec::with_capacity(texts.len());
        for (number, text) in texts.iter().enumerate() {
            let number = number.to_string();
            let path = [draft.fields_key, &[number.as_str()]].concat();
            match FieldPattern::parse(text) {
                Ok(_) if text.split('/').skip(1).any(str::is_empty) => {
                    self.refuse(
                        draft,
                        &path,
                        "a step has no name",
                        "name each step of a field",
                    );
                }
                Ok(_) if text.split('/').filter(|step| *step == "**").count() > MAX_DEEP_STEPS => {
                    self.refuse(
                        draft,
                        &path,
                        format!("a pattern has at most {MAX_DEEP_STEPS} steps `**`"),
                        "name the steps between",
                    );
                }
                Ok(pattern) => patterns.push(pattern),
                Err(why) => self.refuse(draft, &path, "this names no field", why.to_string()),
            }
        }
        (patterns.len() == texts.len()).then_some(patterns)
    }
}

fn problem(
    file: Option<usize>,
    path: Vec<String>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> RuleProblem {
    RuleProblem {
        file,
        path,
        message: message.into(),
        help: help.into(),
    }
}
