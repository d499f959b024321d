//! Tiles of a matrix product, in registers: the innermost loop of everything.
//!
//! Operands are 32-bit words, each holding as many numbers as the precision packs into one:
//!
//! | precision | in a word | left operand | right operand |
//! |---|---|---|---|
//! | f32 | 1 | float | float |
//! | bf16 | 2, along the sum | bfloat16 | bfloat16 |
//! | int8 | 4, along the sum | [0, 255] | [-127, 127], or less: [`Numbers::Narrow`] |
//!
//! The left operand is rows of words; the right one is a panel: for each word of a row the
//! matching words of [`PANEL`] columns. Each precision has a kernel for several instruction
//! sets and one in plain Rust, which is also what the others are tested against. Whole
//! numbers and bfloat16 give the same bits on all of them but those whose [`Numbers`] are their own.
//!
//! | module | holds |
//! |---|---|
//! | `amx` | bf16 and int8 where a processor multiplies matrices in registers |
//! | `vector` | kernels whose product of two vectors is one instruction or two |
//! | `narrow` | int8 where bytes are multiplied in 16 bits |
//! | `plain` | plain Rust |
//! | `peak` | what the instructions of a kernel can do at most |

#![allow(unsafe_code, reason = "vector instructions and pointers; `Kernel::run` checks every bound")]

mod amx;
mod narrow;
mod peak;
mod plain;
mod vector;

use super::Precision;
use super::words::LINE;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use amx::{amx_bf16, amx_int8};
pub use peak::peak;
use plain::{plain_bf16, plain_f32, plain_int8};
#[cfg(target_arch = "x86_64")]
use {narrow::avx2_int8, vector::*};

/// Columns of a panel.
pub const PANEL: usize = 32;

/// Rows of the tallest tile of any kernel.
pub const TALLEST: usize = 32;

/// How many weights of a column a narrow kernel multiplies and adds in 16 bits: the first two of a word and of
/// the next, and the last two of both.
pub const NARROW_WEIGHTS: i32 = 4;

/// The largest sum of such weights of one sign: 255 times it is still within 16 bits.
pub const NARROW_SUM: i32 = i16::MAX as i32 / u8::MAX as i32;

/// Columns that can be computed alone: half a panel.
const HALF: usize = PANEL / 2;

/// Words of a panel that take half of a first-level cache of 32 KiB.
#[cfg(target_arch = "x86_64")]
const SHALLOW: usize = 128;

/// One tile: `out[i][j] = start[i][j] + sum over w of left[i][w] . panel[w][j]`.
struct Task {
    left: *const u32,
    left_stride: usize,
    panel: *const u32,
    words: usize,
    start: *const u32,
    start_stride: usize,
    out: *mut u32,
    out_stride: usize,
    rows: usize,
    halves: usize,
    /// What will be read next, and how many bytes of it to fetch with each step.
    coming: *const u8,
    coming_step: usize,
}

/// A way to compute tiles on this machine.
pub struct Kernel {
    /// The instruction set it needs.
    pub name: &'static str,
    /// Rows of its tallest tile.
    pub rows: usize,
    /// Words of a row that it takes in one step: rows and panels have a multiple of so many.
    pub at_once: usize,
    /// As many words of a panel as stay in the first-level cache from tile to tile: a product takes one such part
    /// of all its rows after the other. A multiple of `at_once`.
    pub depth: usize,
    /// After how many words of a row it fetches a cache line of what is coming.
    hint_every: usize,
    /// What its results depend on.
    pub numbers: Numbers,
    is_here: fn() -> bool,
    /// Contract: [`Kernel::is_here`], `1 <= rows <= Kernel::rows`, `1 <= halves <= 2`, `words` is a multiple
    /// of `Kernel::at_once`; readable are `rows` rows of `words` words in `left`, `words * PANEL` words in
    /// `panel` and `rows` rows of `halves * HALF` words in `start`, which may lie over each other; writable
    /// are `rows` rows of `halves * HALF` words in `out`.
    run: unsafe fn(&Task),
    /// So many rounds of its instruction on registers alone; gives the operations of all of them.
    /// Contract: [`Kernel::is_here`].
    spin: unsafe fn(u32) -> u64,
}

/// Whether a kernel's results are those of the others of its precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// They are, for floats but for whether a product and its sum are rounded at once.
    Usual,
    /// [`NARROW_WEIGHTS`] weights meet in 16 bits, where those of one sign may sum up to [`NARROW_SUM`] at most. Else
    /// sums are wrong, so weights are given fewer steps.
    Narrow,
    /// Sums run in the order that the processor's instruction for whole matrices has.
    Tiles,
}

/// The kernels of a precision that run on this machine, the fastest first and plain Rust last.
pub fn kernels(precision: Precision) -> impl Iterator<Item = &'static Kernel> {
    let all: &[Kernel] = match precision {
        Precision::F32 => F32,
        Precision::Bf16 | Precision::Bf16Vectors => BF16,
        Precision::Int8 | Precision::Int8Wide => INT8,
    };
    let fits = move |kernel: &Kernel| kernel.numbers == Numbers::Usual || !precision.same_everywhere();
    all.iter().filter(move |kernel| fits(kernel) && (kernel.is_here)())
}

/// The fastest kernel of a precision on this machine.
pub fn kernel(precision: Precision) -> &'static Kernel {
    kernels(precision).next().expect("plain Rust runs anywhere")
}

/// The left operand of a tile: `rows` rows, `stride` words apart.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// The words.
    pub words: &'a [u32],
    /// From a row to the next.
    pub stride: usize,
    /// How many rows.
    pub rows: usize,
}

impl Kernel {
    /// `out = start + left x panel` for the first `halves` halves of the panel's columns, rows of
    /// `out` being `out_stride` words apart. Sums run along the words in order; without `start` they go on from
    /// what is in `out`. They are whole numbers for int8, else floats; `start` is of the same kind. What is
    /// `coming` after this tile is fetched meanwhile.
    ///
    /// # Panics
    /// If there are no rows, more than [`Kernel::rows`], words that are no multiple of [`Kernel::at_once`], or
    /// a slice is too short.
    #[allow(clippy::too_many_arguments, reason = "slices and their strides")]
    pub fn run(
        &self,
        left: Left<'_>,
        panel: &[u32],
        halves: usize,
        start: Option<&[u32; PANEL]>,
        out: &mut [u32],
        out_stride: usize,
        coming: &[u32],
    ) {
        let words = panel.len() / PANEL;
        let columns = halves * HALF;
        assert!((1..=self.rows).contains(&left.rows) && (1..=2).contains(&halves), "shape of a tile");
        assert!(words.is_multiple_of(self.at_once), "words of a tile that no step takes");
        assert!((left.rows - 1) * left.stride + words <= left.words.len(), "rows of a tile outside their data");
        assert!(
            out_stride >= columns && (left.rows - 1) * out_stride + columns <= out.len(),
            "a tile outside its place"
        );
        // A tile fetches a cache line every few words. Where that is too few, with few rows, the rest is asked for now.
        let lines = words.div_ceil(self.hint_every);
        let (now, coming) = coming.split_at(coming.len().saturating_sub(lines * LINE));
        expect_reads(now);
        let out_start = out.as_mut_ptr();
        let (start, start_stride) = start.map_or((out_start.cast_const(), out_stride), |start| (start.as_ptr(), 0));
        let task = Task {
            left: left.words.as_ptr(),
            left_stride: left.stride,
            panel: panel.as_ptr(),
            words,
            start,
            start_stride,
            out: out_start,
            out_stride,
            rows: left.rows,
            halves,
            coming: coming.as_ptr().cast(),
            coming_step: (4 * coming.len() * self.at_once).div_ceil(words.max(1)),
        };
        // SAFETY: the assertions are the contract of `run`; `words` rows of `PANEL` lie in `panel`
        // by division; kernels are handed out only where their instruction set was detected.
        unsafe { (self.run)(&task) }
    }
}

/// Tells the processor that these words will soon be read, so that they come to the second-level cache meanwhile.
pub fn expect_reads(words: &[u32]) {
    #[cfg(target_arch = "x86_64")]
    for line in words.chunks(LINE) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint, which reads and writes nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
    }
}

macro_rules! kernel {
    ($name:literal, $rows:literal rows, $module:ident, [$($feature:tt),*]) => {
        kernel!($name, $rows rows, Usual, $module, [$($feature),*])
    };
    ($name:literal, $rows:literal rows, $numbers:ident, $module:ident, [$($feature:tt),*]) => {
        kernel!($name, $rows rows, $numbers, $module, || true $(&& is_x86_feature_detected!($feature))*)
    };
    ($name:literal, $rows:literal rows, $numbers:ident, $module:ident, $is_here:expr) => {
        Kernel {
            name: $name,
            rows: $rows,
            at_once: $module::AT_ONCE,
            depth: $module::DEPTH,
            hint_every: $module::HINT_EVERY,
            numbers: Numbers::$numbers,
            is_here: $is_here,
            run: $module::run,
            spin: $module::spin,
        }
    };
}

static F32: &[Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    kernel!("avx512", 12 rows, avx512_f32, ["avx512f"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx2", 3 rows, avx2_f32, ["avx2", "fma"]),
    kernel!("plain", 32 rows, plain_f32, []),
];

static BF16: &[Kernel] = &[
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    kernel!("amx", 32 rows, Tiles, amx_bf16, amx::is_here),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx512", 12 rows, avx512_bf16, ["avx512f", "avx512bf16"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx2", 2 rows, avx2_bf16, ["avx2", "fma"]),
    kernel!("plain", 32 rows, plain_bf16, []),
];

static INT8: &[Kernel] = &[
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    kernel!("amx", 32 rows, Usual, amx_int8, amx::is_here),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx512", 12 rows, avx512_int8, ["avx512f", "avx512vnni"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avxvnni", 3 rows, avxvnni_int8, ["avx2", "avxvnni"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx2", 2 rows, Narrow, avx2_int8, ["avx2"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx2", 2 rows, avx2_int8_wide, ["avx2"]),
    kernel!("plain", 32 rows, plain_int8, []),
];

#[cfg(test)]
mod tests;
