//! The ways to log in to Vault, each with credentials that never existed before.

use std::path::Path;

use keyward::secrets::memory::scanner::{Canary, Needle};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    super::vault_logins::proofs::{Cluster, Issuer, REVIEWER},
    place::{AUTHORITY, Way, in_vault, settings, vault, vault_settings},
    proxy::{Manner, RecordingProxy},
};
use crate::support::{
    keyward::{Setup, write_private},
    openbao_api::AppRole,
    upstream::Upstream,
};

/// How Keyward comes to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayIn {
    Variable,
    TokenFile,
    TokenHelper,
    AppRole,
    Wrapped,
    Kubernetes,
    Jwt,
    Userpass,
    Cert,
    /// Credentials in variables.
    AwsVariables,
    /// Credentials in a profile.
    AwsProfile,
}

impl WayIn {
    pub const ALL: [Self; 11] = [
        Self::Variable,
        Self::TokenFile,
        Self::TokenHelper,
        Self::AppRole,
        Self::Wrapped,
        Self::Kubernetes,
        Self::Jwt,
        Self::Userpass,
        Self::Cert,
        Self::AwsVariables,
        Self::AwsProfile,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Variable => "variable",
            Self::TokenFile => "token_file",
            Self::TokenHelper => "token_helper",
            Self::AppRole => "approle",
            Self::Wrapped => "approle, wrapped",
            Self::Kubernetes => "kubernetes",
            Self::Jwt => "jwt",
            Self::Userpass => "userpass",
            Self::Cert => "cert",
            Self::AwsVariables => "aws, variables",
            Self::AwsProfile => "aws, profile",
        }
    }

    /// Whether there is a login, which makes a token of our own.
    pub fn makes_a_token(self) -> bool {
        !matches!(self, Self::Variable | Self::TokenFile | Self::TokenHelper)
    }
}

/// What a login is made with, and how many copies of it may rest inside and outside the pool.
pub struct Credential {
    pub what: &'static str,
    bytes: Zeroizing<Vec<u8>>,
    pub rest: (usize, usize),
}

impl Credential {
    fn of(what: &'static str, text: &str, inside: usize) -> Self {
        Self {
            what,
            bytes: Zeroizing::new(text.as_bytes().to_vec()),
            rest: (inside, 0),
        }
    }

    pub fn needle(&self) -> Needle {
        let text = Needle::new(&self.bytes);
        text.unwrap_or_else(|_| Needle::of_bytes(&self.bytes).unwrap())
    }
}

/// What stands around a server that comes to its key by one way in.
pub struct Entrance {
    way_in: WayIn,
    pub key: Zeroizing<String>,
    pub upstream: Upstream,
    pub proxy: RecordingProxy,
    role: AppRole,
    credentials: Vec<Credential>,
    _cluster: Option<Cluster>,
}

impl Entrance {
    /// The credentials that are known by now: what a wrapping token wraps shows at the login.
    pub fn credentials(&self) -> Vec<Credential> {
        let known = self.credentials.iter().map(|credential| Credential {
            what: credential.what,
            bytes: credential.bytes.clone(),
            rest: credential.rest,
        });
        let mut known: Vec<Credential> = known.collect();
        if self.way_in == WayIn::Wrapped
            && let Some(secret_id) = self.proxy.secret_ids().last()
        {
            known.push(Credential::of("unwrapped secret id", secret_id, 1));
        }
        known
    }

    /// Puts a fresh credential in the place of one that serves but once.
    pub fn refresh(&mut self, setup: &Setup) {
        if self.way_in == WayIn::Wrapped {
            let path = format!("auth/approle/role/{}/secret-id", self.role.name);
            let token = vault().wrapped(&path, &json!({}));
            write_private(&setup.folder().join("wrapped"), &token);
            self.credentials = vec![Credential::of("wrapping token", &token, 0)];
        }
    }
}

/// What a way in asks for.
#[derive(Default)]
struct Asked {
    /// The section `auth`; empty for none.
    auth: String,
    /// A file's name below the configuration's folder, and its content.
    files: Vec<(&'static str, Zeroizing<String>)>,
    variables: Vec<(&'static str, Zeroizing<String>)>,
    credentials: Vec<Credential>,
    manner: Manner,
    cluster: Option<Cluster>,
}

impl Asked {
    fn by(auth: impl Into<String>) -> Self {
        let auth = auth.into();
        Self {
            auth,
            ..Self::default()
        }
    }

    /// A credential that lies in a file.
    fn in_file(mut self, name: &'static str, what: &'static str, text: &str) -> Self {
        self.files.push((name, Zeroizing::new(text.to_owned())));
        self.credentials.push(Credential::of(what, text, 0));
        self
    }

    /// One that is a variable, and so rests in the pool.
    fn in_variable(mut self, name: &'static str, what: &'static str, text: &str) -> Self {
        self.variables.push((name, Zeroizing::new(text.to_owned())));
        self.credentials.push(Credential::of(what, text, 1));
        self
    }
}

/// A key in Vault, and a server's configuration to come to it by `way_in`.
pub fn arrange(way_in: WayIn) -> (Entrance, Setup) {
    let key = Canary::random(51);
    let upstream = Way::Http1.upstream(&key);
    let (reference, role) = in_vault(vault(), &key);
    let asked = ask(way_in, &role);
    let pem = &AUTHORITY.pem;
    let proxy = RecordingProxy::start_in(asked.manner, &AUTHORITY, vault().address(), pem);
    let provider = vault_settings(&proxy.url(), &asked.auth);
    // No `auth` is the variable.
    let provider = provider.replace("      auth: {  }\n", "") + "      timeout: 60s\n";
    let strict = "      connections: strict\n";
    let mut setup = Setup::with_config(&settings(&provider, &reference, &upstream, strict));
    for (name, value) in &asked.variables {
        setup = setup.env(name, value.as_str());
    }
    for (name, content) in &asked.files {
        let path = setup.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        write_private(&path, content);
    }
    let mut entrance = Entrance {
        way_in,
        key,
        upstream,
        proxy,
        role,
        credentials: asked.credentials,
        _cluster: asked.cluster,
    };
    entrance.refresh(&setup);
    (entrance, setup)
}

fn ask(way_in: WayIn, role: &AppRole) -> Asked {
    let policies = json!([role.name]);
    let role_id = &role.role_id;
    match way_in {
        WayIn::Variable | WayIn::TokenFile | WayIn::TokenHelper => supplied(way_in, &policies),
        WayIn::AppRole => Asked::by(format!(
            "approle: {{ role_id: \"{role_id}\", secret_id_file: secret_id }}"
        ))
        .in_file("secret_id", "secret id", &role.secret_id),
        WayIn::Wrapped => Asked::by(format!(
            "approle: {{ role_id: \"{role_id}\", wrapped_secret_id_file: wrapped }}"
        )),
        WayIn::Kubernetes => kubernetes(&policies),
        WayIn::Jwt => jwt(&policies),
        WayIn::Userpass => {
            let (mount, password) = (vault().fresh_auth("userpass"), Canary::random(24));
            let user = json!({ "password": *password, "token_policies": policies });
            vault().put(&format!("auth/{mount}/users/keyward"), &user);
            Asked::by(format!(
                "userpass: {{ username: keyward, password_file: password, mount: {mount} }}"
            ))
            .in_file("password", "password", &password)
        }
        WayIn::Cert => cert(&policies),
        WayIn::AwsVariables | WayIn::AwsProfile => aws(way_in, role),
    }
}

fn supplied(way_in: WayIn, policies: &Value) -> Asked {
    // As OpenBao's are, and as Vault's.
    let token = Canary::random(if way_in == WayIn::TokenFile { 95 } else { 26 });
    let made = json!({ "id": *token, "policies": policies, "no_parent": true });
    vault().put("auth/token/create", &made);
    match way_in {
        WayIn::Variable => Asked::by("").in_variable("VAULT_TOKEN", "token", &token),
        WayIn::TokenHelper => {
            Asked::by("token_helper: {}").in_file("home/.vault-token", "token", &token)
        }
        _ => Asked::by("token_file: token").in_file("token", "token", &token),
    }
}

/// The canary of a JWT is its signature: the other parts say the same in many tokens.
fn signed(asked: Asked, what: &'static str, jwt: &str) -> Asked {
    let mut asked = asked.in_file("jwt", what, jwt);
    let signature = jwt.rsplit('.').next().unwrap();
    asked.credentials = vec![Credential::of(what, signature, 0)];
    asked
}

fn jwt(policies: &Value) -> Asked {
    let (mount, issuer) = (vault().fresh_auth("jwt"), Issuer::new());
    let keys = json!({ "jwt_validation_pubkeys": [issuer.public_key()] });
    vault().put(&format!("auth/{mount}/config"), &keys);
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": policies,
    });
    vault().put(&format!("auth/{mount}/role/app"), &role);
    let token = issuer.sign(&json!({ "aud": "vault" }));
    let auth = format!("jwt: {{ role: app, audience: vault, token_file: jwt, mount: {mount} }}");
    signed(Asked::by(auth), "JWT", &token)
}

fn kubernetes(policies: &Value) -> Asked {
    let (mount, issuer) = (vault().fresh_auth("kubernetes"), Issuer::new());
    let cluster = Cluster::start();
    let config = json!({
        "kubernetes_host": cluster.url(), "token_reviewer_jwt": REVIEWER,
        "disable_local_ca_jwt": true, "kubernetes_ca_cert": issuer.public_key(),
    });
    vault().put(&format!("auth/{mount}/config"), &config);
    let role = json!({
        "bound_service_account_names": "keyward", "bound_service_account_namespaces": "pods",
        "token_policies": policies,
    });
    vault().put(&format!("auth/{mount}/role/app"), &role);
    let account = json!({ "namespace": "pods", "serviceaccount": { "name": "keyward",
                          "uid": "uid-keyward" } });
    let token = issuer.sign(&json!({
        "sub": "system:serviceaccount:pods:keyward", "kubernetes.io": account,
    }));
    cluster.know(&token, "keyward");
    let auth = format!("kubernetes: {{ role: app, token_file: jwt, mount: {mount} }}");
    let mut asked = signed(Asked::by(auth), "service account JWT", &token);
    asked.cluster = Some(cluster);
    asked
}

/// How many copies of the client's private key rest outside the pool while the HTTP client lives.
/// They are the TLS library's; see `docs/memory.md`.
const CLIENT_KEY: usize = 1;

fn cert(policies: &Value) -> Asked {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "Keyward test clients");
    let clients = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::default();
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "keyward");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &clients).unwrap().pem();
    let key_pem = key.serialize_pem();

    let mount = vault().fresh_auth("cert");
    let role = json!({
        "certificate": clients.pem(), "allowed_common_names": ["keyward"],
        "token_policies": policies,
    });
    vault().put(&format!("auth/{mount}/certs/app"), &role);
    let auth =
        format!("cert: {{ certificate_file: client.pem, key_file: client.key, mount: {mount} }}");
    let mut asked = Asked::by(auth);
    asked.manner.certificate = Some((clients.pem(), format!("{certificate}{key_pem}")));
    asked
        .files
        .push(("client.pem", Zeroizing::new(certificate)));
    asked.files.push(("client.key", Zeroizing::new(key_pem)));
    let (number, mut words) = (scalar(&key), scalar(&key));
    words.reverse();
    for (what, bytes, outside) in [
        ("client key, as in its file", number, 0),
        ("client key, as a number", words, CLIENT_KEY),
    ] {
        asked.credentials.push(Credential {
            what,
            bytes,
            rest: (0, outside),
        });
    }
    asked
}

/// The number that makes a P-256 key: 32 bytes in the structure of RFC 5915, within that of
/// RFC 5208. On the machines we serve, libraries reckon with its bytes the other way round.
pub fn scalar(key: &KeyPair) -> Zeroizing<Vec<u8>> {
    const BEFORE: [u8; 5] = [0x02, 0x01, 0x01, 0x04, 0x20];
    let der = Zeroizing::new(key.serialize_der());
    let at = der.windows(5).position(|window| window == BEFORE);
    let begin = at.expect("a P-256 key") + BEFORE.len();
    Zeroizing::new(der[begin..begin + 32].to_vec())
}

/// The proxy logs in where AWS would be asked; Keyward signs and sends as it does to Vault.
fn aws(way_in: WayIn, role: &AppRole) -> Asked {
    let (secret, session) = (Canary::random(40), Canary::random(128));
    let mut asked = Asked::by("aws: { role: app, server_id_header: vault.keyward.test }");
    let (of_secret, of_session) = ("secret access key", "session token");
    if way_in == WayIn::AwsVariables {
        asked = asked
            .in_variable("AWS_SECRET_ACCESS_KEY", of_secret, &secret)
            .in_variable("AWS_SESSION_TOKEN", of_session, &session);
        let id = Zeroizing::new("AKIA".to_owned());
        asked.variables.push(("AWS_ACCESS_KEY_ID", id));
    } else {
        let profile = Zeroizing::new(format!(
            "[default]\naws_access_key_id = AKIA\naws_secret_access_key = {}\n\
             aws_session_token = {}\n",
            *secret, *session
        ));
        asked.files.push(("home/.aws/credentials", profile));
        asked.credentials = vec![
            Credential::of(of_secret, &secret, 0),
            Credential::of(of_session, &session, 0),
        ];
    }
    asked.manner.instead_of_aws =
        Some(json!({ "role_id": role.role_id, "secret_id": role.secret_id }));
    asked
}
