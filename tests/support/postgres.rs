//! A real PostgreSQL, and OpenBao's database engine before it.
//!
//! PostgreSQL refuses to run as root, so where the tests are root it runs as nobody. It listens on
//! loopback alone; its data folder goes with the test process.

use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Mutex},
};

use nix::unistd::geteuid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    environment::{free_port, unique, wait_for},
    keyward::write_private,
    openbao_api::Bao,
    process::Process,
};

/// Whom it runs as where the tests are root.
const NOBODY: u32 = 65534;

/// The user that made the database, and its password, which opens nothing else.
const OWNER: &str = "owner";
const PASSWORD: &str = "owner-of-a-test";

/// How often a start is tried with another port, should somebody have taken the first.
const STARTS: usize = 5;

/// A running server with one database, `postgres`.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    _process: Mutex<Process>,
    _home: TempDir,
}

impl Postgres {
    /// The one that all tests of this process share: roles have names of their own.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Postgres> = LazyLock::new(Postgres::start);
        &SHARED
    }

    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let password = home.path().join("password");
        write_private(&password, PASSWORD);
        if geteuid().is_root() {
            for path in [home.path(), &password] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let data = home.path().join("data");
        let mut command = ordinary(Command::new(program("initdb")), home.path());
        command.arg("--pgdata").arg(&data);
        command.arg("--pwfile").arg(&password);
        command.args(["--username", OWNER, "--auth=scram-sha-256"]);
        command.args(["--no-sync", "--no-locale", "--encoding=UTF8"]);
        let made = command.output().expect("initdb runs");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "initdb: {said}");
        for _ in 0..STARTS {
            let port = free_port();
            // It ends with the test process as every server does, but not by SIGKILL: that would leave
            // its shared memory behind.
            let mut command = Command::new("setpriv");
            command
                .args(["--pdeathsig", "INT"])
                .arg(program("postgres"));
            let mut command = ordinary(command, home.path());
            command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
            for setting in [
                "listen_addresses=127.0.0.1",
                "unix_socket_directories=",
                "fsync=off",
            ] {
                command.args(["-c", setting]);
            }
            let mut process = Process::start("PostgreSQL", command);
            let up = wait_for(|| match process.ended() {
                Some(_) => Some(false),
                None => psql(port, OWNER, PASSWORD, "SELECT 1").ok().map(|_| true),
            });
            if up == Some(true) {
                return Self {
                    port,
                    _process: Mutex::new(process),
                    _home: home,
                };
            }
            let said = process.last_words();
            assert!(
                said.contains("Address already in use"),
                "PostgreSQL does not start; it said:\n{said}"
            );
        }
        panic!("PostgreSQL found no port to listen on");
    }

    /// Whether these credentials open the database now.
    pub fn lets_in(&self, user: &str, password: &str) -> bool {
        psql(self.port, user, password, "SELECT 1").is_ok()
    }

    /// Names of the roles that may log in and whose names contain `part`.
    pub fn roles(&self, part: &str) -> Vec<String> {
        let query = format!(
            "SELECT rolname FROM pg_roles WHERE rolcanlogin AND strpos(rolname, '{part}') > 0"
        );
        let said = psql(self.port, OWNER, PASSWORD, &query).unwrap_or_else(|e| panic!("{e}"));
        said.lines().map(str::to_owned).collect()
    }

    /// Until when the role called `name` may log in, as PostgreSQL writes it.
    pub fn valid_until(&self, name: &str) -> String {
        let query = format!("SELECT rolvaliduntil FROM pg_roles WHERE rolname = '{name}'");
        psql(self.port, OWNER, PASSWORD, &query).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Makes a database engine of `bao` lend accounts of this server, in a role no other test has.
    pub fn lend(&self, bao: &Bao, default_ttl: &str, max_ttl: &str) -> Lender {
        let mount = unique("database");
        bao.put(
            &format!("sys/mounts/{mount}"),
            &json!({ "type": "database" }),
        );
        let port = self.port;
        let config = json!({
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "*",
            "connection_url": format!(
                "postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{port}/postgres?sslmode=disable"
            ),
            "username": OWNER, "password": PASSWORD,
        });
        bao.put(&format!("{mount}/config/postgres"), &config);
        // The engine puts eight characters of the role's name into the names of its accounts.
        let role = unique("").trim_matches('-').replace('-', "x");
        let role = format!("r{}", &role[role.len().saturating_sub(6)..]);
        let create = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' \
                      VALID UNTIL '{{expiration}}';";
        let settings = json!({
            "db_name": "postgres", "creation_statements": [create],
            "default_ttl": default_ttl, "max_ttl": max_ttl,
        });
        bao.put(&format!("{mount}/roles/{role}"), &settings);
        Lender { mount, role }
    }
}

/// A role of a database engine.
#[derive(Debug, Clone)]
pub struct Lender {
    /// Where the engine is mounted.
    pub mount: String,
    /// The role's name, part of the names of its accounts.
    pub role: String,
}

impl Lender {
    /// Where credentials are read.
    pub fn path(&self) -> String {
        format!("{}/creds/{}", self.mount, self.role)
    }

    /// The reference to one field of the credentials.
    pub fn reference(&self, field: &str) -> String {
        format!("vault:{}#{field}", self.path())
    }

    /// Its accounts that are there now.
    pub fn accounts(&self) -> Vec<String> {
        Postgres::shared().roles(&format!("-{}-", self.role))
    }

    /// Its leases at OpenBao, as OpenBao describes them.
    pub fn leases(&self, bao: &Bao) -> Vec<Value> {
        let ids = bao.leases(&self.path());
        ids.iter()
            .filter_map(|id| {
                let body = json!({ "lease_id": format!("{}/{id}", self.path()) });
                // A lease may end between the list and the look.
                let found = bao.ask("PUT", "sys/leases/lookup", Some(&body)).ok()?;
                (found.status == 200).then(|| found.body["data"].clone())
            })
            .collect()
    }

    /// Waits until `number` accounts are left.
    #[track_caller]
    pub fn wait_for_accounts(&self, number: usize) {
        wait_for(|| (self.accounts().len() == number).then_some(()))
            .unwrap_or_else(|| panic!("{number} accounts, but {:?}", self.accounts()));
    }
}

fn psql(port: u16, user: &str, password: &str, query: &str) -> Result<String, String> {
    let mut command = Command::new(program("psql"));
    command.env_clear().env("PGPASSWORD", password);
    command.args([
        "--no-psqlrc",
        "--no-password",
        "--tuples-only",
        "--no-align",
    ]);
    command.args(["--host=127.0.0.1", "--dbname=postgres", "--command", query]);
    command.args([format!("--port={port}"), format!("--username={user}")]);
    let ran = command.output().map_err(|error| error.to_string())?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
    }
}

/// As an ordinary user, with nothing of our environment but the path.
fn ordinary(mut command: Command, home: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", home)
        .current_dir(home);
    if geteuid().is_root() {
        command.gid(NOBODY).uid(NOBODY);
    }
    command
}

/// A program of the newest PostgreSQL: where Debian keeps them, or on the path.
fn program(name: &str) -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let of_debian = debian.filter_map(|entry| {
        let folder = entry.ok()?.path();
        let version: u32 = folder.file_name()?.to_str()?.parse().ok()?;
        Some((version, folder.join("bin").join(name)))
    });
    let newest = of_debian.filter(|(_, path)| path.exists()).max();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || {
        let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
        places.find(|path| path.exists())
    };
    newest
        .map(|(_, path)| path)
        .or_else(on_path)
        .unwrap_or_else(|| panic!("no {name} of PostgreSQL: run scripts/test"))
}
