//! Tiles of a matrix product, computed in registers: the innermost loop of inference.
//!
//! Operands are 32-bit words, each of which holds one or more elements:
//!
//! | precision | elements per word | left operand | right operand |
//! |---|---|---|---|
//! | f32 | 1 | float | float |
//! | bf16 | 2, along the sum | bfloat16 | bfloat16 |
//! | int8 | 4, along the sum | [0, 255] | [-127, 127], or fewer values: [`Numerics::Narrow`] |
//!
//! The left operand is rows of words. The right operand is a panel: for each word of a row, the matching words of
//! [`PANEL`] columns. Each precision has kernels for several instruction sets and one in plain Rust, against which the
//! others are tested. int8 and bfloat16 give the same bits on all kernels with [`Numerics::Standard`].

#![allow(unsafe_code, reason = "vector instructions and pointers; `Kernel::run` checks all bounds")]

mod amx;
mod narrow;
mod peak;
mod plain;
mod vector;

use super::Precision;
use super::aligned::WORDS_PER_LINE;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use amx::{amx_bf16, amx_int8};
pub use peak::peak;
use plain::{plain_bf16, plain_f32, plain_int8};
#[cfg(target_arch = "x86_64")]
use {narrow::avx2_int8, vector::*};

/// Columns of a panel.
pub const PANEL: usize = 32;

/// Largest number of rows in a tile, over all kernels.
pub const MAX_TILE_ROWS: usize = 32;

/// Number of weights of a column that a narrow kernel multiplies and adds in 16 bits: the first two of a word and of
/// the next word, or the last two of both.
pub const NARROW_WEIGHTS: i32 = 4;

/// What the same-sign weights among these may sum up to: 255 times this still fits in 16 bits.
pub const NARROW_SUM: i32 = i16::MAX as i32 / u8::MAX as i32;

/// The smallest number of columns that can be computed: half a panel.
const HALF_PANEL: usize = PANEL / 2;

/// Words of a panel that fill half of a first-level cache of 32 KiB.
#[cfg(target_arch = "x86_64")]
const L1_WORDS: usize = 128;

/// One tile: `out[i][j] = initial[i][j] + sum over w of lhs[i][w] . panel[w][j]`.
struct TileTask {
    lhs: *const u32,
    lhs_stride: usize,
    panel: *const u32,
    words: usize,
    initial: *const u32,
    initial_stride: usize,
    out: *mut u32,
    out_stride: usize,
    rows: usize,
    halves: usize,
    /// Memory that will be read next, and how many bytes of it to prefetch in each step.
    upcoming: *const u8,
    upcoming_step: usize,
}

/// A way to compute tiles on this machine.
pub struct Kernel {
    /// The instruction set it needs.
    pub name: &'static str,
    /// Largest number of rows in a tile.
    pub max_rows: usize,
    /// Words of a row that it reads in one step; rows and panels have a multiple of this.
    pub words_per_step: usize,
    /// Words of a panel that stay in the first-level cache from tile to tile: a product goes through all rows for one
    /// such part before the next. A multiple of `words_per_step`.
    pub panel_depth: usize,
    /// It prefetches one cache line each time it has read this many words of a row.
    words_per_prefetch: usize,
    /// How its results relate to those of other kernels.
    pub numerics: Numerics,
    is_supported: fn() -> bool,
    /// Contract: [`Kernel::is_supported`], `1 <= rows <= Kernel::max_rows`, `1 <= halves <= 2`, `words` is a multiple
    /// of `Kernel::words_per_step`. These can be read: `rows` rows of `words` words in `lhs`, `words * PANEL` words in
    /// `panel`, and `rows` rows of `halves * HALF_PANEL` words in `initial`, which may overlap each other and `out`.
    /// These can be written: `rows` rows of `halves * HALF_PANEL` words in `out`.
    run: unsafe fn(&TileTask),
    /// Runs its instruction this many rounds on registers alone; returns the number of operations.
    /// Contract: [`Kernel::is_supported`].
    spin: unsafe fn(u32) -> u64,
}

/// Whether a kernel gives the same results as the other kernels of its precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numerics {
    /// It does, except that only some kernels for f32 fuse multiplication and addition.
    Standard,
    /// It adds [`NARROW_WEIGHTS`] products in 16 bits. To avoid overflow, the same-sign weights among them may sum up
    /// to [`NARROW_SUM`] at most, so weights are quantised more coarsely.
    Narrow,
    /// Sums run in the order of the processor's matrix instruction.
    Tiled,
}

/// The kernels of a precision that run on this machine, the fastest first and plain Rust last.
pub fn kernels(precision: Precision) -> impl Iterator<Item = &'static Kernel> {
    let all: &[Kernel] = match precision {
        Precision::F32 => F32,
        Precision::Bf16 | Precision::Bf16Vectors => BF16,
        Precision::Int8 | Precision::Int8Wide => INT8,
    };
    let fits = move |kernel: &Kernel| kernel.numerics == Numerics::Standard || !precision.is_reproducible();
    all.iter().filter(move |kernel| fits(kernel) && (kernel.is_supported)())
}

/// The fastest kernel of a precision on this machine.
pub fn kernel(precision: Precision) -> &'static Kernel {
    kernels(precision).next().expect("plain Rust runs anywhere")
}

/// The left operand of a tile: `rows` rows, `stride` words apart.
#[derive(Clone, Copy)]
pub struct LhsRows<'a> {
    /// All words from the first row on.
    pub words: &'a [u32],
    /// Words from a row to the next.
    pub stride: usize,
    /// Number of rows.
    pub rows: usize,
}

impl Kernel {
    /// Computes `out = initial + lhs x panel` for the first `halves` halves of the panel's columns. Rows of `out` are
    /// `out_stride` words apart. Sums run along the words in order; without `initial` they continue from `out`. Sums
    /// and `initial` are `i32` for int8 and bits of `f32` otherwise. `upcoming`, which is read after this tile, is
    /// prefetched.
    ///
    /// # Panics
    /// If there are no rows or more than [`Kernel::max_rows`], if the number of words is not a multiple of
    /// [`Kernel::words_per_step`], or if a slice is too short.
    #[allow(clippy::too_many_arguments, reason = "slices and their strides")]
    pub fn run(
        &self,
        lhs: LhsRows<'_>,
        panel: &[u32],
        halves: usize,
        initial: Option<&[u32; PANEL]>,
        out: &mut [u32],
        out_stride: usize,
        upcoming: &[u32],
    ) {
        let words = panel.len() / PANEL;
        let columns = halves * HALF_PANEL;
        assert!((1..=self.max_rows).contains(&lhs.rows) && (1..=2).contains(&halves), "rows or halves of a tile");
        assert!(words.is_multiple_of(self.words_per_step), "words of a tile that do not fill whole steps");
        assert!((lhs.rows - 1) * lhs.stride + words <= lhs.words.len(), "rows of a tile outside their data");
        assert!(
            out_stride >= columns && (lhs.rows - 1) * out_stride + columns <= out.len(),
            "a tile outside its output"
        );
        // A tile prefetches one cache line every few words. What that does not cover is prefetched now.
        let lines = words.div_ceil(self.words_per_prefetch);
        let (now, upcoming) = upcoming.split_at(upcoming.len().saturating_sub(lines * WORDS_PER_LINE));
        prefetch(now);
        let out_start = out.as_mut_ptr();
        let (initial, initial_stride) =
            initial.map_or((out_start.cast_const(), out_stride), |initial| (initial.as_ptr(), 0));
        let task = TileTask {
            lhs: lhs.words.as_ptr(),
            lhs_stride: lhs.stride,
            panel: panel.as_ptr(),
            words,
            initial,
            initial_stride,
            out: out_start,
            out_stride,
            rows: lhs.rows,
            halves,
            upcoming: upcoming.as_ptr().cast(),
            upcoming_step: (4 * upcoming.len() * self.words_per_step).div_ceil(words.max(1)),
        };
        // SAFETY: the assertions are the contract of `run`; `panel` has `words * PANEL` words because `words` is its
        // length divided by `PANEL`; kernels are returned only where their instruction set was detected.
        unsafe { (self.run)(&task) }
    }
}

/// Prefetches these words into the second-level cache.
pub fn prefetch(words: &[u32]) {
    #[cfg(target_arch = "x86_64")]
    for line in words.chunks(WORDS_PER_LINE) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint, which reads and writes nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
    }
}

macro_rules! kernel {
    ($name:literal, $rows:literal rows, $module:ident, [$($feature:tt),*]) => {
        kernel!($name, $rows rows, Standard, $module, [$($feature),*])
    };
    ($name:literal, $rows:literal rows, $numerics:ident, $module:ident, [$($feature:tt),*]) => {
        kernel!($name, $rows rows, $numerics, $module, || true $(&& is_x86_feature_detected!($feature))*)
    };
    ($name:literal, $rows:literal rows, $numerics:ident, $module:ident, $is_supported:expr) => {
        Kernel {
            name: $name,
            max_rows: $rows,
            words_per_step: $module::WORDS_PER_STEP,
            panel_depth: $module::PANEL_DEPTH,
            words_per_prefetch: $module::WORDS_PER_PREFETCH,
            numerics: Numerics::$numerics,
            is_supported: $is_supported,
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
    kernel!("amx", 32 rows, Tiled, amx_bf16, amx::is_supported),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx512", 12 rows, avx512_bf16, ["avx512f", "avx512bf16"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx2", 2 rows, avx2_bf16, ["avx2", "fma"]),
    kernel!("plain", 32 rows, plain_bf16, []),
];

static INT8: &[Kernel] = &[
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    kernel!("amx", 32 rows, Standard, amx_int8, amx::is_supported),
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
