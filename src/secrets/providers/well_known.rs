//! The variables that AI vendors' documentation tells everyone to set, and the secret name each
//! stands for.
//!
//! One table, because three places read it: start-up (which variables to take out of the
//! environment), the env provider (where a name is) and the models (which vendor has a key). It
//! names variables and holds no values.

/// A secret's name and the variable that well-known software keeps it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WellKnown {
    /// The secret's name, which is also the model provider's.
    pub secret: &'static str,
    /// The variable.
    pub variable: &'static str,
}

const fn known(secret: &'static str, variable: &'static str) -> WellKnown {
    WellKnown { secret, variable }
}

/// Every well-known variable.
pub const WELL_KNOWN: &[WellKnown] = &[
    known("openai", "OPENAI_API_KEY"),
    known("gemini", "GEMINI_API_KEY"),
    known("azure", "AZURE_OPENAI_API_KEY"),
    known("xai", "XAI_API_KEY"),
    known("dial", "DIAL_API_KEY"),
    known("custom", "CUSTOM_API_KEY"),
    known("openrouter", "OPENROUTER_API_KEY"),
    known("anthropic", "ANTHROPIC_API_KEY"),
    known("mistral", "MISTRAL_API_KEY"),
    known("deepseek", "DEEPSEEK_API_KEY"),
    known("groq", "GROQ_API_KEY"),
    known("bedrock", "AWS_BEARER_TOKEN_BEDROCK"),
];

/// The well-known variable of a secret, if it has one.
#[must_use]
pub fn well_known_variable(secret: &str) -> Option<&'static str> {
    WELL_KNOWN
        .iter()
        .find(|known| known.secret == secret)
        .map(|known| known.variable)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_secret_and_no_variable_stands_twice_in_the_table() {
        let secrets: BTreeSet<_> = WELL_KNOWN.iter().map(|known| known.secret).collect();
        let variables: BTreeSet<_> = WELL_KNOWN.iter().map(|known| known.variable).collect();
        assert_eq!(
            (secrets.len(), variables.len()),
            (WELL_KNOWN.len(), WELL_KNOWN.len())
        );
    }

    #[test]
    fn a_vendor_is_found_by_its_name() {
        assert_eq!(well_known_variable("openai"), Some("OPENAI_API_KEY"));
        assert_eq!(well_known_variable("nobody"), None);
    }
}
