//! Where the credentials for a request come from.

use std::sync::Arc;

use aws_credential_types::Credentials;

use super::{
    credentials::TakenCredentials,
    held::{Held, Origin},
    http::Ground,
    login::Login,
    role::Role,
};
use crate::secrets::providers::{BuildContext, ErrorKind, ProviderError, endpoint::Endpoint};

/// The credentials of one provider. They rest in the pool.
pub(super) enum Keys {
    /// The environment had them at start, and they are used as they are.
    Taken(TakenCredentials),
    /// They were found, or a role was assumed.
    Held(Arc<Held>),
}

impl Keys {
    /// Those of the environment at start, else those that the SDK finds on `ground`; and with them
    /// `role`, if there is one, at `sts` or the region's own.
    pub(super) fn of(
        cx: BuildContext<'_>,
        ground: Ground,
        role: Option<Role>,
        sts: Option<Endpoint>,
    ) -> Self {
        let taken = TakenCredentials::of(cx);
        if taken.are_set() && role.is_none() {
            return Self::Taken(taken);
        }
        let login = Login {
            ground,
            taken,
            role,
            sts,
        };
        Self::Held(Held::new(Box::new(login), Arc::clone(cx.pool)))
    }

    /// A copy for one request, and what it is a copy of if newer ones might be had.
    pub(super) async fn get(&self) -> Result<(Credentials, Option<Origin>), ProviderError> {
        match self {
            Self::Taken(taken) => {
                let credentials = taken.credentials()?.ok_or_else(|| {
                    let detail = "AWS_ACCESS_KEY_ID was not set when Keyward started";
                    ProviderError::new(ErrorKind::LoginFailed, detail)
                })?;
                Ok((credentials, None))
            }
            Self::Held(held) => {
                let (credentials, origin) = held.get().await?;
                Ok((credentials, Some(origin)))
            }
        }
    }

    /// Looks for newer credentials at the next request, where something made of these was refused.
    pub(super) fn renew(&self) {
        if let Self::Held(held) = self {
            held.renew();
        }
    }

    /// Lets go of credentials that AWS refused; whether newer ones might be had.
    pub(super) fn forget(&self, refused: &Origin) -> bool {
        match self {
            Self::Taken(_) => false,
            Self::Held(held) => held.forget(refused),
        }
    }
}
