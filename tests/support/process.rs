//! Child processes that end when their owner or the test process does, with their output kept.
//!
//! Linux ends a child by its parent-death signal when the *thread* that started it ends, and a
//! test's thread ends with the test. So one thread that lives as long as the process starts them
//! all, and a server shared by many tests outlives the test that needed it first.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, LazyLock, Mutex,
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    thread::JoinHandle,
};

use nix::{
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use super::environment::wait_for;

type Job = (Command, SyncSender<std::io::Result<Child>>);

static STARTER: LazyLock<Mutex<Sender<Job>>> = LazyLock::new(|| {
    let (jobs, queue) = mpsc::channel::<Job>();
    std::thread::Builder::new()
        .name("starter".into())
        .spawn(move || {
            for (mut command, answer) in queue {
                let _ = answer.send(command.spawn());
            }
        })
        .expect("the starter thread starts");
    Mutex::new(jobs)
});

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Arc<Mutex<String>>,
    stderr_reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` with all three streams captured.
    pub fn start(name: &str, mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        die_with_parent(&mut command);
        let (answer, answered) = mpsc::sync_channel(1);
        STARTER
            .lock()
            .unwrap()
            .send((command, answer))
            .expect("the starter thread lives");
        let mut child = answered
            .recv()
            .expect("the starter thread lives")
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdin = child.stdin.take();
        let stdout = lines(child.stdout.take().expect("stdout is piped"));
        let (stderr, reader) = kept(child.stderr.take().expect("stderr is piped"));
        Self {
            name: name.to_owned(),
            child,
            stdin,
            stdout,
            stderr,
            stderr_reader: Some(reader),
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input; `None` after [`Process::close_stdin`].
    pub fn stdin(&mut self) -> Option<&mut ChildStdin> {
        self.stdin.as_mut()
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Lines of its standard output, as they come; disconnected at its end. Line ends are kept off,
    /// and bytes that are not UTF-8 are shown as such.
    pub fn stdout(&self) -> &Receiver<String> {
        &self.stdout
    }

    /// All it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Ends it and gives what it wrote to standard output and nobody read, then standard error.
    pub fn last_words(&mut self) -> String {
        let stderr = self.stderr_to_end();
        let stdout: Vec<String> = self.stdout.iter().collect();
        format!("{}\n{stderr}", stdout.join("\n"))
    }

    /// All it wrote to standard error, once it has ended or been told to.
    pub fn stderr_to_end(&mut self) -> String {
        self.kill();
        if let Some(reader) = self.stderr_reader.take() {
            let _ = reader.join();
        }
        self.stderr()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("process ids fit");
        kill(Pid::from_raw(id), signal).expect("an unreaped child can be signalled");
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end; one that does not end fails the test.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for(|| self.ended())
            .unwrap_or_else(|| panic!("{} does not end; it said:\n{}", self.name, self.stderr()))
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let said = format!("--- {} wrote to stderr:\n{}---\n", self.name, self.stderr());
            let _ = std::io::stderr().write_all(said.as_bytes());
        }
    }
}

#[expect(
    unsafe_code,
    reason = "the parent-death signal must be set between fork and exec"
)]
fn die_with_parent(command: &mut Command) {
    let set = || prctl::set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from);
    // SAFETY: the closure makes one system call, allocates nothing and takes no lock.
    unsafe { command.pre_exec(set) };
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (line, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for bytes in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if line
                .send(String::from_utf8_lossy(&bytes).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
    lines
}

fn kept(stream: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let writer = Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        for bytes in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let mut text = writer.lock().unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes));
            text.push('\n');
        }
    });
    (text, reader)
}
