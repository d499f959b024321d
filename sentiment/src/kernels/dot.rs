//! Tiles of a matrix product, in registers: the innermost loop of everything.
//!
//! Operands are 32-bit words, each holding as many numbers as the precision packs into one:
//!
//! | precision | in a word | left operand | right operand |
//! |---|---|---|---|
//! | f32 | 1 | float | float |
//! | bf16 | 2, along the sum | bfloat16 | bfloat16 |
//! | int8 | 4, along the sum | [0, 255] | [-127, 127], or less: [`Kernel::narrow`] |
//!
//! The left operand is rows of words; the right one is a panel: for each word of a row the
//! matching words of [`PANEL`] columns. Each precision has a kernel for several instruction
//! sets and one in plain Rust, which is also what the others are tested against. Whole
//! numbers and bfloat16 give the same bits on all of them.

#![allow(unsafe_code, reason = "vector instructions and pointers; `Kernel::run` checks every bound")]

use super::Precision;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Columns of a panel.
pub const PANEL: usize = 32;

/// Rows of the tallest tile of any kernel.
pub const TALLEST: usize = 12;

/// How many weights of a column a narrow kernel multiplies and adds in 16 bits: the first two of a word and of
/// the next, and the last two of both.
pub const NARROW_WEIGHTS: i32 = 4;

/// The largest sum of such weights of one sign: 255 times it is still within 16 bits.
pub const NARROW_SUM: i32 = i16::MAX as i32 / u8::MAX as i32;

/// Columns that can be computed alone: half a panel.
const HALF: usize = PANEL / 2;

/// How many words ahead a panel is fetched.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 8;

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
    /// Whether [`NARROW_WEIGHTS`] weights meet in 16 bits, where those of one sign may sum up to [`NARROW_SUM`] at
    /// most. Else sums are wrong.
    pub narrow: bool,
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

/// The kernels of a precision that run on this machine, the fastest first and plain Rust last.
pub fn kernels(precision: Precision) -> impl Iterator<Item = &'static Kernel> {
    let all: &[Kernel] = match precision {
        Precision::F32 => F32,
        Precision::Bf16 => BF16,
        Precision::Int8 => INT8,
    };
    all.iter().filter(|kernel| (kernel.is_here)())
}

/// The fastest kernel of a precision on this machine.
pub fn kernel(precision: Precision) -> &'static Kernel {
    kernels(precision).next().expect("plain Rust runs anywhere")
}

/// Operations a second (a product and its sum are two) that one processor reaches with the
/// instruction of this precision's kernel, on registers alone: no product can be faster.
///
/// Takes a twentieth of a second.
pub fn peak(precision: Precision) -> f64 {
    let kernel = kernel(precision);
    let started = Instant::now();
    let mut best = 0f64;
    while started.elapsed() < Duration::from_millis(50) {
        let start = Instant::now();
        // SAFETY: `kernel` gives only kernels whose instruction set was detected.
        let operations = unsafe { (kernel.spin)(20_000) };
        best = best.max(operations as f64 / start.elapsed().as_secs_f64());
    }
    best
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

/// Tells the processor that a panel's columns of the first `rows` rows of `out` will soon be written, so that
/// they are in the first-level cache by the time a tile is done.
pub fn expect_writes(out: &mut [f32], stride: usize, rows: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // Without a look at bounds, which would take longer than what this saves.
        let mut row = out.as_mut_ptr();
        for _ in 0..rows {
            // SAFETY: hints, which read and write nothing.
            unsafe {
                _mm_prefetch::<_MM_HINT_ET0>(row.cast());
                _mm_prefetch::<_MM_HINT_ET0>(row.wrapping_add(HALF).cast());
            }
            row = row.wrapping_add(stride);
        }
    }
}

/// Tells the processor that these words will soon be read, so that they come to the second-level cache meanwhile.
pub fn expect_reads(words: &[u32]) {
    #[cfg(target_arch = "x86_64")]
    for line in words.chunks(16) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint, which reads and writes nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
    }
}

/// Defines a module with `run` and `spin` for one instruction set and precision.
///
/// A tile is `ROWS` x `VECTORS` vectors of sums, all in registers: each word of a row is
/// broadcast and meets the vectors of its row of the panel.
#[cfg(target_arch = "x86_64")]
macro_rules! vector_kernel {
    (
        $name:ident, $features:literal, $vector:ident in $register:ident, $lanes:tt lanes, $numbers:literal in a word,
        $load:ident, $store:ident, $broadcast:ident,
        tiles $tiles:tt, |$sum:ident, [$($a:ident),+], [$($b:ident),+]| $step:expr
    ) => {
        mod $name {
            use super::*;
            use std::arch::asm;
            use std::arch::x86_64::*;

            /// Words of a row that one step takes.
            pub(super) const AT_ONCE: usize = [$(stringify!($a)),+].len();

            /// Whether tiles have so many rows that a panel need not stay in the first-level cache from one to the next.
            const TALL: bool = $lanes == 16;

            /// See `Kernel::depth`.
            pub(super) const DEPTH: usize = if TALL { usize::MAX } else { SHALLOW };

            /// Contract: as `Kernel::run`'s, for `ROWS` rows and the `VECTORS` vectors of columns from `column`.
            #[target_feature(enable = $features)]
            unsafe fn tile<const ROWS: usize, const VECTORS: usize>(task: &Task, column: usize) {
                // SAFETY: by contract all rows, columns and words touched are inside their slices.
                unsafe {
                    let start = task.start.add(column);
                    let mut sums: [[$vector; VECTORS]; ROWS] = std::array::from_fn(|row| {
                        let start = start.add(row.wrapping_mul(task.start_stride));
                        std::array::from_fn(|v| $load(start.add(v * $lanes).cast()))
                    });
                    let mut panel = task.panel.add(column);
                    let mut left = task.left;
                    let mut coming = task.coming;
                    for _ in 0..task.words / AT_ONCE {
                        // What follows comes from far away; a hint past the end is harmless.
                        _mm_prefetch::<_MM_HINT_T1>(coming.cast());
                        coming = coming.wrapping_add(task.coming_step);
                        if TALL {
                            // Panels come from the second-level cache.
                            for word in 0..AT_ONCE {
                                for v in 0..VECTORS {
                                    let ahead = panel.wrapping_add((AHEAD + word) * PANEL + v * $lanes);
                                    _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                                }
                            }
                        }
                        let columns: [[$vector; VECTORS]; AT_ONCE] = std::array::from_fn(|word| {
                            std::array::from_fn(|v| $load(panel.add(word * PANEL + v * $lanes).cast()))
                        });
                        for row in 0..ROWS {
                            let left = left.add(row.wrapping_mul(task.left_stride));
                            let [$($a),+]: [$vector; AT_ONCE] =
                                std::array::from_fn(|word| $broadcast(*left.add(word) as i32));
                            for v in 0..VECTORS {
                                let $sum = sums[row][v];
                                let [$($b),+]: [$vector; AT_ONCE] = std::array::from_fn(|word| columns[word][v]);
                                sums[row][v] = $step;
                            }
                        }
                        panel = panel.add(AT_ONCE * PANEL);
                        left = left.add(AT_ONCE);
                    }
                    for row in 0..ROWS {
                        for v in 0..VECTORS {
                            let out = task.out.add(row.wrapping_mul(task.out_stride) + column + v * $lanes);
                            $store(out.cast(), sums[row][v]);
                        }
                    }
                }
            }

            /// See `Kernel::run`.
            pub(super) unsafe fn run(task: &Task) {
                // SAFETY: handed on.
                unsafe { by_rows!(task, tile, $lanes, $tiles) }
            }

            /// See `Kernel::spin`.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn spin(rounds: u32) -> u64 {
                // Enough independent sums that none waits for its last, and few enough for the registers.
                const SUMS: usize = if $lanes == 16 { 24 } else { 12 };
                // 1.0 and a little as f32, twice 1.0 as bfloat16: nothing subnormal, which would be slow.
                let one = || $broadcast(0x3f80_3f80);
                let ([$($a),+], [$(mut $b),+]) = ([(); AT_ONCE].map(|()| one()), [(); AT_ONCE].map(|()| one()));
                let mut sums = [one(); SUMS];
                for _ in 0..rounds {
                    for sum in &mut sums {
                        // SAFETY: no instruction at all; it may have changed the register, for all the compiler
                        // knows, who would otherwise multiply but once.
                        $(unsafe { asm!("/* {0} */", inout($register) $b, options(nomem, nostack, preserves_flags)) })+
                        let $sum = *sum;
                        // SAFETY: values only; the instruction set is here by contract.
                        #[allow(unused_unsafe, reason = "one of the steps has something unsafe in it")]
                        let next = unsafe { $step };
                        *sum = next;
                    }
                }
                black_box(sums);
                u64::from(rounds) * (SUMS * AT_ONCE * $lanes * $numbers * 2) as u64
            }
        }
    };
}

/// Picks the tile of as many rows as the task has.
#[cfg(target_arch = "x86_64")]
macro_rules! by_rows {
    // Vectors of half a panel: both halves in one go.
    ($task:ident, $tile:ident, 16, [$($rows:literal)*]) => {
        match ($task.rows, $task.halves) {
            $(($rows, 1) => $tile::<$rows, 1>($task, 0), ($rows, _) => $tile::<$rows, 2>($task, 0),)*
            _ => unreachable!("the caller keeps to the kernel's rows"),
        }
    };
    // Vectors of a quarter: half after half.
    ($task:ident, $tile:ident, 8, [$($rows:literal)*]) => {
        for column in (0..$task.halves).map(|half| half * HALF) {
            match $task.rows {
                $($rows => $tile::<$rows, 2>($task, column),)*
                _ => unreachable!("the caller keeps to the kernel's rows"),
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vector_kernel!(
    avx512_f32, "avx512f", __m512i in zmm_reg, 16 lanes, 1 in a word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12],
    |sum, [a], [b]| _mm512_castps_si512(_mm512_fmadd_ps(
        _mm512_castsi512_ps(a),
        _mm512_castsi512_ps(b),
        _mm512_castsi512_ps(sum)
    ))
);

#[cfg(target_arch = "x86_64")]
vector_kernel!(
    avx512_bf16, "avx512f,avx512bf16", __m512i in zmm_reg, 16 lanes, 2 in a word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12],
    |sum, [a], [b]| _mm512_castps_si512(_mm512_dpbf16_ps(
        _mm512_castsi512_ps(sum),
        std::mem::transmute::<__m512i, __m512bh>(a),
        std::mem::transmute::<__m512i, __m512bh>(b)
    ))
);

#[cfg(target_arch = "x86_64")]
vector_kernel!(
    avx512_int8, "avx512f,avx512vnni", __m512i in zmm_reg, 16 lanes, 4 in a word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12],
    |sum, [a], [b]| _mm512_dpbusd_epi32(sum, a, b)
);

#[cfg(target_arch = "x86_64")]
vector_kernel!(
    avx2_f32, "avx2,fma", __m256i in ymm_reg, 8 lanes, 1 in a word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2 3 4 5 6],
    |sum, [a], [b]| _mm256_castps_si256(_mm256_fmadd_ps(
        _mm256_castsi256_ps(a),
        _mm256_castsi256_ps(b),
        _mm256_castsi256_ps(sum)
    ))
);

#[cfg(target_arch = "x86_64")]
vector_kernel!(
    avx2_bf16, "avx2,fma", __m256i in ymm_reg, 8 lanes, 2 in a word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2 3 4],
    |sum, [a], [b]| {
        let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
        let (a1, b1) = (_mm256_and_si256(a, upper), _mm256_and_si256(b, upper));
        let (a0, b0) = (_mm256_slli_epi32::<16>(a), _mm256_slli_epi32::<16>(b));
        let sum = _mm256_fmadd_ps(_mm256_castsi256_ps(a1), _mm256_castsi256_ps(b1), _mm256_castsi256_ps(sum));
        _mm256_castps_si256(_mm256_fmadd_ps(_mm256_castsi256_ps(a0), _mm256_castsi256_ps(b0), sum))
    }
);

#[cfg(target_arch = "x86_64")]
vector_kernel!(
    avxvnni_int8, "avx2,avxvnni", __m256i in ymm_reg, 8 lanes, 4 in a word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2 3 4 5 6],
    |sum, [a], [b]| _mm256_dpbusd_avx_epi32(sum, a, b)
);

// The instruction that multiplies bytes adds pairs in 16 bits. Weights are kept small enough (`NARROW_SUM`) that the
// pairs of two words fit in there together, so that sums are widened half as often.
#[cfg(target_arch = "x86_64")]
vector_kernel!(
    avx2_int8, "avx2", __m256i in ymm_reg, 8 lanes, 4 in a word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2 3],
    |sum, [a0, a1], [b0, b1]| {
        let pairs = _mm256_add_epi16(_mm256_maddubs_epi16(a0, b0), _mm256_maddubs_epi16(a1, b1));
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
);

/// Defines a module as [`vector_kernel`] does, in plain Rust.
macro_rules! plain_kernel {
    ($name:ident, $numbers:literal in a word, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        mod $name {
            use super::*;

            /// This and the next as those of [`vector_kernel`].
            pub(super) const AT_ONCE: usize = 1;
            pub(super) const DEPTH: usize = usize::MAX;

            /// See `Kernel::run`.
            pub(super) unsafe fn run(task: &Task) {
                let columns = task.halves * HALF;
                for row in 0..task.rows {
                    let mut sums = [0; PANEL];
                    // SAFETY: by contract all rows, columns and words touched are inside their slices. Where sums
                    // start may be where they go, so it is read before that is borrowed.
                    let (left, panel, out) = unsafe {
                        task.start.add(row * task.start_stride).copy_to_nonoverlapping(sums.as_mut_ptr(), columns);
                        (
                            std::slice::from_raw_parts(task.left.add(row * task.left_stride), task.words),
                            std::slice::from_raw_parts(task.panel, task.words * PANEL),
                            std::slice::from_raw_parts_mut(task.out.add(row * task.out_stride), columns),
                        )
                    };
                    for (&$a, words) in left.iter().zip(panel.as_chunks::<PANEL>().0) {
                        for (sum, &$b) in sums.iter_mut().zip(words) {
                            let $sum = *sum;
                            *sum = $step;
                        }
                    }
                    out.copy_from_slice(&sums[..columns]);
                }
            }

            /// See `Kernel::spin`.
            pub(super) unsafe fn spin(rounds: u32) -> u64 {
                let $a = black_box(0x3f80_3f80_u32);
                let mut sums = [0_u32; PANEL];
                for _ in 0..rounds {
                    // As if it were another panel each time, so that products are computed anew.
                    for (sum, $b) in sums.iter_mut().zip(black_box([0x3f80_3f80_u32; PANEL])) {
                        let $sum = *sum;
                        *sum = $step;
                    }
                }
                black_box(sums);
                u64::from(rounds) * (PANEL * $numbers * 2) as u64
            }
        }
    };
}

plain_kernel!(plain_f32, 1 in a word, |sum, a, b| {
    let (a, b, sum) = (f32::from_bits(a), f32::from_bits(b), f32::from_bits(sum));
    // Where the machine can't fuse the two, doing so is a slow call into a library.
    let fused = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
    (if fused { a.mul_add(b, sum) } else { sum + a * b }).to_bits()
});

// The upper product comes first, as in the instruction (Intel's manual, VDPBF16PS). Products of bfloat16
// are exact in single precision, so it doesn't matter whether product and sum are fused.
plain_kernel!(plain_bf16, 2 in a word, |sum, a, b| {
    let lower = |word: u32| f32::from_bits(word << 16);
    let upper = |word: u32| f32::from_bits(word & 0xffff_0000);
    (f32::from_bits(sum) + upper(a) * upper(b) + lower(a) * lower(b)).to_bits()
});

plain_kernel!(plain_int8, 4 in a word, |sum, a, b| {
    let products = (0..4).map(|byte| {
        let (a, b) = ((a >> (8 * byte)) as u8, (b >> (8 * byte)) as u8 as i8);
        i32::from(a) * i32::from(b)
    });
    (sum as i32).wrapping_add(products.sum()) as u32
});

macro_rules! kernel {
    ($name:literal, $rows:literal rows, $module:ident, [$($feature:tt),*]) => {
        kernel!($name, $rows rows, narrow false, $module, [$($feature),*])
    };
    ($name:literal, $rows:literal rows, narrow $narrow:literal, $module:ident, [$($feature:tt),*]) => {
        Kernel {
            name: $name,
            rows: $rows,
            at_once: $module::AT_ONCE,
            depth: $module::DEPTH,
            narrow: $narrow,
            is_here: || true $(&& is_x86_feature_detected!($feature))*,
            run: $module::run,
            spin: $module::spin,
        }
    };
}

static F32: &[Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    kernel!("avx512", 12 rows, avx512_f32, ["avx512f"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx2", 6 rows, avx2_f32, ["avx2", "fma"]),
    kernel!("plain", 12 rows, plain_f32, []),
];

static BF16: &[Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    kernel!("avx512", 12 rows, avx512_bf16, ["avx512f", "avx512bf16"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx2", 4 rows, avx2_bf16, ["avx2", "fma"]),
    kernel!("plain", 12 rows, plain_bf16, []),
];

static INT8: &[Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    kernel!("avx512", 12 rows, avx512_int8, ["avx512f", "avx512vnni"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avxvnni", 6 rows, avxvnni_int8, ["avx2", "avxvnni"]),
    #[cfg(target_arch = "x86_64")]
    kernel!("avx2", 3 rows, narrow true, avx2_int8, ["avx2"]),
    kernel!("plain", 12 rows, plain_int8, []),
];

#[cfg(test)]
#[path = "dot_tests.rs"]
mod tests;
