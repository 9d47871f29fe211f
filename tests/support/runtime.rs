//! The one runtime on which stand-ins and helper requests run, apart from the tests' own runtimes.

use std::sync::{LazyLock, mpsc};

use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("support")
        .enable_all()
        .build()
        .expect("the support runtime starts")
});

/// To spawn what runs beside the test.
pub fn handle() -> &'static Handle {
    RUNTIME.handle()
}

/// Runs `future` on the support runtime and waits for it; works inside and outside async tests.
pub fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (answer, answered) = mpsc::sync_channel(1);
    handle().spawn(async move {
        let _ = answer.send(future.await);
    });
    answered
        .recv()
        .expect("the support task ended without an answer")
}
