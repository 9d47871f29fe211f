//! What is asked of `sys/leases`. vaultrs has no types for it.
//!
//! <https://developer.hashicorp.com/vault/api-docs/system/leases>. The id travels in the body, not
//! in the path: paths are traced by the crates below.

use async_trait::async_trait;
use rustify::{
    endpoint::Endpoint,
    enums::{RequestMethod, RequestType, ResponseType},
    errors::ClientError,
};

/// `PUT sys/leases/renew`, by as much as the lease was first granted.
pub(super) struct Renew<'a> {
    pub(super) lease_id: &'a str,
}

/// `PUT sys/leases/revoke`. Vault goes on trying by itself once it has said yes.
pub(super) struct Revoke<'a> {
    pub(super) lease_id: &'a str,
}

fn body(lease_id: &str) -> Option<Vec<u8>> {
    Some(
        serde_json::json!({ "lease_id": lease_id })
            .to_string()
            .into_bytes(),
    )
}

#[async_trait]
impl Endpoint for Renew<'_> {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        "sys/leases/renew".to_owned()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::PUT
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        Ok(body(self.lease_id))
    }
}

#[async_trait]
impl Endpoint for Revoke<'_> {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        "sys/leases/revoke".to_owned()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::PUT
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        Ok(body(self.lease_id))
    }
}
