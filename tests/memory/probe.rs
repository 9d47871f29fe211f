//! The process that is looked at, and the handle by which a test directs it.
//!
//! It does what it is told on standard input, a line at a time, and answers each with a line. Keys
//! travel in hexadecimal, decoded a byte at a time into their place, so that the process holds no
//! copy but the one that was asked for.
#![expect(
    unsafe_code,
    reason = "plants a key in a page that is then made inaccessible"
)]

use std::{
    hint::black_box,
    io::{self, BufRead, BufReader, Write as _},
    num::NonZeroUsize,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    ptr::NonNull,
    slice,
};

use keyward::secrets::memory::{
    LockedBuffer, Pool, Taken, TakenEnvironment, harden,
    scanner::{Needle, Report, ScannedProcess},
    take_environment,
};
use nix::sys::{
    mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect},
    resource::{Resource, setrlimit},
};
use zeroize::{Zeroize as _, Zeroizing};

/// The argument that makes this binary a probe. Those that follow are options.
pub(crate) const ARGUMENT: &str = "--probe";

/// A probe that was started, and its pipes.
pub(crate) struct Probe {
    pub(crate) process: ScannedProcess,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Probe {
    /// Starts a probe under the scanner, and waits until it is ready.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[])
    }

    pub(crate) fn start_with(options: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg(ARGUMENT)
            .args(options)
            .envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = ScannedProcess::start(command).unwrap();
        let stdin = process.child().stdin.take().unwrap();
        let stdout = BufReader::new(process.child().stdout.take().unwrap());
        let mut probe = Self {
            process,
            stdin,
            stdout,
        };
        assert_eq!(probe.answer(), "ready");
        probe
    }

    /// Gives an order and returns the answer.
    pub(crate) fn tell(&mut self, order: &str, key: &[u8]) -> String {
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.stdin, "{order} {hex}").unwrap();
        self.answer()
    }

    pub(crate) fn scan(&self, key: &str) -> Report {
        self.process
            .scan(&[Needle::new(key.as_bytes()).unwrap()])
            .unwrap()[0]
    }

    pub(crate) fn id(&mut self) -> u32 {
        self.process.child().id()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// What the probe holds.
#[derive(Default)]
struct Held {
    heap: Vec<Zeroizing<Vec<u8>>>,
    pool: Vec<LockedBuffer>,
    inaccessible: Vec<NonNull<std::ffi::c_void>>,
}

const PAGE: usize = 65_536;

/// Options: `soft` (do not harden), `memlock=BYTES`, `take=NAME`, `pool` (reserve one).
pub(crate) fn main() {
    let options: Vec<String> = std::env::args().skip(2).collect();
    if !options.iter().any(|option| option == "soft") {
        assert_eq!(harden().absent, []);
    }
    for option in &options {
        if let Some(bytes) = option.strip_prefix("memlock=") {
            let bytes = bytes.parse().unwrap();
            setrlimit(Resource::RLIMIT_MEMLOCK, bytes, bytes).unwrap();
        }
    }
    let pool = Pool::reserve();
    let names = options
        .iter()
        .filter_map(|option| option.strip_prefix("take="));
    let taken = take_environment(&pool, names).unwrap();
    let stdin = io::stdin().lines();
    say("ready");
    obey(
        &mut stdin.map(Result::unwrap),
        &pool,
        &taken,
        &mut Held::default(),
    );
}

fn say(line: &str) {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}").unwrap();
}

fn obey(
    orders: &mut dyn Iterator<Item = String>,
    pool: &Pool,
    taken: &TakenEnvironment,
    held: &mut Held,
) {
    while let Some(line) = orders.next() {
        let (order, hex) = line.split_once(' ').unwrap();
        match order {
            "heap" => {
                let mut bytes = Zeroizing::new(vec![0; hex.len() / 2]);
                decode(hex, &mut bytes);
                held.heap.push(bytes);
                say("done");
            }
            "pool" => {
                let mut bytes = Zeroizing::new(vec![0; hex.len() / 2]);
                decode(hex, &mut bytes);
                held.pool.push(pool.try_store(&bytes).unwrap());
                drop(bytes);
                say("done");
            }
            "stack" => {
                let mut bytes = [0; 256];
                decode(hex, &mut bytes);
                black_box(&mut bytes);
                say("done");
                // Whatever is told from here on is told above this frame.
                obey(orders, pool, taken, held);
                bytes.zeroize();
                say("done");
            }
            "inaccessible" => {
                let length = NonZeroUsize::new(PAGE).unwrap();
                let usable = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
                // SAFETY: a new mapping, of which no slice is kept.
                unsafe {
                    let page = mmap_anonymous(None, length, usable, MapFlags::MAP_PRIVATE).unwrap();
                    // Not at the start, so that a neighbour is not needed to see it.
                    let bytes = slice::from_raw_parts_mut(page.as_ptr().cast::<u8>(), PAGE);
                    decode(hex, &mut bytes[5_000..]);
                    mprotect(page, PAGE, ProtFlags::PROT_NONE).unwrap();
                    held.inaccessible.push(page);
                }
                say("done");
            }
            "drop" => {
                held.heap.clear();
                held.pool.clear();
                for page in held.inaccessible.drain(..) {
                    // SAFETY: the page was mapped above and no slice of it is kept.
                    unsafe {
                        mprotect(page, PAGE, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).unwrap();
                        slice::from_raw_parts_mut(page.as_ptr().cast::<u8>(), PAGE).zeroize();
                    }
                }
                say("done");
            }
            "leave" => return,
            "pool-report" => {
                let report = pool.report();
                say(&format!("{} {:?}", report.is_locked(), report.warning()));
            }
            name => say(match taken.lookup(name) {
                Taken::Value(_) if std::env::var_os(name).is_none() => "value",
                Taken::Value(_) => "value, but still in the environment",
                Taken::Unset => "unset",
                Taken::Empty => "empty",
                Taken::Malformed => "malformed",
                Taken::TooLong => "too long",
                Taken::NoRoom => "no room",
                Taken::NotAsked => "not asked",
            }),
        }
    }
}

/// Decodes `hex` into the front of `bytes`.
fn decode(hex: &str, bytes: &mut [u8]) {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
}
