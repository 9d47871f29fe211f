//! Microsoft Entra ID: an application's secret for its access token
//! (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).

use crate::secrets::form::{Form, put};

#[derive(Debug)]
pub(super) struct Entra {
    client_id: String,
    scope: String,
}

impl Entra {
    pub(super) fn new(client_id: &str, scope: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            scope: scope.to_owned(),
        }
    }

    pub(super) fn form(&self, secret: &[u8]) -> Form {
        // Of a size that it does not outgrow: growing would leave a copy behind.
        let mut form = Form::new(Vec::with_capacity(
            256 + 3 * (self.client_id.len() + self.scope.len() + secret.len()),
        ));
        put(&mut form, "grant_type", b"client_credentials");
        put(&mut form, "client_id", self.client_id.as_bytes());
        put(&mut form, "scope", self.scope.as_bytes());
        put(&mut form, "client_secret", secret);
        form
    }
}
