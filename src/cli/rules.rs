//! What the guard judges and redacts by: built from configuration and the files that it names.

use std::{ops::Range, sync::Arc};

use super::world::WorldError;
use crate::{
    config::{self, Attached, Config},
    guard::{
        policy::{Policy, PolicyFile, ToolShape},
        redaction::{LiveNet, Redactor},
    },
    models::Models,
    secrets::live::LiveSecrets,
    settings::Problem,
};

/// The first net of redaction: the keys that are out.
struct Live(Arc<LiveSecrets>);

impl LiveNet for Live {
    fn ranges(&self, text: &str, found: &mut Vec<Range<usize>>) {
        self.0.ranges(text, found);
    }
}

/// The rules of redaction, with every key that the broker hands out.
pub(super) fn redactor(
    config: &Config,
    live: &Arc<LiveSecrets>,
) -> Result<Arc<Redactor>, WorldError> {
    let mut texts = Vec::new();
    for (index, pattern) in config.redaction.rules.iter().enumerate() {
        let place = ["redaction", "rules", &index.to_string()].map(str::to_owned);
        for file in files(config, pattern, &place)? {
            let text = config::attached_text(&file).map_err(WorldError::Config)?;
            texts.push((index, text));
        }
    }
    let live = Arc::new(Live(Arc::clone(live)));
    Redactor::new(&config.redaction, &texts, live)
        .map(Arc::new)
        .map_err(|problems| WorldError::Config(config.explain(problems)))
}

/// The rules of the policy, for these tools.
pub(super) fn policy(config: &Config, tools: &[ToolShape]) -> Result<Policy, WorldError> {
    let mut attached: Vec<Attached<PolicyFile>> = Vec::new();
    for (index, pattern) in config.policy.files.iter().enumerate() {
        let place = ["policy", "files", &index.to_string()].map(str::to_owned);
        for file in files(config, pattern, &place)? {
            let file: Attached<PolicyFile> = config::attached(&file).map_err(WorldError::Config)?;
            if file.value == PolicyFile::default() {
                let message = format!("no rule is in {}", file.path.display());
                let help = "a file that lost its rules must not count as no rules: mend it, or do \
                            not name it";
                let problem = Problem::at(place.iter().cloned(), message, help);
                return Err(WorldError::Config(config.explain(vec![problem])));
            }
            attached.push(file);
        }
    }
    let rules: Vec<PolicyFile> = attached.iter().map(|file| file.value.clone()).collect();
    Policy::compile(&config.policy, &rules, tools).map_err(|problems| {
        // Those of one file at a time: each is shown in its own text.
        let file = problems.first().and_then(|problem| problem.file);
        let problems = problems.into_iter().filter(|problem| problem.file == file);
        let attached = file.and_then(|file| attached.get(file));
        // What stands in the configuration itself stands in its section.
        let above = attached.is_none().then(|| "policy".to_owned());
        let told = problems.map(|problem| {
            let path = above.iter().cloned().chain(problem.path);
            Problem::at(path, problem.message, problem.help)
        });
        let told = told.collect();
        WorldError::Config(match attached {
            Some(file) => file.explain(told),
            None => config.explain(told),
        })
    })
}

/// What the policy says that is allowed and probably not meant.
pub(super) fn warnings(policy: &Policy, models: &Models) -> Vec<String> {
    let told = policy.warnings().iter().map(|warning| {
        let place = warning.path.join(".");
        format!("{place}: {}; {}", warning.message, warning.help)
    });
    let known: Vec<String> = models.list().into_iter().map(|model| model.model).collect();
    let unknown = policy.unknown_models(&known).into_iter();
    let unknown = unknown.map(|(rule, model)| {
        format!(
            "rule {rule}: no configured model is called {model:?}; a rule knows a model by its \
             provider's name for it, not by an alias"
        )
    });
    told.chain(unknown).collect()
}

/// The files that the setting at `place` names.
fn files(
    config: &Config,
    pattern: &str,
    place: &[String],
) -> Result<Vec<std::path::PathBuf>, WorldError> {
    config::named(pattern, config.dir.as_deref()).map_err(|error| {
        let help = "write a path, or a pattern such as `policies/*.yaml`; a relative one starts at \
                    this file's folder";
        let problem = Problem::at(place.iter().cloned(), error.to_string(), help);
        WorldError::Config(config.explain(vec![problem]))
    })
}
