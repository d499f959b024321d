//! What all fuzz targets need: inputs made of bytes, a limit on memory, a count of what ran. Only tests use it.
//!
//! A target is a test that calls [`fuzz!`]. `cargo test` tries a few thousand inputs; `scripts/fuzz.py` runs every target
//! for a given number of inputs or seconds. These variables are for one run of one target:
//!
//! | variable | means |
//! |---|---|
//! | `BOLERO_RANDOM_ITERATIONS`, `BOLERO_RANDOM_TEST_TIME_MS` | how many inputs to try, and for how long at most |
//! | `FUZZ_KEEP` | the file that always holds the latest input; after a failure, of whatever kind, the failing one |
//! | `FUZZ_REPEAT` | a file with the only input to try |
//!
//! After `cargo install cargo-bolero`, `cargo bolero test --release NAME` runs a coverage-guided fuzzer instead.

mod dice;
pub mod json;
pub mod table;

pub use bolero;
pub use dice::{Dice, PIECES};

use peak_alloc::PeakAlloc;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts what the whole test program allocates.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Targets of one program run one after the other, so that the memory measured is that of one target.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Memory that reading an input may take whatever its size, in bytes.
const ALLOWANCE: usize = 1 << 20;

/// Memory that reading may take for each byte of the input, in bytes.
const ALLOWANCE_PER_BYTE: usize = 64;

/// Runs a target, which is a function of bytes, with `$inputs` inputs, or with as many as the environment asks for (see
/// [`crate`]).
#[macro_export]
macro_rules! fuzz {
    ($inputs:expr, $target:expr) => {{
        let session = $crate::Session::begin();
        let target = $target;
        match session.only_input() {
            Some(bytes) => session.input(&bytes, &target),
            None if !$crate::Session::is_searching() => session.fixed_inputs($inputs, &target),
            None => $crate::bolero::check!()
                .with_iterations($inputs)
                .with_shrink_time(session.shrink_time())
                .for_each(|bytes: &[u8]| session.input(bytes, &target)),
        }
        session.end();
    }};
}

/// One run of one target. Used by [`fuzz!`].
pub struct Session {
    inputs: AtomicU64,
    keep: Option<File>,
    _alone: MutexGuard<'static, ()>,
}

impl Session {
    /// Waits for the program's other targets.
    ///
    /// # Panics
    /// If the file of `FUZZ_KEEP` can't be made.
    pub fn begin() -> Self {
        let keep = std::env::var_os("FUZZ_KEEP").map(|path| File::create(path).expect("FUZZ_KEEP names a file"));
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        Self { inputs: AtomicU64::new(0), keep, _alone: alone }
    }

    /// The input that the environment names, if it names one.
    ///
    /// # Panics
    /// If it can't be read.
    pub fn only_input(&self) -> Option<Vec<u8>> {
        std::env::var_os("FUZZ_REPEAT").map(|path| std::fs::read(path).expect("FUZZ_REPEAT names a file"))
    }

    /// Whether the environment asks for new inputs. Otherwise the inputs are the same in every run, so that `cargo test` does
    /// not fail by chance.
    pub fn is_searching() -> bool {
        ["BOLERO_RANDOM_ITERATIONS", "BOLERO_RANDOM_TEST_TIME_MS"].iter().any(|name| std::env::var_os(name).is_some())
    }

    /// Tries this many inputs, the same in every run.
    pub fn fixed_inputs(&self, inputs: usize, target: impl Fn(&[u8])) {
        let mut state = 1_u64;
        let mut next = || {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        for _ in 0..inputs {
            let words = next() % 64;
            let bytes: Vec<u8> = (0..words).flat_map(|_| next().to_le_bytes()).collect();
            self.input(&bytes, &target);
        }
    }

    /// How long to look for a smaller failing input: not at all where the failing one is kept.
    pub fn shrink_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.keep.is_none()))
    }

    /// Tries one input.
    pub fn input(&self, bytes: &[u8], target: impl Fn(&[u8])) {
        if let Some(file) = &self.keep {
            let kept = file.write_all_at(bytes, 0).and_then(|()| file.set_len(bytes.len() as u64));
            kept.expect("the file of FUZZ_KEEP can be written");
        }
        self.inputs.fetch_add(1, Ordering::Relaxed);
        target(bytes);
    }

    /// Prints how many inputs were tried without a failure.
    pub fn end(self) {
        println!("fuzz: {} inputs", self.inputs.load(Ordering::Relaxed));
    }
}

/// A folder for files that are written for each input: in memory, where there is such a place.
///
/// # Panics
/// If no folder can be made.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for temporary files can be made")
}

/// Calls `read`, which reads `size` bytes, and returns its result. May call it up to ten times.
///
/// # Panics
/// If in each of ten calls `read` and its result together take more memory at once than 1 MiB plus 64 bytes for each
/// byte read.
pub fn bounded<T>(size: usize, mut read: impl FnMut() -> T) -> T {
    // Another test of the program may run at the same time, and its memory counts, too. So `read` is called again if
    // too much memory was measured.
    let mut used = 0;
    for _ in 0..10 {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let made = read();
        used = MEMORY.peak_usage().saturating_sub(before);
        if used <= ALLOWANCE + ALLOWANCE_PER_BYTE * size {
            return made;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("reading {size} bytes took {used} bytes of memory");
}
