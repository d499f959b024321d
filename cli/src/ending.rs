//! How a process ends: whatever ends a command, it exits within 10 seconds and prints the true error last.
//!
//! A thread with a runtime of its own waits for signals and for the first error. From then on it gives the command
//! [`LIMIT`] to stop by itself. If that is not enough, it ends the process, even if every thread of the other runtime
//! is blocked. Work that was not committed by then is done again at the next start.

use crate::exit;
use crate::output::OutputError;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::Duration;
use tapewire_runtime::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a command may take to stop.
pub const LIMIT: Duration = Duration::from_secs(8);

static STATE: LazyLock<State> = LazyLock::new(State::default);

#[derive(Default)]
struct State {
    shutdown: Shutdown,
    /// The first error, as it is printed, and its exit code.
    cause: Mutex<Option<(String, u8)>>,
    /// What the process waits for before it exits, with the number of guards for each.
    waits: Mutex<BTreeMap<String, usize>>,
    limit: Mutex<Option<Duration>>,
    quiet: AtomicBool,
}

/// Cancelled when the process is asked to stop or has failed.
pub fn shutdown() -> Shutdown {
    STATE.shutdown.clone()
}

/// Notes why the process ends, if no earlier error did, and asks everything to stop. Errors that follow from it, such as
/// those of an interrupted wait, are not the cause.
pub fn set_cause(error: &anyhow::Error) {
    lock(&STATE.cause).get_or_insert_with(|| (exit::text(error), exit::code(error)));
    STATE.shutdown.cancel();
}

/// Notes what the process waits for until the guard is dropped. The message names it if it takes too long.
pub fn wait_guard(what: impl Into<String>) -> Waiting {
    let what = what.into();
    *lock(&STATE.waits).entry(what.clone()).or_default() += 1;
    Waiting(what)
}

/// See [`wait_guard`].
pub struct Waiting(String);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = lock(&STATE.waits);
        if let Some(count) = waits.get_mut(&self.0) {
            *count -= 1;
        }
        waits.retain(|_, count| *count > 0);
    }
}

/// Gives this command another limit than [`LIMIT`], because a setting says so.
pub fn limit(limit: Duration) {
    *lock(&STATE.limit) = Some(limit);
}

/// Whether log lines are still written; after the last line none are.
pub fn is_quiet() -> bool {
    STATE.quiet.load(Ordering::Acquire)
}

/// Starts the thread that watches over the end.
///
/// # Errors
/// The system refuses the thread or the signals.
pub fn watch() -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't watch for signals")?;
    let _entered = runtime.enter();
    let interrupt = signal(SignalKind::interrupt()).context("can't listen for SIGINT")?;
    let terminate = signal(SignalKind::terminate()).context("can't listen for SIGTERM")?;
    drop(_entered);
    let watching = move || runtime.block_on(until_the_end(interrupt, terminate));
    std::thread::Builder::new().name("ending".into()).spawn(watching).context("can't watch for signals")?;
    Ok(())
}

async fn until_the_end(mut interrupt: Signal, mut terminate: Signal) {
    tokio::select! {
        () = STATE.shutdown.cancelled() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    STATE.shutdown.cancel();
    let limit = lock(&STATE.limit).unwrap_or(LIMIT);
    let how = tokio::select! {
        () = tokio::time::sleep(limit) => {
            let waits: Vec<String> = lock(&STATE.waits).keys().cloned().collect();
            let what = if waits.is_empty() { "what is running".to_owned() } else { waits.join(", ") };
            format!("stopped after {} s without waiting longer for {what}", limit.as_secs())
        }
        _ = interrupt.recv() => "stopped at once by a second signal".to_owned(),
        _ = terminate.recv() => "stopped at once by a second signal".to_owned(),
    };
    say(&format!("{how}; what was not committed is done again at the next start"));
    exit_now(Err(exit::FAILED));
}

/// Ends the process with the outcome of its command; the true error is the last line.
pub fn exit(outcome: Result<(), anyhow::Error>) -> ! {
    exit_now(match outcome {
        Ok(()) => Ok(()),
        // Whoever read the results has what they wanted, so nothing is said. The exit code tells scripts that the command
        // may not have come to its end.
        Err(error) if error.chain().any(|cause| matches!(cause.downcast_ref(), Some(OutputError::Closed))) => {
            Err(exit::CLOSED)
        }
        Err(error) => {
            set_cause(&error);
            Err(exit::FAILED)
        }
    })
}

/// Prints the cause, if there is one, and ends the process with its code, otherwise with the given one.
fn exit_now(otherwise: Result<(), u8>) -> ! {
    STATE.quiet.store(true, Ordering::Release);
    let cause = lock(&STATE.cause).take();
    if let Some((text, _)) = &cause {
        say(text);
    }
    let code = cause.map(|(_, code)| code).or(otherwise.err()).unwrap_or(0);
    // Returning from `main` instead would wait for destructors and blocked threads.
    std::process::exit(i32::from(code))
}

/// Writes a line to the standard error. A line that nobody reads, or for which a full disk has no room, is no failure.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "tapewire: {text}");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The standard error for log lines, until the last line of the process.
pub struct LogWriter;

impl std::io::Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if is_quiet() { Ok(bytes.len()) } else { std::io::stderr().write(bytes) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
