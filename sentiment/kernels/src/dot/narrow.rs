//! int8 for processors with AVX2 but no VNNI. Their instruction for bytes multiplies two pairs of bytes and adds both
//! products in 16 bits.
//!
//! Weights are limited (`NARROW_SUM`) so that even the products of two words can be added in 16 bits. This halves the
//! number of widening additions, but still only two instructions in five multiply weights, and a hardware thread that
//! shares its core with another issues about three instructions per cycle. To save the loads, the multiplication takes
//! the columns directly from memory. Compilers don't generate that where a column is read twice, so the step is written
//! in assembly.

#![cfg(target_arch = "x86_64")]

/// Tiles of up to two rows.
pub mod avx2_int8 {
    use crate::dot::vector::by_rows;
    use crate::dot::{L1_WORDS, PANEL, TileTask};
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// See `Kernel::words_per_step`.
    pub const WORDS_PER_STEP: usize = 2 * PAIR;

    /// Words whose products are added in 16 bits.
    const PAIR: usize = 2;

    /// See `Kernel::words_per_prefetch`.
    pub const WORDS_PER_PREFETCH: usize = WORDS_PER_STEP;

    /// See `Kernel::panel_depth`.
    pub const PANEL_DEPTH: usize = L1_WORDS;

    /// 32-bit elements in a vector.
    const LANES: usize = 8;

    /// Bytes in a panel from the columns of one word to those of the next.
    const NEXT: usize = PANEL * size_of::<u32>();

    /// Contract: as `Kernel::run`'s, for `ROWS` rows and `VECTORS` vectors of columns.
    #[target_feature(enable = "avx2")]
    unsafe fn tile<const ROWS: usize, const VECTORS: usize>(task: &TileTask) {
        // SAFETY: by contract all rows, columns and words touched are inside their slices.
        unsafe {
            let mut sums: [[__m256i; VECTORS]; ROWS] = std::array::from_fn(|row| {
                let start = task.initial.add(row.wrapping_mul(task.initial_stride));
                std::array::from_fn(|v| _mm256_loadu_si256(start.add(v * LANES).cast()))
            });
            let (mut lhs, mut panel, mut upcoming) = (task.lhs, task.panel, task.upcoming);
            for _ in 0..task.words / WORDS_PER_STEP {
                // Prefetching past the end is harmless.
                _mm_prefetch::<_MM_HINT_T1>(upcoming.cast());
                upcoming = upcoming.wrapping_add(task.upcoming_step);
                for pair in (0..WORDS_PER_STEP).step_by(PAIR) {
                    let panel = panel.add(pair * PANEL);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let lhs = lhs.add(row.wrapping_mul(task.lhs_stride).wrapping_add(pair));
                        let words = [_mm256_set1_epi32(*lhs as i32), _mm256_set1_epi32(*lhs.add(1) as i32)];
                        sums[0] = step::<0>(sums[0], words, panel);
                        sums[1] = step::<32>(sums[1], words, panel);
                        if VECTORS == 4 {
                            sums[2] = step::<64>(sums[2], words, panel);
                            sums[3] = step::<96>(sums[3], words, panel);
                        }
                    }
                }
                (lhs, panel) = (lhs.add(WORDS_PER_STEP), panel.add(WORDS_PER_STEP * PANEL));
            }
            for (row, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    let out = task.out.add(row.wrapping_mul(task.out_stride) + v * LANES);
                    _mm256_storeu_si256(out.cast(), sum);
                }
            }
        }
    }

    /// Adds the products of two words of a row and the eight columns that begin `OFFSET` bytes after `panel` to their
    /// sums.
    ///
    /// Contract: 32 bytes are readable there, and another 32 bytes `NEXT` bytes later.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn step<const OFFSET: usize>(mut sum: __m256i, words: [__m256i; PAIR], panel: *const u32) -> __m256i {
        // SAFETY: it reads what the contract allows and writes only to its registers.
        unsafe {
            asm!(
                "vpmaddubsw {t}, {a}, ymmword ptr [{panel} + {offset}]",
                "vpmaddubsw {u}, {b}, ymmword ptr [{panel} + {next}]",
                "vpaddw {t}, {t}, {u}",
                "vpmaddwd {t}, {t}, {ones}",
                "vpaddd {sum}, {sum}, {t}",
                a = in(ymm_reg) words[0],
                b = in(ymm_reg) words[1],
                ones = in(ymm_reg) _mm256_set1_epi16(1),
                panel = in(reg) panel,
                offset = const OFFSET,
                next = const OFFSET + NEXT,
                sum = inout(ymm_reg) sum,
                t = out(ymm_reg) _,
                u = out(ymm_reg) _,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        sum
    }

    /// See `Kernel::run`.
    pub unsafe fn run(task: &TileTask) {
        // SAFETY: the same contract.
        unsafe { by_rows!(task, tile, 8, [1 2]) }
    }

    /// See `Kernel::spin`.
    #[target_feature(enable = "avx2")]
    pub unsafe fn spin(rounds: u32) -> u64 {
        // Enough independent sums that none waits for its previous value.
        const SUMS: usize = 8;
        let one = _mm256_set1_epi32(0x0101_0101);
        let (mut sums, mut columns) = ([one; SUMS], [one; PAIR]);
        for _ in 0..rounds {
            for sum in &mut sums {
                let [a, b] = &mut columns;
                // SAFETY: no instruction. The compiler must assume that the registers have changed; otherwise it would
                // multiply only once.
                unsafe {
                    asm!(
                        "/* {0} {1} */",
                        inout(ymm_reg) * a,
                        inout(ymm_reg) * b,
                        options(nomem, nostack, preserves_flags)
                    )
                }
                let pairs = _mm256_add_epi16(_mm256_maddubs_epi16(one, *a), _mm256_maddubs_epi16(one, *b));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            }
        }
        black_box(sums);
        u64::from(rounds) * (SUMS * PAIR * LANES * 4 * 2) as u64
    }
}
