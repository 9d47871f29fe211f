//! A real Vault-compatible server: OpenBao, in memory for most tests, or with TLS and storage on
//! disk for those that seal, stop and restart it.
//!
//! What a running server can be asked is in `openbao_api`, reached through `Deref`.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Mutex, MutexGuard},
};

use serde_json::json;
use tempfile::TempDir;

use super::{
    environment::{bao, free_port, wait_for},
    openbao_api::Bao,
    process::Process,
    tls::Authority,
};

/// How often a start is tried with another port, should somebody have taken the first.
const STARTS: usize = 5;

/// A development server: unsealed, in memory, plain HTTP on loopback, KV v2 at `secret/`.
#[derive(Debug)]
pub struct DevServer {
    bao: Bao,
    process: Mutex<Process>,
    _home: TempDir,
}

impl DevServer {
    /// Starts one of the test's own, for tests that seal it or count what it holds.
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        for _ in 0..STARTS {
            let address = format!("127.0.0.1:{}", free_port());
            let mut command = clean_command(home.path());
            command.args([
                "server",
                "-dev",
                "-dev-no-store-token",
                "-dev-root-token-id=root",
            ]);
            command.arg(format!("-dev-listen-address={address}"));
            let mut process = Process::start("OpenBao", command);
            let bao = Bao::new(format!("http://{address}"), "root".to_owned(), None);
            if is_up(&bao, &mut process) {
                return Self {
                    bao,
                    process: Mutex::new(process),
                    _home: home,
                };
            }
        }
        panic!("OpenBao found no port to listen on");
    }

    /// The one that all tests of this process share: use [`super::environment::unique`] names in
    /// it, and do not seal it.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<DevServer> = LazyLock::new(DevServer::start);
        &SHARED
    }

    /// The server's log so far.
    pub fn log(&self) -> String {
        self.process.lock().unwrap().stderr()
    }
}

impl Deref for DevServer {
    type Target = Bao;

    fn deref(&self) -> &Bao {
        &self.bao
    }
}

/// A server with TLS and storage on disk, that can be sealed, stopped and started again at the same
/// address with what it held.
#[derive(Debug)]
pub struct TlsServer {
    bao: Bao,
    unseal_key: String,
    process: Mutex<Option<Process>>,
    home: TempDir,
    ca_file: PathBuf,
}

impl TlsServer {
    /// Starts, initialises and unseals one whose certificate `authority` signs.
    pub fn start(authority: &Authority) -> Self {
        let home = tempfile::tempdir().unwrap();
        let certificate = authority.certify(&["127.0.0.1", "localhost"]);
        std::fs::write(home.path().join("cert.pem"), &certificate.chain_pem).unwrap();
        std::fs::write(home.path().join("key.pem"), &certificate.key_pem).unwrap();
        for _ in 0..STARTS {
            let address = format!("127.0.0.1:{}", free_port());
            std::fs::write(
                home.path().join("config.hcl"),
                config(home.path(), &address),
            )
            .unwrap();
            let url = format!("https://{address}");
            let sealed = Bao::new(url.clone(), String::new(), Some(authority.pem.clone()));
            let Some(process) = launch(home.path(), &sealed) else {
                continue;
            };
            let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
            let keys = sealed.put("sys/init", &shares);
            let root = keys["root_token"].as_str().unwrap().to_owned();
            let server = Self {
                bao: Bao::new(url, root, Some(authority.pem.clone())),
                unseal_key: keys["keys"][0].as_str().unwrap().to_owned(),
                process: Mutex::new(Some(process)),
                home,
                ca_file: authority.ca_file.clone(),
            };
            server.unseal();
            return server;
        }
        panic!("OpenBao found no port to listen on");
    }

    /// The CA file to trust.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Seals it: it answers 503 until [`TlsServer::unseal`].
    pub fn seal(&self) {
        self.bao.put("sys/seal", &json!({}));
    }

    /// Unseals it and waits until it serves.
    pub fn unseal(&self) {
        self.bao
            .put("sys/unseal", &json!({ "key": self.unseal_key }));
        wait_for(|| (self.bao.health() == Some(200)).then_some(()))
            .unwrap_or_else(|| panic!("OpenBao stays sealed:\n{}", self.log()));
    }

    /// Whether it says of itself that it is sealed.
    pub fn is_sealed(&self) -> bool {
        self.bao.health() == Some(503)
    }

    /// Stops the process: connections are refused until [`TlsServer::restart`].
    pub fn stop(&self) {
        *self.process() = None;
    }

    /// Starts it again at the same address, sealed, with the storage it had.
    pub fn restart(&self) {
        let mut process = self.process();
        *process = None;
        *process = launch(self.home.path(), &self.bao);
        assert!(
            process.is_some(),
            "OpenBao does not start again at {}",
            self.bao.address()
        );
    }

    /// The server's log since its last start.
    pub fn log(&self) -> String {
        self.process()
            .as_ref()
            .map(Process::stderr)
            .unwrap_or_default()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap()
    }
}

impl Deref for TlsServer {
    type Target = Bao;

    fn deref(&self) -> &Bao {
        &self.bao
    }
}

fn launch(home: &Path, bao: &Bao) -> Option<Process> {
    let mut command = clean_command(home);
    command
        .arg("server")
        .arg(format!("-config={}", home.join("config.hcl").display()));
    let mut process = Process::start("OpenBao", command);
    is_up(bao, &mut process).then_some(process)
}

/// Storage is raft with one member: the only kind on disk that OpenBao still has.
fn config(home: &Path, address: &str) -> String {
    let cluster = format!("127.0.0.1:{}", free_port());
    let home = home.display();
    format!(
        r#"storage "raft" {{
  path = "{home}/storage"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "{address}"
  tls_cert_file = "{home}/cert.pem"
  tls_key_file = "{home}/key.pem"
}}
api_addr = "https://{address}"
cluster_addr = "https://{cluster}"
"#
    )
}

/// The server sees nothing of our environment: `VAULT_*`, `BAO_*` and proxies would change it.
fn clean_command(home: &Path) -> Command {
    let mut command = Command::new(bao());
    command
        .env_clear()
        .env("HOME", home)
        .env("TMPDIR", home)
        .current_dir(home);
    command
}

/// Waits until the process answers, sealed or not: any health status will do, an uninitialised
/// server answers 501. `false` if its port was taken meanwhile.
fn is_up(bao: &Bao, process: &mut Process) -> bool {
    let up = wait_for(|| match process.ended() {
        Some(_) => Some(false),
        None => bao.health().map(|_| true),
    });
    // Another process that holds the port answers too; ours ends then.
    if up == Some(true) && process.ended().is_none() {
        return true;
    }
    let said = process.last_words();
    assert!(
        said.contains("address already in use"),
        "OpenBao does not start; it said:\n{said}"
    );
    false
}
