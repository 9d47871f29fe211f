//! AWS Secrets Manager's wire protocol, served by moto. Credentials are never checked.
//!
//! Known gaps: `UpdateSecretVersionStage` answers OK and moves nothing (rotate with
//! [`Moto::put`]); nothing is ever throttled.

use std::{
    process::Command,
    sync::{LazyLock, Mutex},
};

use serde_json::{Value, json};

use super::{
    environment::{free_port, python, unique, wait_for},
    http::{Answer, Request},
    process::Process,
};

/// A running server.
#[derive(Debug)]
pub struct Moto {
    address: String,
    process: Mutex<Process>,
    _home: tempfile::TempDir,
}

impl Moto {
    /// The region that the helpers write to.
    pub const REGION: &'static str = "eu-central-1";

    /// Starts one of the test's own.
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        for _ in 0..5 {
            let port = free_port();
            let mut command = Command::new(python());
            command
                .env_clear()
                .env("HOME", home.path())
                .env("TMPDIR", home.path());
            command
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .current_dir(home.path());
            command.args([
                "-m",
                "moto.server",
                "-H",
                "127.0.0.1",
                "-p",
                &port.to_string(),
            ]);
            let mut process = Process::start("moto", command);
            let address = format!("http://127.0.0.1:{port}");
            let up = wait_for(|| match process.ended() {
                Some(_) => Some(false),
                None => Request::new("GET", format!("{address}/moto-api/data.json"))
                    .send()
                    .is_ok_and(|answer| answer.status == 200)
                    .then_some(true),
            });
            if up == Some(true) && process.ended().is_none() {
                return Self {
                    address,
                    process: Mutex::new(process),
                    _home: home,
                };
            }
            let said = process.last_words();
            let taken = said.contains("in use");
            assert!(taken, "moto does not start; it said:\n{said}");
        }
        panic!("moto found no port to listen on");
    }

    /// The one that all tests of this process share: use [`unique`] names in it.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Moto> = LazyLock::new(Moto::start);
        &SHARED
    }

    /// Its base URL, for `endpoint_url`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// One request per line that it served, on standard error.
    pub fn log(&self) -> String {
        self.process.lock().unwrap().stderr()
    }

    /// Variables that let the AWS SDK sign; moto takes any.
    pub fn credentials() -> [(&'static str, &'static str); 3] {
        [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", Self::REGION),
        ]
    }

    /// One action of Secrets Manager, whatever it answers.
    pub fn ask(&self, action: &str, body: &Value) -> Answer {
        self.ask_in(Self::REGION, action, body)
    }

    /// The same in another region.
    pub fn ask_in(&self, region: &str, action: &str, body: &Value) -> Answer {
        // moto reads the region and the service from the header and checks no signature.
        let scope = format!("Credential=test/20260101/{region}/secretsmanager/aws4_request");
        Request::new("POST", format!("{}/", self.address))
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("X-Amz-Target", &format!("secretsmanager.{action}"))
            .header(
                "Authorization",
                &format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"),
            )
            .json(body)
            .send()
            .expect("moto answers")
    }

    /// Creates a secret; gives its ARN.
    #[track_caller]
    pub fn create(&self, name: &str, value: &str) -> String {
        let made = self.ask(
            "CreateSecret",
            &json!({ "Name": name, "SecretString": value }),
        );
        made.expect_success("CreateSecret")["ARN"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Creates a secret under a name no other test has; gives the name.
    pub fn fresh(&self, value: &str) -> String {
        let name = unique("secret");
        self.create(&name, value);
        name
    }

    /// Writes a new version, which becomes `AWSCURRENT`; gives its id.
    #[track_caller]
    pub fn put(&self, name: &str, value: &str) -> String {
        let put = self.ask(
            "PutSecretValue",
            &json!({ "SecretId": name, "SecretString": value }),
        );
        put.expect_success("PutSecretValue")["VersionId"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Marks for deletion in seven days: the secret is neither there nor absent.
    #[track_caller]
    pub fn mark_for_deletion(&self, name: &str) {
        let window = json!({ "SecretId": name, "RecoveryWindowInDays": 7 });
        self.ask("DeleteSecret", &window)
            .expect_success("DeleteSecret");
    }

    /// Deletes at once: the secret is absent.
    #[track_caller]
    pub fn delete(&self, name: &str) {
        let force = json!({ "SecretId": name, "ForceDeleteWithoutRecovery": true });
        self.ask("DeleteSecret", &force)
            .expect_success("DeleteSecret");
    }
}
