//! The setting `assume_role`: which role is taken, and what STS is told.
//!
//! The forms are those of STS's API reference, `AssumeRole`, so that a value that STS would refuse
//! at the first call is refused at load.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{self, Problem};

/// What CloudTrail calls our sessions, if nobody says otherwise.
const SESSION_NAME: &str = "keyward";

/// STS allows no shorter and no longer session.
const SHORTEST: Duration = Duration::from_secs(900);
const LONGEST: Duration = Duration::from_secs(43_200);

/// The section `secrets.providers.aws.assume_role`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssumeRoleSettings {
    /// The role, such as `arn:aws:iam::123456789012:role/keyward`.
    pub role_arn: String,
    /// What the role's trust policy wants as `sts:ExternalId`. AWS does not treat it as a secret.
    pub external_id: Option<String>,
    /// The session's name in CloudTrail. Default: `keyward`.
    pub session_name: Option<String>,
    /// How long a session lasts, from `15m` to `12h` and no longer than the role allows. Default:
    /// one hour.
    #[serde(default, deserialize_with = "settings::optional_duration")]
    pub duration: Option<Duration>,
}

/// A checked role.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
    pub(super) session_name: String,
    pub(super) seconds: Option<i32>,
}

impl AssumeRoleSettings {
    /// Checks everything; `path` is the section's key.
    pub(super) fn check(&self, path: &[String]) -> Result<Role, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut refuse = |name: &str, message: &str, help: &str| {
            let mut key = path.to_vec();
            key.push(name.to_owned());
            problems.push(Problem::at(key, message, help));
        };
        if !is_role_arn(&self.role_arn) {
            refuse(
                "role_arn",
                "this is not the ARN of a role",
                "write one such as `arn:aws:iam::123456789012:role/keyward`",
            );
        }
        if !self
            .external_id
            .as_ref()
            .is_none_or(|id| is_made_of(id, 1224, "_+=,.@:/-"))
        {
            refuse(
                "external_id",
                "STS would refuse this external id",
                "it has 2 to 1224 letters, digits and `_+=,.@:/-`",
            );
        }
        if !self
            .session_name
            .as_ref()
            .is_none_or(|name| is_made_of(name, 64, "_+=,.@-"))
        {
            refuse(
                "session_name",
                "STS would refuse this name of a session",
                "it has 2 to 64 letters, digits and `_+=,.@-`",
            );
        }
        let allowed = |length: Duration| (SHORTEST..=LONGEST).contains(&length);
        if !self.duration.is_none_or(allowed) {
            refuse(
                "duration",
                "no session of a role is that short or that long",
                "write a duration from `15m` to `12h`",
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Role {
            arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
            session_name: self
                .session_name
                .clone()
                .unwrap_or_else(|| SESSION_NAME.to_owned()),
            seconds: self
                .duration
                .and_then(|length| i32::try_from(length.as_secs()).ok()),
        })
    }
}

fn is_made_of(text: &str, longest: usize, marks: &str) -> bool {
    (2..=longest).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

fn is_role_arn(text: &str) -> bool {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else {
        return false;
    };
    let name = resource.strip_prefix("role/").unwrap_or_default();
    partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && is_made_of(&format!("/{name}"), 1024, "_+=,.@/-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> Vec<String> {
        let settings: AssumeRoleSettings = serde_json::from_str(json).unwrap();
        match settings.check(&["assume_role".into()]) {
            Ok(_) => Vec::new(),
            Err(problems) => {
                assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
                problems.iter().map(|p| p.path[1].clone()).collect()
            }
        }
    }

    #[test]
    fn what_sts_would_refuse_is_refused_at_load_and_not_repeated() {
        let role = "arn:aws:iam::123456789012:role/team/x";
        let accepted = [
            format!(r#"{{"role_arn": "{role}"}}"#),
            format!(r#"{{"role_arn": "{role}", "external_id": "a:b/c", "session_name": "k.w"}}"#),
            format!(r#"{{"role_arn": "{role}", "duration": "15m"}}"#),
            r#"{"role_arn": "arn:aws-us-gov:iam::123456789012:role/x"}"#.to_owned(),
        ];
        for settings in accepted {
            assert_eq!(refused(&settings), [""; 0], "{settings}");
        }
        for arn in [
            "canary",
            "arn:aws:iam::123456789012:user/canary",
            "arn:aws:iam::1234:role/canary",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:sts::123456789012:role/canary",
            "arn:canary:iam::123456789012:role/x",
        ] {
            let settings = format!(r#"{{"role_arn": "{arn}"}}"#);
            assert_eq!(refused(&settings), ["role_arn"], "{arn}");
        }
        let all = r#"{"role_arn": "canary", "external_id": "canary !", "session_name": "canary/",
                      "duration": "13h"}"#;
        assert_eq!(
            refused(all),
            ["role_arn", "external_id", "session_name", "duration"]
        );
    }

    #[test]
    fn a_session_is_named_after_us_unless_somebody_names_it() {
        let settings: AssumeRoleSettings =
            serde_json::from_str(r#"{"role_arn": "arn:aws:iam::123456789012:role/x"}"#).unwrap();
        let role = settings.check(&[]).unwrap();
        assert_eq!(
            (role.session_name.as_str(), role.seconds),
            ("keyward", None)
        );
    }
}
