//! The section `auth.aws`, which exists in every build: where the feature is left out it is
//! refused by name.

use serde::Deserialize;

use super::{Method, Preparing};

/// The section `auth.aws`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsIamSettings {
    /// The role to log in as. Default: the IAM identity's own name.
    pub role: Option<String>,
    /// The region whose STS Vault asks. Default: the global one, `sts.amazonaws.com`.
    pub region: Option<String>,
    /// Another STS than AWS's own; Vault must be configured with the same.
    pub sts_endpoint: Option<String>,
    /// What Vault expects in `X-Vault-AWS-IAM-Server-ID`, so that a login for one server is no good
    /// at another.
    pub server_id_header: Option<String>,
    /// Where the auth method is mounted.
    #[serde(default = "mount")]
    pub mount: String,
}

fn mount() -> String {
    "aws".to_owned()
}

impl AwsIamSettings {
    #[cfg(not(feature = "aws"))]
    pub(super) fn prepare(&self, to: &mut Preparing<'_>) -> Option<Method> {
        to.refuse(
            &["aws"],
            "the login `aws` is not part of this build",
            "build with `--features aws`, or log in another way",
        );
        None
    }

    #[cfg(feature = "aws")]
    pub(super) fn prepare(&self, to: &mut Preparing<'_>) -> Option<Method> {
        super::aws::prepare(self, to).map(|login| Method::Aws(Box::new(login)))
    }
}
