//! The proof for AWS credentials that were found: between calls each half of them is in the pool
//! once and nowhere else, and what they were logged in with is nowhere.
//!
//! The SDK would keep them in its identity cache, its parsed profiles and its metadata clients.

use keyward::secrets::memory::scanner::Canary;
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    ordinary_user,
    place::{Way, settings},
    watched::{Watched, most},
};
use crate::support::{
    aws_front::{AwsFront, session},
    aws_metadata::{Metadata, PORTAL_PROFILE, PORTAL_TOKEN, Secrets},
    keyward::{Setup, write_private},
    moto::Moto,
    upstream::ANSWER,
};

/// How the credentials are found.
#[derive(Debug, Clone, Copy)]
enum Login {
    Profile,
    Process,
    WebIdentity,
    Container,
    Instance,
    SingleSignOn,
    Role,
}

#[test]
fn found_credentials_rest_in_the_pool_alone_and_logins_nowhere() {
    ordinary_user::tries(|| {
        for login in [
            Login::Profile,
            Login::Process,
            Login::WebIdentity,
            Login::Container,
            Login::Instance,
            Login::SingleSignOn,
            Login::Role,
        ] {
            assert_rests(login);
        }
    });
}

fn assert_rests(login: Login) {
    let (key, access_key, token) = (Canary::random(51), Canary::random(40), Canary::random(356));
    // What the login itself is made with: a token of a file, or the credentials before the role.
    let before = Canary::random(43);
    let secrets = Secrets {
        access_key: access_key.to_string(),
        session_token: token.to_string(),
    };
    let given = secrets.clone();
    let front = AwsFront::start(Moto::shared().address(), move |seen| {
        let is_login = seen.action.starts_with("AssumeRole");
        is_login.then(|| session(&seen.action, &given.access_key, &given.session_token))
    });
    let name = Moto::shared().fresh(&json!({ "api_key": *key }).to_string());
    let upstream = Way::Http1.upstream(&key);
    let (region, url) = (Moto::REGION, front.url());
    let mut aws = format!("    aws:\n      region: {region}\n      endpoint_url: \"{url}\"\n");
    if matches!(login, Login::Role) {
        aws += &format!(
            "      sts_endpoint_url: \"{url}\"\n      \
             assume_role: {{ role_arn: \"arn:aws:iam::123456789012:role/x\" }}\n"
        );
    }
    let strict = "      connections: strict\n";
    let reference = format!("aws:{name}#api_key");
    let setup = Setup::with_config(&settings(&aws, &reference, &upstream, strict));
    let (setup, _metadata) = log_in_by(login, setup, &front, &secrets, &before);

    let mut server = Watched::serve(setup);
    for _ in 0..2 {
        upstream.hold();
        let arrived = upstream.seen().len();
        let call = server.start_chat();
        upstream.wait_for_requests(arrived + 1);
        // Secrets Manager has answered: nothing is left of the credentials but what rests.
        let [access, session, first] = server.scan([&access_key, &token, &before]);
        upstream.release();
        let answer = server.answer_to(call);
        let text = &answer["result"]["structuredContent"]["answer"];
        assert_eq!(text, ANSWER, "{login:?}: {answer} {}", server.log());
        let after = server.scan_after_the_end([access_key.as_str(), &token, &before]);
        for (moment, [access, session, first]) in
            [("in flight", [access, session, first]), ("ended", after)]
        {
            let about = format!("{login:?}, {moment}");
            let has_token = !matches!(login, Login::Profile);
            for (report, rest) in [(access, 1), (session, usize::from(has_token)), (first, 0)] {
                assert!(report.outside.is_nothing(), "{about}: {report}");
                // The credentials before a role are variables, which rest from the start.
                let is_variable = matches!(login, Login::Role) && rest == 0;
                let rest = rest + usize::from(is_variable);
                assert_eq!(most(report.inside), rest, "{about}: {report}");
            }
        }
    }
}

/// The files and variables of a login, and the service that must live as long as it.
fn log_in_by(
    login: Login,
    setup: Setup,
    front: &AwsFront,
    secrets: &Secrets,
    before: &Zeroizing<String>,
) -> (Setup, Option<Metadata>) {
    let write = |name: &str, content: &str| {
        let path = setup.folder().join(name);
        write_private(&path, content);
        path
    };
    let off = ("AWS_EC2_METADATA_DISABLED", "true");
    match login {
        Login::Profile => {
            let key = &secrets.access_key;
            let keys = format!("aws_access_key_id = AKIA\naws_secret_access_key = {key}\n");
            let file = write("aws-config", &format!("[default]\n{keys}"));
            (setup.env("AWS_CONFIG_FILE", file), None)
        }
        Login::Process => {
            let given = json!({
                "Version": 1, "AccessKeyId": "ASIA", "SecretAccessKey": secrets.access_key,
                "SessionToken": secrets.session_token, "Expiration": "2199-01-01T00:00:00Z",
            });
            let output = write("output.json", &given.to_string());
            let process = format!("[default]\ncredential_process = cat {}\n", output.display());
            let file = write("aws-config", &process);
            (setup.env("AWS_CONFIG_FILE", file), None)
        }
        Login::WebIdentity => {
            let token = write("token", before);
            let setup = setup
                .envs([off])
                .env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
                .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x")
                .env("AWS_ENDPOINT_URL_STS", front.url());
            (setup, None)
        }
        Login::Container => {
            let token = write("token", before);
            let container = Metadata::of_container(before, secrets.clone());
            let url = format!("{}/credentials", container.url());
            let setup = setup
                .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
                .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token);
            (setup, Some(container))
        }
        Login::Instance => {
            let instance = Metadata::of_instance(secrets.clone());
            let setup = setup.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url());
            (setup, Some(instance))
        }
        Login::SingleSignOn => {
            let home = setup.folder().join("home");
            let token = home.join(PORTAL_TOKEN);
            std::fs::create_dir_all(token.parent().unwrap()).unwrap();
            let cached = json!({ "accessToken": **before, "expiresAt": "2199-01-01T00:00:00Z" });
            write_private(&token, &cached.to_string());
            let file = write("aws-config", PORTAL_PROFILE);
            let portal = Metadata::of_portal(before, secrets.clone());
            let setup = setup
                .env("AWS_CONFIG_FILE", file)
                .env("AWS_ENDPOINT_URL_SSO", portal.url());
            (setup, Some(portal))
        }
        Login::Role => {
            let setup = setup
                .env("AWS_ACCESS_KEY_ID", "AKIA")
                .env("AWS_SECRET_ACCESS_KEY", before.as_str());
            (setup, None)
        }
    }
}
