//! From the start of the process to its answer to `tools/list`, and what it holds then.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    figures::{Samples, row, size_row},
    server::Server,
};

const STARTS: usize = 300;
const WARM_UP: usize = 20;
/// Processes whose memory is looked at; the largest counts.
const LOOKS: usize = 5;
/// Until a process that has answered is idle.
const SETTLING: Duration = Duration::from_millis(300);

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/keyward.yaml");

/// Prints the rows of start and idle memory.
pub fn measure(binary: &Path) {
    let home = tempfile::tempdir().unwrap();
    // A configuration that others may write is refused, and a checkout may be writable.
    let config = home.path().join("keyward.yaml");
    std::fs::copy(SHIPPED, &config).unwrap();
    std::fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
    let with_default = [
        ("KEYWARD_CONFIG", config.to_str().unwrap()),
        ("OPENAI_API_KEY", "sk-measure-0123456789"),
    ];
    let cases: [(&str, &[(&str, &str)]); 2] = [
        ("no configuration", &[]),
        ("shipped configuration, OPENAI_API_KEY set", &with_default),
    ];
    for (name, variables) in cases {
        let mut samples = Samples::default();
        for number in 0..WARM_UP + STARTS {
            let started = Instant::now();
            let mut server = Server::start(binary, home.path(), variables);
            server.list_tools();
            if number >= WARM_UP {
                samples.push(started.elapsed());
            }
        }
        let figure = format!("start to answered `tools/list`, {name} ({STARTS} starts)");
        row(&figure, samples.pair(), (Some(10.0), Some(20.0)));
    }
    for (name, variables) in cases {
        let mut largest = (0.0, 0.0);
        for _ in 0..LOOKS {
            let mut server = Server::start(binary, home.path(), variables);
            server.list_tools();
            std::thread::sleep(SETTLING);
            let resident = server.memory("VmRSS:");
            if resident > largest.0 {
                largest = (resident, server.memory("RssAnon:"));
            }
        }
        let (resident, anonymous) = largest;
        let figure = format!("resident idle, {name} ({anonymous:.1} MB of it anonymous)");
        size_row(&figure, resident, 14.0);
    }
}
