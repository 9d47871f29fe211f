//! The use of one secret by one part of the program: the only door through which a value is had
//! to be sent somewhere.
//!
//! Made when the program is set up, so that what configuration forbids is told at load. Each use
//! states where the value is about to be sent; an address that is not allowed gets no value, and
//! its store is not even asked.

use std::sync::Arc;

use reqwest::Url;

use super::{
    Broker, Consumer, Secret, SecretError, SecretName,
    broker::{Key, Question, Refused},
    cache::{Mark, Refusal},
};
use crate::call::CallIdentity;

/// The use of one secret. See [`Broker::bind`].
pub struct Binding {
    broker: Arc<Broker>,
    name: SecretName,
    consumer: Consumer,
    home: Option<Url>,
}

/// A value, for one request. Drop it, or [`Lent::put_away`] the value as soon as the request holds
/// it.
pub struct Lent {
    secret: Arc<Secret>,
    used: Used,
}

/// What remains of a value that was put away: enough to tell the broker that it was refused. While
/// it lives, the broker knows that a call is out with that value.
pub struct Used {
    broker: Arc<Broker>,
    key: Key,
    mark: Mark,
    provider: String,
    version: Option<String>,
}

impl Binding {
    pub(super) fn new(
        broker: Arc<Broker>,
        name: SecretName,
        consumer: Consumer,
        home: Option<Url>,
    ) -> Self {
        Self {
            broker,
            name,
            consumer,
            home,
        }
    }

    /// The secret's name.
    #[must_use]
    pub fn name(&self) -> &SecretName {
        &self.name
    }

    /// Whether configuration lets `asker`'s call use the secret. Asks no store.
    #[must_use]
    pub fn admits(&self, asker: &CallIdentity) -> bool {
        self.broker.key(self.question(asker)).is_ok()
    }

    /// The value, to be sent to `url` on behalf of `asker`.
    ///
    /// # Errors
    /// See [`SecretError`]; its `Display` is safe for a client.
    pub async fn lend(&self, asker: &CallIdentity, url: &Url) -> Result<Lent, SecretError> {
        let question = self.question(asker);
        self.check(question, url).await?;
        self.lent(question, self.broker.answer(question).await?)
    }

    /// The value, to be looked at in this process and sent nowhere.
    ///
    /// # Errors
    /// As [`Binding::lend`].
    pub async fn look(&self, asker: &CallIdentity) -> Result<Arc<Secret>, SecretError> {
        self.broker.answer(self.question(asker)).await
    }

    /// After the upstream at `url` refused `used`: another value if the store has another by now,
    /// else `None`.
    ///
    /// # Errors
    /// As [`Binding::lend`].
    pub async fn lend_after_refusal(
        &self,
        used: &Used,
        refusal: Refusal,
        asker: &CallIdentity,
        url: &Url,
    ) -> Result<Option<Lent>, SecretError> {
        let question = self.question(asker);
        self.check(question, url).await?;
        let refused = Refused {
            mark: used.mark,
            refusal,
            provider: &used.provider,
            version: used.version.as_deref(),
        };
        let newer = self.broker.answer_after_refusal(question, refused).await?;
        newer.map(|newer| self.lent(question, newer)).transpose()
    }

    fn question<'a>(&'a self, asker: &'a CallIdentity) -> Question<'a> {
        Question {
            name: &self.name,
            consumer: &self.consumer,
            asker,
        }
    }

    async fn check(&self, question: Question<'_>, url: &Url) -> Result<(), SecretError> {
        let home = self.home.as_ref();
        self.broker.check_host(question, url, home).await
    }

    fn lent(&self, question: Question<'_>, secret: Arc<Secret>) -> Result<Lent, SecretError> {
        let key = self.broker.key(question)?;
        self.broker.lend(&key, secret.mark());
        Ok(Lent {
            used: Used {
                broker: Arc::clone(&self.broker),
                key,
                mark: secret.mark(),
                provider: secret.provider().to_owned(),
                version: secret.version().map(str::to_owned),
            },
            secret,
        })
    }
}

impl Lent {
    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Lets go of the value.
    #[must_use]
    pub fn put_away(self) -> Used {
        self.used
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.broker.give_back(&self.key, self.mark);
    }
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binding")
            .field("name", &self.name)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}
