//! How credentials are found: the environment at start, else the SDK's own search, and then the
//! role that they are to assume.
//!
//! Everything of the SDK that a login needs is made for it and dropped behind it: parsed profiles,
//! metadata clients and SSO tokens all keep keys in ordinary memory as long as they live. A login
//! is rare; nothing of it may rest.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sdk_sts::{Client, config::Builder};
use futures_util::future::BoxFuture;

use super::{
    credentials::TakenCredentials,
    held::Find,
    http::{Ground, Proxy},
    login_failure::{of_role, of_search},
    role::Role,
};
use crate::secrets::providers::{BuildContext, ErrorKind, ProviderError, endpoint::Endpoint};

/// How often the SDK may send one request of its search: these are small, and the metadata
/// services drop some.
const ATTEMPTS: u32 = 2;

/// What a login needs to know.
pub(super) struct Login {
    pub(super) ground: Ground,
    pub(super) taken: TakenCredentials,
    pub(super) role: Option<Role>,
    /// Where the role is assumed, if not at the region's STS.
    pub(super) sts: Option<Endpoint>,
}

/// The search for credentials alone, for a login elsewhere that is signed with them.
#[cfg(feature = "vault")]
pub(in crate::secrets::providers) struct Search(Login);

#[cfg(feature = "vault")]
impl Search {
    /// Where the environment and the SDK look.
    pub(in crate::secrets::providers) fn of(cx: BuildContext<'_>, region: Option<String>) -> Self {
        Self(Login {
            ground: Ground {
                region,
                fips: None,
                dual_stack: None,
                allow_plaintext: false,
                proxy: Proxy::of(cx.environment),
            },
            taken: TakenCredentials::of(cx),
            role: None,
            sts: None,
        })
    }

    /// Credentials for one request; nothing of them is kept.
    pub(in crate::secrets::providers) async fn find(&self) -> Result<Credentials, ProviderError> {
        self.0.log_in().await
    }
}

impl Login {
    async fn log_in(&self) -> Result<Credentials, ProviderError> {
        let taken = self.taken.credentials()?;
        let reads_roots = taken.is_none() || self.sts.as_ref().is_none_or(Endpoint::is_https);
        let loader = self.ground.loader(ATTEMPTS, reads_roots)?;
        let (shared, base) = match taken {
            Some(taken) => (loader.no_credentials().load().await, taken),
            None => {
                let shared = loader.load().await;
                let found = search(&shared).await?;
                (shared, found)
            }
        };
        match &self.role {
            Some(role) => self.assume(role, &shared, base).await,
            None => Ok(base),
        }
    }

    async fn assume(
        &self,
        role: &Role,
        shared: &SdkConfig,
        base: Credentials,
    ) -> Result<Credentials, ProviderError> {
        let mut config = Builder::from(shared).credentials_provider(base);
        let mut about = format!("assuming the role {} at STS", role.arn);
        if let Some(sts) = &self.sts {
            config = config.endpoint_url(&sts.address);
            about = format!("{about}, {}", sts.address);
        }
        let assumed = Client::from_conf(config.build())
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(&role.session_name)
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.seconds)
            .send()
            .await
            .map_err(|error| of_role(&error, &about))?;
        let incomplete = || {
            let detail = format!("{about}: the answer holds no credentials");
            ProviderError::new(ErrorKind::LoginFailed, detail)
        };
        let given = assumed.credentials.ok_or_else(incomplete)?;
        let expiry = SystemTime::try_from(given.expiration).map_err(|_| incomplete())?;
        // Moved, not copied: `Credentials` wipes them.
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            Some(expiry),
            "assumed role",
        ))
    }
}

/// Profiles with SSO, roles and processes, a web identity, a container, an instance.
async fn search(shared: &SdkConfig) -> Result<Credentials, ProviderError> {
    let Some(chain) = shared.credentials_provider() else {
        let detail = "the AWS SDK has no search for credentials";
        return Err(ProviderError::new(ErrorKind::LoginFailed, detail));
    };
    let found = chain.provide_credentials().await;
    found.map_err(|error| of_search(&error))
}

impl Find for Login {
    fn find(&self) -> BoxFuture<'_, Result<Credentials, ProviderError>> {
        Box::pin(self.log_in())
    }
}
