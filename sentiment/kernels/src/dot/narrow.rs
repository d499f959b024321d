//! int8 where a processor has AVX2 but no VNNI: its instruction for bytes multiplies two pairs and adds them in 16 bits.
//!
//! Weights are kept so small (`NARROW_SUM`) that the pairs of two words fit in there together, and sums are widened
//! half as often. Even so only two instructions in five multiply, and a processor that shares its core with another
//! thread takes up about three a cycle. So columns are read by the instruction that multiplies them instead of by
//! one of their own, which compilers do not do where a column is read twice: the step is written in assembler.

#![cfg(target_arch = "x86_64")]

/// Tiles of up to two rows.
pub mod avx2_int8 {
    use crate::dot::vector::by_rows;
    use crate::dot::{PANEL, SHALLOW, Task};
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// Words of a row that are taken without a look at how many are left.
    pub const AT_ONCE: usize = 2 * PAIR;

    /// Words whose products meet in 16 bits.
    const PAIR: usize = 2;

    /// See `Kernel::hint_every`.
    pub const HINT_EVERY: usize = AT_ONCE;

    /// See `Kernel::depth`.
    pub const DEPTH: usize = SHALLOW;

    /// Numbers of 32 bits in a vector.
    const LANES: usize = 8;

    /// From a word's columns to those of the next, in bytes.
    const NEXT: usize = PANEL * size_of::<u32>();

    /// Contract: as `Kernel::run`'s, for `ROWS` rows and `VECTORS` vectors of columns.
    #[target_feature(enable = "avx2")]
    unsafe fn tile<const ROWS: usize, const VECTORS: usize>(task: &Task) {
        // SAFETY: by contract all rows, columns and words touched are inside their slices.
        unsafe {
            let mut sums: [[__m256i; VECTORS]; ROWS] = std::array::from_fn(|row| {
                let start = task.start.add(row.wrapping_mul(task.start_stride));
                std::array::from_fn(|v| _mm256_loadu_si256(start.add(v * LANES).cast()))
            });
            let (mut left, mut panel, mut coming) = (task.left, task.panel, task.coming);
            for _ in 0..task.words / AT_ONCE {
                // What follows comes from far away; a hint past the end is harmless.
                _mm_prefetch::<_MM_HINT_T1>(coming.cast());
                coming = coming.wrapping_add(task.coming_step);
                for pair in (0..AT_ONCE).step_by(PAIR) {
                    let panel = panel.add(pair * PANEL);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let left = left.add(row.wrapping_mul(task.left_stride).wrapping_add(pair));
                        let words = [_mm256_set1_epi32(*left as i32), _mm256_set1_epi32(*left.add(1) as i32)];
                        sums[0] = step::<0>(sums[0], words, panel);
                        sums[1] = step::<32>(sums[1], words, panel);
                        if VECTORS == 4 {
                            sums[2] = step::<64>(sums[2], words, panel);
                            sums[3] = step::<96>(sums[3], words, panel);
                        }
                    }
                }
                (left, panel) = (left.add(AT_ONCE), panel.add(AT_ONCE * PANEL));
            }
            for (row, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    let out = task.out.add(row.wrapping_mul(task.out_stride) + v * LANES);
                    _mm256_storeu_si256(out.cast(), sum);
                }
            }
        }
    }

    /// What two words of a row and eight columns, `OFFSET` bytes from `panel` on, add to their sums.
    ///
    /// Contract: readable are 32 bytes there, and as many `NEXT` bytes behind them.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn step<const OFFSET: usize>(mut sum: __m256i, words: [__m256i; PAIR], panel: *const u32) -> __m256i {
        // SAFETY: it reads what the contract says, and writes to its registers alone.
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
    pub unsafe fn run(task: &Task) {
        // SAFETY: handed on.
        unsafe { by_rows!(task, tile, 8, [1 2]) }
    }

    /// See `Kernel::spin`.
    #[target_feature(enable = "avx2")]
    pub unsafe fn spin(rounds: u32) -> u64 {
        // Enough independent sums that none waits for its last.
        const SUMS: usize = 8;
        let one = _mm256_set1_epi32(0x0101_0101);
        let (mut sums, mut columns) = ([one; SUMS], [one; PAIR]);
        for _ in 0..rounds {
            for sum in &mut sums {
                let [a, b] = &mut columns;
                // SAFETY: no instruction at all; it may have changed the registers, for all the compiler knows, who
                // would otherwise multiply but once.
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
