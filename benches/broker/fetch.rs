//! What a just-in-time fetch adds to a call, beside a bare read of the same place in the same loop.

use std::{
    fs::{Permissions, set_permissions},
    future::Future,
    hint::black_box,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    time::Instant,
};

use keyward::secrets::Binding;
use serde_json::json;

use crate::{
    bare::{BareAws, BareVault},
    desk::{Desk, runtime},
    figures::{Samples, show, verdict},
    stored::key,
    support::{
        environment::unique,
        keyward::write_private,
        moto::Moto,
        openbao::{DevServer, TlsServer},
        tls::Authority,
    },
};

const WARM_UP: usize = 50;
/// The most that a read of Vault by the broker may take, as a multiple of the bare read.
const MOST: f64 = 1.5;

/// Prints the table of fetches.
pub fn measure() {
    println!("| fetch | | p50 | p99 | p50, times the bare read | target | |");
    println!("|---|---|---|---|---|---|---|");
    runtime().block_on(async { tokio::spawn(all()).await.unwrap() });
}

async fn all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    write_private(&file, &key(0));
    let script = folder.path().join("print");
    write_private(
        &script,
        "#!/bin/sh\necho sk-from-a-command-0a1B2c3D4e5F6g7H8\n",
    );
    set_permissions(&script, Permissions::from_mode(0o700)).unwrap();

    let settings = json!({
        "chain": ["env"],
        "providers": {
            "exec": { "commands": { "print": { "argv": [script] } } },
        },
        "names": {
            "env": { "ref": "env:STAND_IN_KEY" },
            "file": { "ref": format!("file:{}", file.display()) },
            "exec": { "ref": "exec:print" },
        },
    });
    let local = Desk::new(settings, &[("STAND_IN_KEY", Some(&key(0)))]);
    let case = Case::new("env", &local, "env", "a copy of the text", 5_000);
    let text = key(0);
    case.beside(async || black_box(&text).clone().len()).await;
    let case = Case::new("file", &local, "file", "`tokio::fs::read`", 3_000);
    case.beside(async || tokio::fs::read(&file).await.unwrap().len())
        .await;
    let case = Case::new(
        "exec, a shell script",
        &local,
        "exec",
        "`tokio::process`",
        500,
    );
    case.beside(async || {
        let mut command = tokio::process::Command::new(&script);
        command.env_clear().stdin(Stdio::null());
        command.output().await.unwrap().stdout.len()
    })
    .await;
    local.close().await;

    vault_plain().await;
    vault_tls().await;
    secrets_manager().await;
}

async fn vault_plain() {
    let bao = tokio::task::spawn_blocking(DevServer::shared)
        .await
        .unwrap();
    let path = unique("fetched");
    bao.put_kv2("secret", &path, &json!({ "api_key": key(0) }));
    let vault = json!({ "address": bao.address(), "kv": 2 });
    let desk = vault_desk(vault, &path, bao.token());
    let bare = BareVault::new(bao, &format!("secret/data/{path}"), None);
    let what = "`reqwest`, fresh connection";
    let case = Case::new("Vault (OpenBao), plain HTTP", &desk, "vault", what, 2_000);
    case.at_most(MOST).beside(async || bare.read().await).await;
    desk.close().await;
}

async fn vault_tls() {
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    bao.put_kv2("secret", "ai", &json!({ "api_key": key(0) }));
    let vault = json!({ "address": bao.address(), "kv": 2, "ca_file": bao.ca_file() });
    let desk = vault_desk(vault, "ai", bao.token());
    let bare = BareVault::new(&bao, "secret/data/ai", Some(&authority.pem));
    let what = "`reqwest`, fresh connection";
    let case = Case::new("Vault (OpenBao), TLS", &desk, "vault", what, 2_000);
    case.at_most(MOST).beside(async || bare.read().await).await;
    desk.close().await;
}

fn vault_desk(vault: serde_json::Value, path: &str, token: &str) -> Desk {
    let settings = json!({
        "chain": [],
        "providers": { "vault": vault },
        "names": { "vault": { "ref": format!("vault:secret/{path}#api_key") } },
    });
    Desk::new(settings, &[("VAULT_TOKEN", Some(token))])
}

async fn secrets_manager() {
    let moto = tokio::task::spawn_blocking(Moto::shared).await.unwrap();
    let name = moto.fresh(&json!({ "api_key": key(0) }).to_string());
    let settings = json!({
        "chain": [],
        "providers": { "aws": { "region": Moto::REGION, "endpoint_url": moto.address() } },
        "names": { "aws": { "ref": format!("aws:{name}#api_key") } },
    });
    let desk = Desk::new(settings, &[("AWS_SECRET_ACCESS_KEY", Some("test"))]);
    let bare = BareAws::new(moto, &name);
    let what = "the SDK, fresh connection";
    let case = Case::new("Secrets Manager (moto)", &desk, "aws", what, 500);
    case.beside(async || bare.read().await).await;
    desk.close().await;
}

/// One place, asked by the broker and bare in turns.
struct Case<'a> {
    place: &'a str,
    desk: &'a Desk,
    binding: Binding,
    bare: &'a str,
    samples: usize,
    most: Option<f64>,
}

impl<'a> Case<'a> {
    fn new(place: &'a str, desk: &'a Desk, name: &str, bare: &'a str, samples: usize) -> Self {
        Self {
            binding: desk.bind(name),
            place,
            desk,
            bare,
            samples,
            most: None,
        }
    }

    fn at_most(mut self, most: f64) -> Self {
        self.most = Some(most);
        self
    }

    async fn beside<F: Future<Output = usize>>(self, read: impl Fn() -> F) {
        let (mut ours, mut theirs) = (Samples::default(), Samples::default());
        let mut failed = 0;
        for number in 0..WARM_UP + self.samples {
            // Each comes first every other time.
            for turn in 0..2 {
                let began = Instant::now();
                let samples = if turn == number % 2 {
                    if let Err(error) = self.desk.try_to_lend(&self.binding).await {
                        eprintln!("{}: {}", self.place, error.operator());
                        failed += 1;
                        continue;
                    }
                    &mut ours
                } else {
                    black_box(read().await);
                    &mut theirs
                };
                if number >= WARM_UP {
                    samples.push(began.elapsed());
                }
            }
        }
        let ratio = ours.percentile(50).as_secs_f64() / theirs.percentile(50).as_secs_f64();
        let (target, verdict) = self.most.map_or((String::new(), ""), |most| {
            (format!("≤ {most}"), verdict(ratio <= most))
        });
        let (place, bare, cells) = (self.place, self.bare, ours.cells());
        let added = ours.percentile(50).saturating_sub(theirs.percentile(50));
        let ratio = format!("{ratio:.2} (+{})", show(added));
        let failed = match failed {
            0 => String::new(),
            failed => format!(", {failed} of {} **failed**", WARM_UP + self.samples),
        };
        println!("| {place}{failed} | broker | {cells} | {ratio} | {target} | {verdict} |");
        println!("| … | bare: {bare} | {} | | | |", theirs.cells());
    }
}
