//! An AWS reference, taken apart: which secret, where, which version of it, which field.

use crate::secrets::{Field, Reference};

/// Where a value is in Secrets Manager.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// A name or an ARN.
    pub(super) secret_id: &'a str,
    /// From the option, or from the ARN.
    pub(super) region: Option<&'a str>,
    pub(super) stage: Option<&'a str>,
    pub(super) version_id: Option<&'a str>,
    pub(super) field: Option<&'a Field>,
}

/// Refuses a reference that can never work.
pub(super) fn validate(reference: &Reference) -> Result<(), String> {
    Place::of(reference).map(drop)
}

impl<'a> Place<'a> {
    pub(super) fn of(reference: &'a Reference) -> Result<Self, String> {
        let secret_id = reference.path();
        if reference
            .option_names()
            .any(|name| !matches!(name, "stage" | "version_id" | "region"))
        {
            return Err(
                "AWS references have only the options `stage`, `version_id` and `region`".into(),
            );
        }
        if reference.option("stage").is_some() && reference.option("version_id").is_some() {
            return Err("`stage` and `version_id` both pick a version; write one of them".into());
        }
        let mut region = reference.option("region");
        if secret_id.starts_with("arn:") {
            let parts: Vec<_> = secret_id.splitn(7, ':').collect();
            let [_, _, "secretsmanager", of_arn, _, "secret", name] = parts[..] else {
                return Err("this is not the ARN of a secret \
                            (`arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME`)"
                    .into());
            };
            if of_arn.is_empty() || name.is_empty() {
                return Err("the ARN has no region or no name in it".into());
            }
            region = region.or(Some(of_arn));
        } else if !secret_id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c))
        {
            return Err("a secret's name at AWS has letters, digits and `/_+=.@-`".into());
        }
        if region.is_some_and(|text| !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')) {
            return Err("`region` is a name such as `eu-central-1`".into());
        }
        Ok(Self {
            secret_id,
            region,
            stage: reference.option("stage"),
            version_id: reference.option("version_id"),
            field: reference.field(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_brings_its_region_and_an_option_overrides_it() {
        let arn = "aws:arn:aws:secretsmanager:eu-central-1:123:secret:ai/openai-AbCdEf";
        let reference = format!("{arn}#k").parse().unwrap();
        assert_eq!(Place::of(&reference).unwrap().region, Some("eu-central-1"));
        let reference = format!("{arn}?region=us-east-1&stage=AWSPREVIOUS")
            .parse()
            .unwrap();
        let place = Place::of(&reference).unwrap();
        assert_eq!(
            (place.region, place.stage),
            (Some("us-east-1"), Some("AWSPREVIOUS"))
        );
    }

    #[test]
    fn references_that_can_never_work_are_refused() {
        for wrong in [
            "aws:arn:aws:s3:::bucket",
            "aws:a!b",
            "aws:a?version=1",
            "aws:a?stage=x&version_id=y",
            "aws:a?region=a_b",
        ] {
            assert!(validate(&wrong.parse().unwrap()).is_err(), "{wrong}");
        }
        assert!(validate(&"aws:prod/openai".parse().unwrap()).is_ok());
    }
}
