//! The setting `lookup`: where a provider looks for a name that has no reference of its own.
//!
//! A template is a reference without its provider and with `{name}` in it. It is proved with a
//! sample name when settings are built, so that a call never meets a template that cannot work.

use super::{
    super::{Reference, SecretName},
    registry::section,
};
use crate::settings::Problem;

/// A checked `lookup` template of one provider.
#[derive(Debug, Clone)]
pub(super) struct Template {
    provider: &'static str,
    text: String,
}

impl Template {
    /// Checks `text`; `validate` is the provider's own check of a reference.
    pub(super) fn new(
        provider: &'static str,
        text: &str,
        validate: impl FnOnce(&Reference) -> Result<(), String>,
    ) -> Result<Self, Problem> {
        let mut path = section(provider);
        path.push("lookup".to_owned());
        let problem = |message: String| {
            Problem::at(
                path,
                message,
                "write where names live, with `{name}` in place of the name",
            )
        };
        let template = Self {
            provider,
            text: text.to_owned(),
        };
        if !text.contains("{name}") {
            return Err(problem(
                "`lookup` has no `{name}` in it, so all names would be one".into(),
            ));
        }
        match template.fill("sample").parse::<Reference>() {
            Ok(reference) => validate(&reference).map_err(problem)?,
            Err(invalid) => return Err(problem(invalid.to_string())),
        }
        Ok(template)
    }

    /// The reference for a name.
    pub(super) fn locate(&self, name: &SecretName) -> Option<Reference> {
        self.fill(name.as_str()).parse().ok()
    }

    fn fill(&self, name: &str) -> String {
        format!("{}:{}", self.provider, self.text.replace("{name}", name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_proved_when_it_is_made() {
        let accept = |_: &Reference| Ok(());
        let template = Template::new("vault", "kv/ai/{name}#api_key", accept).unwrap();
        let reference = template.locate(&"team/openai".parse().unwrap()).unwrap();
        assert_eq!(reference.to_string(), "vault:kv/ai/team/openai#api_key");
        for wrong in ["kv/ai/openai#api_key", "kv/{name}#", "kv/ {name}"] {
            assert!(Template::new("vault", wrong, accept).is_err(), "{wrong}");
        }
        let refuse = |_: &Reference| Err("no".to_owned());
        assert_eq!(
            Template::new("vault", "{name}", refuse)
                .unwrap_err()
                .message,
            "no"
        );
    }
}
