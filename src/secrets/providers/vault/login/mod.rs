//! How to log in to Vault: one file per method, behind one enum.
//!
//! A method reads what it proves itself with anew for each login, makes one request, and says what
//! a refusal of Vault means in settings and files. What becomes of the token is `session`'s. A
//! proof (password, JWT, secret id) never outlives the login, except an unwrapped secret id, which
//! can be had only once and rests in locked memory.

mod approle;
#[cfg(feature = "aws")]
mod aws;
mod aws_settings;
mod cert;
mod claims;
mod desk;
mod jwt;
mod kubernetes;
mod prepare;
mod settings;
mod supplied;
mod userpass;
mod wrapped;

pub(super) use desk::Desk;
pub(super) use prepare::{Preparing, standard};
pub use {
    approle::AppRoleSettings, aws_settings::AwsIamSettings, cert::CertSettings, jwt::JwtSettings,
    kubernetes::KubernetesSettings, settings::AuthSettings, supplied::TokenHelperSettings,
    userpass::UserpassSettings,
};

use self::{
    approle::AppRole, cert::Cert, jwt::Jwt, kubernetes::Kubernetes, supplied::Supplied,
    userpass::Userpass,
};
use super::wire::Answer;
use crate::secrets::providers::ProviderError;

/// A way to a token.
pub(super) enum Login {
    /// Somebody else made the token.
    Supplied(Supplied),
    /// We make one.
    Made(Method),
}

/// A login method: what it leaves behind at Vault is ours to revoke.
pub(super) enum Method {
    AppRole(AppRole),
    Kubernetes(Kubernetes),
    Jwt(Jwt),
    Cert(Cert),
    Userpass(Userpass),
    #[cfg(feature = "aws")]
    Aws(Box<aws::AwsIam>),
}

impl Method {
    /// Logs in; the answer is a success and holds a token, unless Vault is another's.
    pub(super) async fn log_in(&self, desk: &Desk<'_>) -> Result<Answer, ProviderError> {
        match self {
            Self::AppRole(method) => method.log_in(desk).await,
            Self::Kubernetes(method) => method.log_in(desk).await,
            Self::Jwt(method) => method.log_in(desk).await,
            Self::Cert(method) => method.log_in(desk).await,
            Self::Userpass(method) => method.log_in(desk).await,
            #[cfg(feature = "aws")]
            Self::Aws(method) => method.log_in(desk).await,
        }
    }

    /// The method's name and its mount.
    fn place(&self) -> (&'static str, &str) {
        match self {
            Self::AppRole(method) => (approle::NAME, method.mount()),
            Self::Kubernetes(method) => (kubernetes::NAME, method.mount()),
            Self::Jwt(method) => (jwt::NAME, method.mount()),
            Self::Cert(method) => (cert::NAME, method.mount()),
            Self::Userpass(method) => (userpass::NAME, method.mount()),
            #[cfg(feature = "aws")]
            Self::Aws(method) => (aws::NAME, method.mount()),
        }
    }
}

impl Login {
    /// Whose token it is, as in "the token …".
    pub(super) fn source(&self) -> String {
        match self {
            Self::Supplied(supplied) => supplied.source(),
            Self::Made(method) => {
                let (name, mount) = method.place();
                format!("of the {name} login at `{mount}`")
            }
        }
    }
}
