//! Dynamic secrets on the real binary: an account that Vault makes in a real PostgreSQL, whose user
//! name and password are two secrets of one lease.
//!
//! No command shows a value. The account's parts are what two model providers send as their keys,
//! and the stand-in upstream tells what it was sent.

use serde_json::json;

use crate::support::{
    keyward::{Keyward, LEGACY, Setup, write_private},
    openbao::DevServer,
    openbao_api::Bao,
    postgres::{Lender, Postgres},
    upstream::{ANSWER, Dialect, Upstream, event_stream, events},
};

/// Serves with the lease's two fields as the keys of two models, `user` and `password`. `auth` is
/// how it logs in.
fn serve(upstream: &Upstream, bao: &Bao, lender: &Lender, auth: &str) -> Keyward {
    // It takes any key: what was made a moment ago, no stand-in can know.
    upstream.script(|_| Some(event_stream(&events(ANSWER, true))));
    let (address, base_url) = (bao.address(), upstream.base_url());
    let mut settings = format!(
        "secrets:\n  providers:\n    vault:\n      address: \"{address}\"\n      auth: {auth}\n  \
         names:\n"
    );
    for field in ["username", "password"] {
        let reference = lender.reference(field);
        settings += &format!("    db-{field}: {{ ref: \"{reference}\" }}\n");
    }
    settings += "models:\n  providers:\n";
    for field in ["username", "password"] {
        settings += &format!(
            "    {field}: {{ protocol: openai, base_url: \"{base_url}\", secret: db-{field}, \
             max_tokens_field: max_completion_tokens, models: [by-{field}] }}\n"
        );
    }
    let setup = Setup::with_config(&settings);
    write_private(&setup.folder().join("token"), bao.token());
    let mut keyward = setup.serve();
    keyward.initialize(LEGACY);
    keyward
}

/// Chats with both models; gives the user name and the password that the upstream was sent.
#[track_caller]
fn credentials(keyward: &mut Keyward, upstream: &Upstream) -> (String, String) {
    for field in ["username", "password"] {
        let arguments = json!({ "prompt": "ping", "model": format!("by-{field}") });
        let result = keyward.call("chat", arguments)["result"].clone();
        assert_eq!(
            result["structuredContent"]["answer"],
            ANSWER,
            "{result}\n{}",
            keyward.process.stderr()
        );
    }
    let mut keys = upstream.keys();
    let password = keys.pop().flatten().expect("a key was sent");
    let user = keys.pop().flatten().expect("a key was sent");
    (user, password)
}

#[test]
fn two_names_share_one_account_which_is_gone_from_the_database_after_the_end() {
    let (bao, postgres) = (DevServer::shared(), Postgres::shared());
    let lender = postgres.lend(bao, "10m", "1h");
    // Whose account a revoked login takes along, and whose only Keyward revokes.
    let rules = format!("path \"{}\" {{ capabilities = [\"read\"] }}", lender.path());
    let role = bao.app_role(&rules, &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let secret_id = role.write_secret_id(folder.path());
    let approle = format!(
        "{{ approle: {{ role_id: \"{}\", secret_id_file: {secret_id:?} }} }}",
        role.role_id
    );
    for auth in ["{ token_file: token }", &approle] {
        let upstream = Upstream::start(Dialect::OpenAi, None);
        let mut keyward = serve(&upstream, bao, &lender, auth);
        let (user, password) = credentials(&mut keyward, &upstream);
        assert!(postgres.lets_in(&user, &password), "{auth}");
        assert_eq!(
            credentials(&mut keyward, &upstream),
            (user.clone(), password.clone())
        );
        assert_eq!(lender.accounts(), [user.as_str()], "{auth}");
        assert!(keyward.close().success());
        lender.wait_for_accounts(0);
        assert!(!postgres.lets_in(&user, &password), "{auth}");
        assert!(lender.leases(bao).is_empty(), "{auth}");
        let said = keyward.process.stderr_to_end();
        assert!(!said.contains(&user) && !said.contains(&password), "{said}");
    }
}
