//! Which of AWS's hosts is asked: the region's, of the kind that the settings name. A proxy that
//! leads nowhere hears the name before any connection to AWS could be.

use crate::support::{connect_recorder::ConnectRecorder, keyward::Setup, moto::Moto};

/// The hosts that are asked for under these lines of `secrets.providers.aws`.
fn asked(lines: &str, reference: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let proxy = ConnectRecorder::start();
    let settings = format!(
        "secrets:\n  providers:\n    aws:\n      retries: 0\n{lines}  names:\n    \
         key: {{ ref: \"{reference}\" }}\n"
    );
    let setup = Setup::with_config(&settings)
        .envs(Moto::credentials())
        .env("HTTPS_PROXY", proxy.url())
        .envs(variables.iter().copied());
    let ended = setup.run(&["secrets", "check"]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    proxy.hosts()
}

#[test]
fn fips_and_dual_stack_pick_the_host_in_every_region() {
    for (lines, reference, host) in [
        ("", "aws:x", "secretsmanager.eu-central-1.amazonaws.com"),
        (
            "      fips: true\n",
            "aws:x?region=us-east-1",
            "secretsmanager-fips.us-east-1.amazonaws.com",
        ),
        (
            "      dual_stack: true\n",
            "aws:x",
            // In AWS's first partitions the ordinary host is reached by IPv6 too.
            "secretsmanager.eu-central-1.amazonaws.com",
        ),
        (
            "      region: us-west-2\n      fips: true\n      dual_stack: true\n",
            "aws:x",
            "secretsmanager-fips.us-west-2.amazonaws.com",
        ),
        (
            "      region: eusc-de-east-1\n      dual_stack: true\n",
            "aws:x",
            "secretsmanager.eusc-de-east-1.api.amazonwebservices.eu",
        ),
        (
            "      region: us-gov-west-1\n",
            "aws:x",
            "secretsmanager.us-gov-west-1.amazonaws.com",
        ),
    ] {
        assert_eq!(asked(lines, reference, &[]), [host], "{lines}");
    }
    let variable = [("AWS_USE_FIPS_ENDPOINT", "true")];
    let host = "secretsmanager-fips.us-east-1.amazonaws.com";
    assert_eq!(
        asked("      region: us-east-1\n", "aws:x", &variable),
        [host]
    );
    let host = "secretsmanager.us-east-1.amazonaws.com";
    let lines = "      region: us-east-1\n      fips: false\n";
    assert_eq!(asked(lines, "aws:x", &variable), [host]);
}

#[test]
fn a_role_is_assumed_in_the_providers_own_region_and_kind_of_endpoint() {
    let role = "      assume_role: { role_arn: \"arn:aws:iam::123456789012:role/x\" }\n";
    for (lines, host) in [
        ("", "sts.eu-central-1.amazonaws.com"),
        (
            "      region: us-east-2\n      fips: true\n",
            "sts-fips.us-east-2.amazonaws.com",
        ),
        ("      dual_stack: true\n", "sts.eu-central-1.api.aws"),
    ] {
        let lines = format!("{lines}{role}");
        assert_eq!(asked(&lines, "aws:x?region=us-west-1", &[]), [host]);
    }
}
