//! Kernels for vector instructions that multiply and add.
//!
//! A tile multiplies its rows by all vectors of a panel, or of half a panel, and keeps the sums in registers. Each
//! word of a row is broadcast and multiplied by the vectors of the panel that belong to this word. A processor issues
//! a limited number of instructions per cycle, fewer when another thread shares its core, so every load and broadcast
//! takes the place of a multiplication. Of the tile sizes that fit into the registers, the one with the fewest loads
//! and broadcasts per multiplication is used.

#![cfg(target_arch = "x86_64")]

/// How many words ahead of the current one a panel is prefetched.
const AHEAD: usize = 8;

/// Defines a module with `run` and `spin` for one instruction set and precision.
macro_rules! vector_kernel {
    (
        $name:ident, $features:literal, $vector:ident in $register:ident, $lanes:tt lanes, $elements:literal per word,
        $load:ident, $store:ident, $broadcast:ident,
        tiles $tiles:tt, $unrolled:literal words unrolled, |$sum:ident, $a:ident, $b:ident| $step:expr
    ) => {
        pub mod $name {
            use super::AHEAD;
            use crate::dot::{PANEL, L1_WORDS, TileTask};
            use std::arch::asm;
            use std::arch::x86_64::*;
            use std::hint::black_box;
            use std::sync::atomic::{Ordering, compiler_fence};

            /// See `Kernel::words_per_step`.
            pub const WORDS_PER_STEP: usize = 1;

            /// Whether tiles have enough rows that a panel need not stay in the first-level cache from one tile to the
            /// next.
            const TALL: bool = $lanes == 16;

            /// See `Kernel::panel_depth`.
            pub const PANEL_DEPTH: usize = if TALL { usize::MAX } else { L1_WORDS };

            /// Words that the unrolled loop processes per iteration.
            const UNROLLED: usize = $unrolled;

            /// See `Kernel::words_per_prefetch`.
            pub const WORDS_PER_PREFETCH: usize = UNROLLED;

            /// The position of a tile in its operands.
            #[derive(Clone, Copy)]
            struct Position {
                lhs: *const u32,
                panel: *const u32,
                upcoming: *const u8,
            }

            /// Contract: as `Kernel::run`'s, for `ROWS` rows and `VECTORS` vectors of columns.
            #[target_feature(enable = $features)]
            unsafe fn tile<const ROWS: usize, const VECTORS: usize>(task: &TileTask) {
                // SAFETY: by contract all rows, columns and words touched are inside their slices.
                unsafe {
                    let mut sums: [[$vector; VECTORS]; ROWS] = std::array::from_fn(|row| {
                        let start = task.initial.add(row.wrapping_mul(task.initial_stride));
                        std::array::from_fn(|v| $load(start.add(v * $lanes).cast()))
                    });
                    let start = Position { lhs: task.lhs, panel: task.panel, upcoming: task.upcoming };
                    let groups = task.words / UNROLLED;
                    let rest = task.words - groups * UNROLLED;
                    let position = words::<ROWS, VECTORS, UNROLLED>(task, start, groups, &mut sums);
                    words::<ROWS, VECTORS, 1>(task, position, rest, &mut sums);
                    for row in 0..ROWS {
                        for v in 0..VECTORS {
                            let out = task.out.add(row.wrapping_mul(task.out_stride) + v * $lanes);
                            $store(out.cast(), sums[row][v]);
                        }
                    }
                }
            }

            /// Processes groups of `COUNT` words from `position` on. Returns the position after them.
            ///
            /// Contract: as for `tile`, and `groups * COUNT` words are left after `position`.
            #[inline]
            #[target_feature(enable = $features)]
            unsafe fn words<const ROWS: usize, const VECTORS: usize, const COUNT: usize>(
                task: &TileTask,
                mut position: Position,
                groups: usize,
                sums: &mut [[$vector; VECTORS]; ROWS],
            ) -> Position {
                // SAFETY: by contract.
                unsafe {
                    for _ in 0..groups {
                        // Prefetching past the end is harmless.
                        _mm_prefetch::<_MM_HINT_T1>(position.upcoming.cast());
                        position.upcoming = position.upcoming.wrapping_add(COUNT.wrapping_mul(task.upcoming_step));
                        for word in 0..COUNT {
                            let panel = position.panel.add(word * PANEL);
                            // Emits no instruction. Without it the compiler moves loads ahead until registers spill.
                            compiler_fence(Ordering::SeqCst);
                            if TALL {
                                // Panels come from the second-level cache.
                                for v in 0..VECTORS {
                                    _mm_prefetch::<_MM_HINT_T0>(panel.wrapping_add(AHEAD * PANEL + v * $lanes).cast());
                                }
                            }
                            let row = |row: usize| {
                                let lhs = position.lhs.add(row.wrapping_mul(task.lhs_stride).wrapping_add(word));
                                $broadcast(*lhs as i32)
                            };
                            let column = |v: usize| $load(panel.add(v * $lanes).cast());
                            let mut step = |row: usize, v: usize, $a, $b| {
                                let $sum = sums[row][v];
                                sums[row][v] = $step;
                            };
                            // Whichever are fewer, rows or columns, are kept in registers.
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
                        (position.lhs, position.panel) = (position.lhs.add(COUNT), position.panel.add(COUNT * PANEL));
                    }
                }
                position
            }

            /// See `Kernel::run`.
            pub unsafe fn run(task: &TileTask) {
                // SAFETY: the same contract.
                unsafe { by_rows!(task, tile, $lanes, $tiles) }
            }

            /// See `Kernel::spin`.
            #[target_feature(enable = $features)]
            pub unsafe fn spin(rounds: u32) -> u64 {
                // Enough independent sums that none waits for its previous value, and few enough for the registers.
                const SUMS: usize = if $lanes == 16 { 24 } else { 12 };
                // As f32 slightly above 1.0; as two bfloat16 elements 1.0 and 1.0. A subnormal number would be slow.
                let one = || $broadcast(0x3f80_3f80);
                let ($a, mut $b, mut sums) = (one(), one(), [one(); SUMS]);
                for _ in 0..rounds {
                    for sum in &mut sums {
                        // SAFETY: no instruction. The compiler must assume that the register has changed; otherwise
                        // it would multiply only once.
                        unsafe { asm!("/* {0} */", inout($register) $b, options(nomem, nostack, preserves_flags)) }
                        let $sum = *sum;
                        // SAFETY: a step touches no memory; the instruction set is available by contract.
                        #[allow(unused_unsafe, reason = "one of the steps contains an unsafe call")]
                        let next = unsafe { $step };
                        *sum = next;
                    }
                }
                black_box(sums);
                u64::from(rounds) * (SUMS * $lanes * $elements * 2) as u64
            }
        }
    };
}

/// Calls the tile function for the number of rows of the task.
macro_rules! by_rows {
    // Vectors of half a panel.
    ($task:ident, $tile:ident, 16, [$($rows:literal)*]) => {
        match ($task.rows, $task.halves) {
            $(($rows, 1) => $tile::<$rows, 1>($task), ($rows, _) => $tile::<$rows, 2>($task),)*
            _ => unreachable!("the caller checks the number of rows"),
        }
    };
    // Vectors of a quarter of a panel.
    ($task:ident, $tile:ident, 8, [$($rows:literal)*]) => {
        match ($task.rows, $task.halves) {
            $(($rows, 1) => $tile::<$rows, 2>($task), ($rows, _) => $tile::<$rows, 4>($task),)*
            _ => unreachable!("the caller checks the number of rows"),
        }
    };
}
pub(super) use by_rows;

vector_kernel!(
    avx512_f32, "avx512f", __m512i in zmm_reg, 16 lanes, 1 per word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12], 1 words unrolled,
    |sum, a, b| _mm512_castps_si512(_mm512_fmadd_ps(
        _mm512_castsi512_ps(a),
        _mm512_castsi512_ps(b),
        _mm512_castsi512_ps(sum)
    ))
);

vector_kernel!(
    avx512_bf16, "avx512f,avx512bf16", __m512i in zmm_reg, 16 lanes, 2 per word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12], 1 words unrolled,
    |sum, a, b| _mm512_castps_si512(_mm512_dpbf16_ps(
        _mm512_castsi512_ps(sum),
        std::mem::transmute::<__m512i, __m512bh>(a),
        std::mem::transmute::<__m512i, __m512bh>(b)
    ))
);

vector_kernel!(
    avx512_int8, "avx512f,avx512vnni", __m512i in zmm_reg, 16 lanes, 4 per word,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
    tiles [1 2 3 4 5 6 7 8 9 10 11 12], 1 words unrolled,
    |sum, a, b| _mm512_dpbusd_epi32(sum, a, b)
);

vector_kernel!(
    avx2_f32, "avx2,fma", __m256i in ymm_reg, 8 lanes, 1 per word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2 3], 4 words unrolled,
    |sum, a, b| _mm256_castps_si256(_mm256_fmadd_ps(
        _mm256_castsi256_ps(a),
        _mm256_castsi256_ps(b),
        _mm256_castsi256_ps(sum)
    ))
);

vector_kernel!(
    avx2_bf16, "avx2,fma", __m256i in ymm_reg, 8 lanes, 2 per word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2], 1 words unrolled,
    |sum, a, b| {
        let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
        let (a1, b1) = (_mm256_and_si256(a, upper), _mm256_and_si256(b, upper));
        let (a0, b0) = (_mm256_slli_epi32::<16>(a), _mm256_slli_epi32::<16>(b));
        let sum = _mm256_fmadd_ps(_mm256_castsi256_ps(a1), _mm256_castsi256_ps(b1), _mm256_castsi256_ps(sum));
        _mm256_castps_si256(_mm256_fmadd_ps(_mm256_castsi256_ps(a0), _mm256_castsi256_ps(b0), sum))
    }
);

vector_kernel!(
    avxvnni_int8, "avx2,avxvnni", __m256i in ymm_reg, 8 lanes, 4 per word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2 3], 4 words unrolled,
    |sum, a, b| _mm256_dpbusd_avx_epi32(sum, a, b)
);

// Multiplies in 16 bits, so weights keep all 8 bits. Half as fast as the narrow kernel.
vector_kernel!(
    avx2_int8_wide, "avx2", __m256i in ymm_reg, 8 lanes, 4 per word,
    _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
    tiles [1 2], 1 words unrolled,
    |sum, a, b| {
        let low = _mm256_set1_epi16(0xff);
        let even = _mm256_madd_epi16(_mm256_and_si256(a, low), _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)));
        let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
        _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
    }
);
