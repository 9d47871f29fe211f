//! Kubernetes: the pod's service account token, which Vault has the cluster review.
//! <https://developer.hashicorp.com/vault/api-docs/auth/kubernetes#login>

use std::path::PathBuf;

use serde::Deserialize;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;

use super::{super::wire::Answer, Desk, Preparing, claims::claims, jwt::about_time};
use crate::secrets::providers::ProviderError;

pub(super) const NAME: &str = "kubernetes";

/// The section `auth.kubernetes`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSettings {
    /// The role to log in as.
    pub role: String,
    /// The service account's token, read again for each login because it rotates.
    #[serde(default = "token_file")]
    pub token_file: PathBuf,
    /// Where the auth method is mounted.
    #[serde(default = "mount")]
    pub mount: String,
}

/// Where Kubernetes mounts it in every pod.
fn token_file() -> PathBuf {
    PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/token")
}

fn mount() -> String {
    NAME.to_owned()
}

impl KubernetesSettings {
    pub(super) fn prepare(&self, to: &mut Preparing<'_>) -> Option<Kubernetes> {
        let mount = to.mount(NAME, &self.mount);
        let role = to.name(NAME, "role", &self.role)?;
        Some(Kubernetes {
            mount: mount?,
            role,
            token_file: to.place(&self.token_file),
        })
    }
}

/// The login.
pub(in super::super) struct Kubernetes {
    mount: String,
    role: String,
    token_file: PathBuf,
}

impl Kubernetes {
    pub(super) fn mount(&self) -> &str {
        &self.mount
    }

    /// The one place where the token is a plain `String`: vaultrs' request wants it so. It lives as
    /// long as the request.
    pub(super) async fn log_in(&self, desk: &Desk<'_>) -> Result<Answer, ProviderError> {
        let attempt = desk.attempt(NAME, &self.mount);
        let setting = "kubernetes.token_file";
        let what = "the service account's token";
        let mut token = desk.read(&self.token_file, setting, what).await?;
        let file = self.token_file.display();
        let claims = claims(&token)
            .ok_or_else(|| attempt.failed(format!("{file} holds no JWT; it was not sent")))?;
        let request = LoginWithKubernetesRequest {
            mount: self.mount.clone(),
            role: self.role.clone(),
            jwt: std::mem::take(&mut *token),
        };
        let answer = attempt.ask(request, None).await?;
        attempt.judge(answer, |said| {
            let role = "`auth.kubernetes.role`";
            if said.has("invalid role name") {
                return Some(format!("there is no such role at this mount; see {role}"));
            }
            if said.has("not authorized") {
                return Some(format!(
                    "the role is not bound to this pod's service account and namespace; see \
                     {role}, or run the pod under another service account"
                ));
            }
            if said.has("audience") {
                return Some(format!(
                    "{what} in {file} is for another audience than the role's; project one for it"
                ));
            }
            if let Some(time) = about_time(said, &claims, &self.token_file) {
                return Some(time);
            }
            said.has("permission denied").then(|| {
                format!(
                    "refused; Kubernetes did not recognise {what} in {file} when Vault had it \
                     reviewed, or Vault may not have tokens reviewed, or kubernetes is not \
                     enabled at this `mount`, in this namespace"
                )
            })
        })
    }
}
