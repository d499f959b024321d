//! Kernels whose product of two vectors is one instruction or two.
//!
//! A tile is its rows times all vectors of a panel, or of half a panel, in registers: each word of a row is broadcast
//! and meets the vectors of its row of the panel. A processor takes up so many instructions a cycle, fewer where
//! another thread shares its core, and those that multiply are what it is there for. So of the tiles that fit into
//! the registers the one is taken that loads and broadcasts the least for each product.

#![cfg(target_arch = "x86_64")]

/// How many words ahead a panel is fetched.
const AHEAD: usize = 8;

/// Defines a module with `run` and `spin` for one instruction set and precision.
macro_rules! vector_kernel {
    (
        $name:ident, $features:literal, $vector:ident in $register:ident, $lanes:tt lanes, $numbers:literal in a word,
        $load:ident, $store:ident, $broadcast:ident,
        tiles $tiles:tt, $together:literal words together, |$sum:ident, $a:ident, $b:ident| $step:expr
    ) => {
        pub mod $name {
            use super::AHEAD;
            use crate::dot::{PANEL, SHALLOW, Task};
            use std::arch::asm;
            use std::arch::x86_64::*;
            use std::hint::black_box;
            use std::sync::atomic::{Ordering, compiler_fence};

            /// Words of a row that a tile has a multiple of.
            pub const AT_ONCE: usize = 1;

            /// Whether tiles have so many rows that a panel need not stay in the first-level cache from one to the next.
            const TALL: bool = $lanes == 16;

            /// See `Kernel::depth`.
            pub const DEPTH: usize = if TALL { usize::MAX } else { SHALLOW };

            /// Words that are taken without a look at how many are left.
            const TOGETHER: usize = $together;

            /// See `Kernel::hint_every`.
            pub const HINT_EVERY: usize = TOGETHER;

            /// Where a tile has got to.
            #[derive(Clone, Copy)]
            struct Place {
                left: *const u32,
                panel: *const u32,
                coming: *const u8,
            }

            /// Contract: as `Kernel::run`'s, for `ROWS` rows and `VECTORS` vectors of columns.
            #[target_feature(enable = $features)]
            unsafe fn tile<const ROWS: usize, const VECTORS: usize>(task: &Task) {
                // SAFETY: by contract all rows, columns and words touched are inside their slices.
                unsafe {
                    let mut sums: [[$vector; VECTORS]; ROWS] = std::array::from_fn(|row| {
                        let start = task.start.add(row.wrapping_mul(task.start_stride));
                        std::array::from_fn(|v| $load(start.add(v * $lanes).cast()))
                    });
                    let start = Place { left: task.left, panel: task.panel, coming: task.coming };
                    let groups = task.words / TOGETHER;
                    let rest = task.words - groups * TOGETHER;
                    let place = words::<ROWS, VECTORS, TOGETHER>(task, start, groups, &mut sums);
                    words::<ROWS, VECTORS, 1>(task, place, rest, &mut sums);
                    for row in 0..ROWS {
                        for v in 0..VECTORS {
                            let out = task.out.add(row.wrapping_mul(task.out_stride) + v * $lanes);
                            $store(out.cast(), sums[row][v]);
                        }
                    }
                }
            }

            /// So many groups of `COUNT` words from that place on. Gives the place behind them.
            ///
            /// Contract: as `tile`'s, and that so many words are left.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn words<const ROWS: usize, const VECTORS: usize, const COUNT: usize>(
                task: &Task,
                mut place: Place,
                groups: usize,
                sums: &mut [[$vector; VECTORS]; ROWS],
            ) -> Place {
                // SAFETY: by contract.
                unsafe {
                    for _ in 0..groups {
                        // What follows comes from far away; a hint past the end is harmless.
                        _mm_prefetch::<_MM_HINT_T1>(place.coming.cast());
                        place.coming = place.coming.wrapping_add(COUNT.wrapping_mul(task.coming_step));
                        for word in 0..COUNT {
                            let panel = place.panel.add(word * PANEL);
                            // No instruction; but the compiler would load words ahead until registers overflow.
                            compiler_fence(Ordering::SeqCst);
                            if TALL {
                                // Panels come from the second-level cache.
                                for v in 0..VECTORS {
                                    _mm_prefetch::<_MM_HINT_T0>(panel.wrapping_add(AHEAD * PANEL + v * $lanes).cast());
                                }
                            }
                            let row = |row: usize| {
                                let left = place.left.add(row.wrapping_mul(task.left_stride).wrapping_add(word));
                                $broadcast(*left as i32)
                            };
                            let column = |v: usize| $load(panel.add(v * $lanes).cast());
                            let mut step = |row: usize, v: usize, $a, $b| {
                                let $sum = sums[row][v];
                                sums[row][v] = $step;
                            };
                            // Of rows and columns those that are fewer are kept in registers.
                            if ROWS > VECTORS {
                                let columns: [$vector; VECTORS] = std::array::from_fn(column);
                                for at in 0..ROWS {
                                    let a = row(at);
                                    (0..VECTORS).for_each(|v| step(at, v, a, columns[v]));
                                }
                            } else {
                                let rows: [$vector; ROWS] = std::array::from_fn(row);
                                for v in 0..VECTORS {
                                    let b = column(v);
                                    (0..ROWS).for_each(|at| step(at, v, rows[at], b));
                                }
                            }
                        }
                        (place.left, place.panel) = (place.left.add(COUNT), place.panel.add(COUNT * PANEL));
                    }
                }
                place
            }

            /// See `Kernel::run`.
            pub unsafe fn run(task: &Task) {
                // SAFETY: handed on.
                unsafe { by_rows!(task, tile, $lanes, $tiles) }
            }

            /// See `Kernel::spin`.
            #[target_feature(enable = $features)]
            pub unsafe fn spin(rounds: u32) -> u64 {
                // Enough independent sums that none waits for its last, and few enough for the registers.
                const SUMS: usize = if $lanes == 16 { 24 } else { 12 };
                // 1.0 and a little as f32, twice 1.0 as bfloat16: nothing subnormal, which would be slow.
                let one = || $broadcast(0x3f80_3f80);
                let ($a, mut $b, mut sums) = (one(), one(), [one(); SUMS]);
                for _ in 0..rounds {
                    for sum in &mut sums {
                        // SAFETY: no instruction at all; it may have changed the register, for all the compiler
                        // knows, who would otherwise multiply but once.
                        unsafe { asm!("/* {0} */", inout($register) $b, options(nomem, nostack, preserves_flags)) }
                        let $sum = *sum;
                        // SAFETY: values only; the instruction set is here by contract.
                        #[allow(unused_unsafe, reason = "one of the steps has something unsafe in it")]
                        let next = unsafe { $step };
                        *sum = next;
                    }
                }
                black_box(sums);
                u64::from(rounds) * (SUMS * $lanes * $numbers * 2) as u64
            }
        }
    };
}

/// Picks the tile of as many rows as the task has.
macro_rules! by_rows {
    // Vectors of half a panel.
    ($task:ident, $tile:ident, 16, [$($rows:literal)*]) => {
        match ($task.rows, $task.halves) {
            $(($rows, 1) => $tile::<$rows, 1>($task), ($rows, _) => $tile::<$rows, 2>($task),)*
            _ => unreachable!("the caller keeps to the kernel's rows"),
        }
    };
    // Vectors of a quarter.
    ($task:ident, $tile:ident, 8, [$($rows:literal)*]) => {
        match ($task.rows, $task.halves) {
            $(($rows, 1) => $tile::<$rows, 2>($task), ($rows, _) => $tile::<$rows, 4>($task),)*
            _ => unreachable!("the caller keeps to the kernel's rows"),
        }
    };
}
pub(super) use by_rows;

vector_kernel!(
    avx512_f32, "avx512f", __m512i in zmm_reg, 16 lanes, 1 in a word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12], 1 words together,
    |sum, a, b| _mm512_castps_si512(_mm512_fmadd_ps(
        _mm512_castsi512_ps(a),
        _mm512_castsi512_ps(b),
        _mm512_castsi512_ps(sum)
    ))
);

vector_kernel!(
    avx512_bf16, "avx512f,avx512bf16", __m512i in zmm_reg, 16 lanes, 2 in a word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12], 1 words together,
    |sum, a, b| _mm512_castps_si512(_mm512_dpbf16_ps(
        _mm512_castsi512_ps(sum),
        std::mem::transmute::<__m512i, __m512bh>(a),
        std::mem::transmute::<__m512i, __m512bh>(b)
    ))
);

vector_kernel!(
    avx512_int8, "avx512f,avx512vnni", __m512i in zmm_reg, 16 lanes, 4 in a word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12], 1 words together,
    |sum, a, b| _mm512_dpbusd_epi32(sum, a, b)
);

vector_kernel!(
    avx2_f32, "avx2,fma", __m256i in ymm_reg, 8 lanes, 1 in a word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2 3], 4 words together,
    |sum, a, b| _mm256_castps_si256(_mm256_fmadd_ps(
        _mm256_castsi256_ps(a),
        _mm256_castsi256_ps(b),
        _mm256_castsi256_ps(sum)
    ))
);

vector_kernel!(
    avx2_bf16, "avx2,fma", __m256i in ymm_reg, 8 lanes, 2 in a word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2], 1 words together,
    |sum, a, b| {
        let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
        let (a1, b1) = (_mm256_and_si256(a, upper), _mm256_and_si256(b, upper));
        let (a0, b0) = (_mm256_slli_epi32::<16>(a), _mm256_slli_epi32::<16>(b));
        let sum = _mm256_fmadd_ps(_mm256_castsi256_ps(a1), _mm256_castsi256_ps(b1), _mm256_castsi256_ps(sum));
        _mm256_castps_si256(_mm256_fmadd_ps(_mm256_castsi256_ps(a0), _mm256_castsi256_ps(b0), sum))
    }
);

vector_kernel!(
    avxvnni_int8, "avx2,avxvnni", __m256i in ymm_reg, 8 lanes, 4 in a word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2 3], 4 words together,
    |sum, a, b| _mm256_dpbusd_avx_epi32(sum, a, b)
);

// By products of 16 bits: half as fast as the narrow kernel.
vector_kernel!(
    avx2_int8_wide, "avx2", __m256i in ymm_reg, 8 lanes, 4 in a word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2], 1 words together,
    |sum, a, b| {
        let low = _mm256_set1_epi16(0xff);
        let even = _mm256_madd_epi16(_mm256_and_si256(a, low), _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)));
        let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
        _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
    }
);
