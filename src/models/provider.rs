//! The trait that every model provider stands behind: one folder of `providers/` per wire
//! protocol, one value per configured provider.

use std::borrow::Cow;

use futures_util::future::BoxFuture;

use super::{Completion, CompletionRequest, ModelError, ModelFacts};
use crate::{
    call::{CallContext, CallIdentity},
    secrets::SecretName,
};

/// A way to some models.
pub trait ModelProvider: Send + Sync {
    /// The provider's name in configuration.
    fn name(&self) -> &str;

    /// The host that requests and keys go to, with the port if it is not the scheme's own.
    fn host(&self) -> String;

    /// The models that may be asked for, the preferred first.
    fn models(&self) -> &[ModelFacts];

    /// What is known of the model that the vendor calls `name`, if it may be asked for.
    fn model(&self, name: &str) -> Option<Cow<'_, ModelFacts>> {
        let listed = self.models().iter().find(|model| model.name == name);
        listed.map(Cow::Borrowed)
    }

    /// The secret that a request carries; `None` sends none.
    fn secret(&self) -> Option<&SecretName>;

    /// Every secret that a call uses: that one, and what proves a client certificate.
    fn secrets(&self) -> Vec<&SecretName> {
        self.secret().into_iter().collect()
    }

    /// Whether configuration lets `asker`'s call use those secrets; true without any. Asks no store.
    fn admits(&self, asker: &CallIdentity) -> bool;

    /// Asks `request.model`, which must be the name of a [`Self::model`], and waits for the
    /// whole answer. Progress goes to `cx`. Dropping the future closes the connection.
    ///
    /// # Errors
    /// See [`ModelError`]. Nothing that the vendor wrote is in it.
    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<Completion, ModelError>>;
}
