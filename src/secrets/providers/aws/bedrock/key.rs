//! How a key is made: a request for what the key permits, signed and not sent.
//!
//! Bedrock reads the signed request out of the key and checks it as if it had been sent. The secret
//! key signs and is not in it. Sources: docs.aws.amazon.com/bedrock (short-term API keys);
//! `aws-bedrock-token-generator`, AWS's own maker of them; Signature Version 4 by query parameters,
//! docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use crate::secrets::form::{Form, put};

/// How long a key is good for. AWS allows up to twelve hours; ours is made anew when it is due.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

const HOST: &str = "bedrock.amazonaws.com";
const ACTION: (&str, &str) = ("Action", "CallWithBearerToken");
const PREFIX: &str = "bedrock-api-key-";

/// A key for `region`, good from `now`.
pub(super) fn made_of(
    credentials: Credentials,
    region: &str,
    now: SystemTime,
) -> Option<Zeroizing<String>> {
    let identity: Identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFETIME);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("bedrock")
        .time(now)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let url = format!("https://{HOST}/?{}={}", ACTION.0, ACTION.1);
    let headers = [("host", HOST)].into_iter();
    let request = SignableRequest::new("POST", &url, headers, SignableBody::Bytes(b""));
    let (signed, _) = sign(request.ok()?, &params).ok()?.into_parts();
    let mut text = Form::new(Vec::with_capacity(4096));
    put(&mut text, ACTION.0, ACTION.1.as_bytes());
    for (name, value) in signed.params() {
        put(&mut text, name, value.as_bytes());
    }
    // Without the scheme, and with a version that is not signed.
    text.splice(..0, format!("{HOST}/?").into_bytes());
    text.extend_from_slice(b"&Version=1");
    let mut key = Zeroizing::new(String::with_capacity(PREFIX.len() + text.len() / 3 * 4 + 4));
    key.push_str(PREFIX);
    BASE64_STANDARD.encode_string(text.as_slice(), &mut key);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As botocore's `SigV4QueryAuth` signs the same at the same time.
    const SIGNATURES: [(Option<&str>, &str); 2] = [
        (
            None,
            "360007529d507d00ae9c6f45e13f35f9829bbac56be2155607f72be2396b6b8d",
        ),
        (
            Some("FwoGZXIv+YXdz/EBY="),
            "71287d919e8e324785004eb45959c677c2ff84c3f4c03e19e66ba383b73975b8",
        ),
    ];

    #[test]
    fn a_key_is_what_awss_own_maker_of_keys_would_make_of_the_credentials() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_798_761_600);
        for (session, signature) in SIGNATURES {
            let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
            let credentials = Credentials::new(
                "AKIDEXAMPLE",
                secret,
                session.map(str::to_owned),
                None,
                "test",
            );
            let key = made_of(credentials, "eu-central-1", now).unwrap();
            let text = BASE64_STANDARD
                .decode(key.strip_prefix("bedrock-api-key-").unwrap())
                .unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(!text.contains("EXAMPLEKEY"), "{text}");
            let query = text.strip_prefix("bedrock.amazonaws.com/?").unwrap();
            let mut pairs: Vec<_> = query.split('&').collect();
            assert_eq!(pairs.first(), Some(&"Action=CallWithBearerToken"));
            assert_eq!(pairs.pop(), Some("Version=1"));
            pairs.sort_unstable();
            let signature = format!("X-Amz-Signature={signature}");
            let mut expected = vec![
                "Action=CallWithBearerToken",
                "X-Amz-Algorithm=AWS4-HMAC-SHA256",
                "X-Amz-Credential=AKIDEXAMPLE%2F20270101%2Feu-central-1%2Fbedrock%2Faws4_request",
                "X-Amz-Date=20270101T000000Z",
                "X-Amz-Expires=3600",
                "X-Amz-SignedHeaders=host",
                &signature,
            ];
            expected.extend(session.map(|_| "X-Amz-Security-Token=FwoGZXIv%2BYXdz%2FEBY%3D"));
            expected.sort_unstable();
            assert_eq!(pairs, expected);
        }
    }
}
