//! Who is asked instead of a model that has too much to do or no credit left.
//!
//! Only who was planned for, and judged, is asked. The caller is told who did not answer and why.

use std::sync::Arc;

use serde::Serialize;

use super::judgement::is_cause_to_ask_another;
use crate::{
    call::CallContext,
    models::{Completion, CompletionRequest, ModelError, ModelErrorKind, ModelProvider},
};

/// A provider and one of its models.
#[derive(Clone)]
pub struct Selected {
    /// Whom to ask.
    pub provider: Arc<dyn ModelProvider>,
    /// The model's name, as the provider knows it.
    pub model: String,
}

/// A model that was asked and did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// Its name.
    pub model: String,
    /// The model provider's name in configuration.
    pub provider: String,
    /// Why it did not answer: the code of its error.
    pub because: &'static str,
}

impl Selected {
    /// The names of the secrets that a call to it uses.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let names = self.provider.secrets();
        names.into_iter().map(ToString::to_string).collect()
    }

    /// Asks this model and, for as long as one has too much to do, the next of `others`. What is
    /// asked is the same but for the model's name.
    ///
    /// # Errors
    /// That of the first, if no other answers.
    pub async fn complete(
        &self,
        others: &[Self],
        mut request: CompletionRequest,
        cx: &CallContext,
    ) -> Result<Completion, ModelError> {
        let mut passed_over = Vec::new();
        let mut first_error = None;
        for next in std::iter::once(self).chain(others) {
            request.model.clone_from(&next.model);
            match next.provider.complete(&request, cx).await {
                Ok(mut completion) => {
                    passed_over.append(&mut completion.instead_of);
                    completion.instead_of = passed_over;
                    return Ok(completion);
                }
                Err(mut error) => {
                    passed_over.push(Fallback {
                        model: next.model.clone(),
                        provider: next.provider.name().to_owned(),
                        because: error.code(),
                    });
                    passed_over.append(&mut error.about.also_asked);
                    let goes_on = is_cause_to_ask_another(&error);
                    first_error.get_or_insert(error);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        // There was one to ask, so there is an error.
        let none = || ModelError::new(ModelErrorKind::NoneAvailable);
        let mut error = first_error.unwrap_or_else(none);
        error.about.also_asked = passed_over.split_off(1.min(passed_over.len()));
        Err(error)
    }
}

impl std::fmt::Debug for Selected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Selected")
            .field("provider", &self.provider.name())
            .field("model", &self.model)
            .finish()
    }
}
