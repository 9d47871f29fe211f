//! What tests ask of a running OpenBao, as its root or another token, in a namespace or in none.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    environment::unique,
    http::{Answer, Request},
};

/// A server as one token in one namespace sees it.
#[derive(Debug, Clone)]
pub struct Bao {
    address: String,
    token: String,
    authority: Option<String>,
    namespace: Option<String>,
}

/// A role to log in with.
#[derive(Debug, Clone)]
pub struct AppRole {
    /// The role's name.
    pub name: String,
    /// Its id, which is not secret.
    pub role_id: String,
    /// Its secret id.
    pub secret_id: String,
    /// The accessor under which its secret id can be revoked.
    pub secret_id_accessor: String,
}

impl AppRole {
    /// Writes the secret id to a file that only its owner can read.
    pub fn write_secret_id(&self, folder: &Path) -> PathBuf {
        let path = folder.join("secret_id");
        super::keyward::write_private(&path, &self.secret_id);
        path
    }
}

impl Bao {
    /// The server at `address`, trusting the CA given as PEM.
    pub fn new(address: String, token: String, authority: Option<String>) -> Self {
        Self {
            address,
            token,
            authority,
            namespace: None,
        }
    }

    /// Its base URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The token that asks.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same server within `namespace`.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()),
            ..self.clone()
        }
    }

    /// The same server as another token sees it.
    #[must_use]
    pub fn as_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// One request to `/v1/{path}`, whatever it answers.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let url = format!("{}/v1/{path}", self.address);
        let mut request = Request::new(method, url).trusting(self.authority.as_deref());
        if !self.token.is_empty() {
            request = request.header("X-Vault-Token", &self.token);
        }
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send()
    }

    /// Writes, and fails the test if that is refused.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Value {
        self.must("PUT", path, Some(body))
    }

    /// Reads, and fails the test if that is refused.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.must("GET", path, None)
    }

    #[track_caller]
    fn must(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let what = format!("{method} {path}");
        self.ask(method, path, body)
            .unwrap_or_else(|e| panic!("{what}: {e}"))
            .expect_success(&what)
    }

    /// The names that `LIST` gives; none where there is nothing.
    pub fn list(&self, path: &str) -> Vec<String> {
        let answer = self.ask("LIST", path, None).expect("the server answers");
        if answer.status == 404 {
            return Vec::new();
        }
        let body = answer.expect_success(path);
        let keys = body["data"]["keys"].as_array().expect("a list has keys");
        keys.iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect()
    }

    /// The status of `sys/health`: 200 serving, 503 sealed, 501 not initialised; `None` if nobody
    /// answers.
    pub fn health(&self) -> Option<u16> {
        // Health is answered outside namespaces, and to nobody in particular.
        let health = Self {
            token: String::new(),
            namespace: None,
            ..self.clone()
        };
        health
            .ask("GET", "sys/health", None)
            .ok()
            .map(|answer| answer.status)
    }

    /// Mounts a KV engine of version 1 or 2 and waits until it takes writes.
    pub fn mount_kv(&self, mount: &str, version: u8) {
        let options = json!({ "type": "kv", "options": { "version": version.to_string() } });
        self.put(&format!("sys/mounts/{mount}"), &options);
        // A fresh v2 mount answers 400 while it upgrades itself.
        let config = format!("{mount}/config");
        let ready = || {
            self.ask("GET", &config, None)
                .ok()
                .filter(|a| a.status == 200)
                .map(drop)
        };
        if version == 2 {
            super::environment::wait_for(ready).expect("a KV v2 mount becomes ready");
        }
    }

    /// Mounts a KV engine under a name no other test has.
    pub fn fresh_kv(&self, version: u8) -> String {
        let mount = unique("kv");
        self.mount_kv(&mount, version);
        mount
    }

    /// Writes a secret to a KV v2 mount; gives its new version.
    pub fn put_kv2(&self, mount: &str, path: &str, fields: &Value) -> u64 {
        let written = self.put(&format!("{mount}/data/{path}"), &json!({ "data": fields }));
        written["data"]["version"]
            .as_u64()
            .expect("a write has a version")
    }

    /// Writes a secret to a KV v1 mount.
    pub fn put_kv1(&self, mount: &str, path: &str, fields: &Value) {
        self.put(&format!("{mount}/{path}"), fields);
    }

    /// Deletes versions of a KV v2 secret; they can be undeleted.
    pub fn delete_versions(&self, mount: &str, path: &str, versions: &[u64]) {
        self.put(
            &format!("{mount}/delete/{path}"),
            &json!({ "versions": versions }),
        );
    }

    /// Destroys versions of a KV v2 secret for good.
    pub fn destroy_versions(&self, mount: &str, path: &str, versions: &[u64]) {
        self.put(
            &format!("{mount}/destroy/{path}"),
            &json!({ "versions": versions }),
        );
    }

    /// Creates a namespace below this one.
    pub fn create_namespace(&self, name: &str) {
        self.put(&format!("sys/namespaces/{name}"), &json!({}));
    }

    /// Writes a policy in OpenBao's own language.
    pub fn put_policy(&self, name: &str, rules: &str) {
        self.put(
            &format!("sys/policies/acl/{name}"),
            &json!({ "policy": rules }),
        );
    }

    /// Enables AppRole if needed and makes a role that may read what `rules` say, with a secret id.
    /// `settings` are the role's own, such as `{"token_ttl": "1s"}`.
    pub fn app_role(&self, rules: &str, settings: &Value) -> AppRole {
        let enabled = self.ask(
            "POST",
            "sys/auth/approle",
            Some(&json!({ "type": "approle" })),
        );
        let enabled = enabled.expect("the server answers");
        let already = enabled.text.contains("already in use");
        assert!(already || enabled.status < 300, "AppRole: {}", enabled.text);
        let name = unique("role");
        self.put_policy(&name, rules);
        let mut role = settings.clone();
        role["token_policies"] = json!([name]);
        self.put(&format!("auth/approle/role/{name}"), &role);
        let role_id = self.get(&format!("auth/approle/role/{name}/role-id"));
        let secret_id = self.put(&format!("auth/approle/role/{name}/secret-id"), &json!({}));
        let text = |value: &Value| value.as_str().expect("an id is text").to_owned();
        AppRole {
            role_id: text(&role_id["data"]["role_id"]),
            secret_id: text(&secret_id["data"]["secret_id"]),
            secret_id_accessor: text(&secret_id["data"]["secret_id_accessor"]),
            name,
        }
    }

    /// Logs in and gives the token.
    pub fn log_in(&self, role: &AppRole) -> String {
        let body = json!({ "role_id": role.role_id, "secret_id": role.secret_id });
        let login = self.as_token("").put("auth/approle/login", &body);
        login["auth"]["client_token"]
            .as_str()
            .expect("a login gives a token")
            .to_owned()
    }

    /// Accessors of all tokens that live.
    pub fn token_accessors(&self) -> Vec<String> {
        self.list("auth/token/accessors")
    }

    /// Accessors of the living tokens that logged in with `role`.
    pub fn tokens_of(&self, role: &AppRole) -> Vec<String> {
        let mut tokens = self.token_accessors();
        tokens.retain(|accessor| {
            let asked = json!({ "accessor": accessor });
            // A token may end between the list and the look.
            let found = self.ask("PUT", "auth/token/lookup-accessor", Some(&asked));
            found.is_ok_and(|a| a.body["data"]["meta"]["role_name"] == role.name.as_str())
        });
        tokens
    }

    /// Enables an auth method under a name no other test has; gives the mount.
    pub fn fresh_auth(&self, kind: &str) -> String {
        let mount = unique(kind);
        self.put(&format!("sys/auth/{mount}"), &json!({ "type": kind }));
        mount
    }

    /// Makes a policy that may read one KV v2 secret at `secret/`; gives its name.
    pub fn policy_to_read(&self, path: &str) -> String {
        let name = unique("policy");
        let rules = format!("path \"secret/data/{path}\" {{ capabilities = [\"read\"] }}");
        self.put_policy(&name, &rules);
        name
    }

    /// The answer to a request, wrapped; gives the wrapping token.
    #[track_caller]
    pub fn wrapped(&self, path: &str, body: &Value) -> String {
        self.must_wrap("PUT", path, Some(body))
    }

    /// The answer to a read, wrapped; gives the wrapping token.
    #[track_caller]
    pub fn wrapped_read(&self, path: &str) -> String {
        self.must_wrap("GET", path, None)
    }

    #[track_caller]
    fn must_wrap(&self, method: &str, path: &str, body: Option<&Value>) -> String {
        let url = format!("{}/v1/{path}", self.address);
        let mut request = Request::new(method, url)
            .trusting(self.authority.as_deref())
            .header("X-Vault-Token", &self.token)
            .header("X-Vault-Wrap-TTL", "10m");
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().expect("the server answers");
        let wrapped = answer.expect_success(path);
        let token = wrapped["wrap_info"]["token"].as_str();
        token.expect("the answer is wrapped").to_owned()
    }

    /// Makes a token; gives the token and its accessor. `settings` are those of
    /// `auth/token/create`.
    pub fn make_token(&self, settings: &Value) -> (String, String) {
        let made = self.put("auth/token/create", settings);
        let text = |key: &str| made["auth"][key].as_str().unwrap().to_owned();
        (text("client_token"), text("accessor"))
    }

    /// What the server knows of the token behind an accessor; `None` if it is no more.
    pub fn look_up_accessor(&self, accessor: &str) -> Option<Value> {
        let asked = json!({ "accessor": accessor });
        let found = self.ask("PUT", "auth/token/lookup-accessor", Some(&asked));
        let found = found.expect("the server answers");
        (found.status == 200).then(|| found.body["data"].clone())
    }

    /// Accessors of the living tokens of logins at an auth mount.
    pub fn tokens_at(&self, mount: &str) -> Vec<String> {
        let begin = format!("auth/{mount}/login");
        let mut tokens = self.token_accessors();
        tokens.retain(|accessor| {
            let found = self.look_up_accessor(accessor);
            found.is_some_and(|data| data["path"].as_str().unwrap().starts_with(&begin))
        });
        tokens
    }

    /// Leases below a prefix such as `auth/approle/login`.
    pub fn leases(&self, prefix: &str) -> Vec<String> {
        self.list(&format!("sys/leases/lookup/{prefix}"))
    }

    /// Revokes the token behind an accessor.
    pub fn revoke_accessor(&self, accessor: &str) {
        self.put(
            "auth/token/revoke-accessor",
            &json!({ "accessor": accessor }),
        );
    }

    /// Revokes every lease below a prefix.
    pub fn revoke_prefix(&self, prefix: &str) {
        self.put(&format!("sys/leases/revoke-prefix/{prefix}"), &json!({}));
    }
}
