//! Kernels in plain Rust, which run on any processor.

/// Defines a module with `run` and `spin` for one precision.
macro_rules! plain_kernel {
    ($name:ident, $elements:literal per word, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        pub mod $name {
            use crate::dot::{HALF_PANEL, PANEL, TileTask};
            use std::hint::black_box;

            /// See `Kernel::words_per_step`.
            pub const WORDS_PER_STEP: usize = 1;

            /// See `Kernel::panel_depth`.
            pub const PANEL_DEPTH: usize = usize::MAX;

            /// See `Kernel::words_per_prefetch`: plain Rust does not prefetch.
            pub const WORDS_PER_PREFETCH: usize = 1;

            /// See `Kernel::run`.
            pub unsafe fn run(task: &TileTask) {
                let columns = task.halves * HALF_PANEL;
                for row in 0..task.rows {
                    let mut sums = [0; PANEL];
                    // SAFETY: by contract all rows, columns and words touched are inside their slices. The initial sums
                    // may overlap with the output, so they are read before it is borrowed.
                    let (lhs, panel, out) = unsafe {
                        task.initial.add(row * task.initial_stride).copy_to_nonoverlapping(sums.as_mut_ptr(), columns);
                        (
                            std::slice::from_raw_parts(task.lhs.add(row * task.lhs_stride), task.words),
                            std::slice::from_raw_parts(task.panel, task.words * PANEL),
                            std::slice::from_raw_parts_mut(task.out.add(row * task.out_stride), columns),
                        )
                    };
                    for (&$a, words) in lhs.iter().zip(panel.as_chunks::<PANEL>().0) {
                        for (sum, &$b) in sums.iter_mut().zip(words) {
                            let $sum = *sum;
                            *sum = $step;
                        }
                    }
                    out.copy_from_slice(&sums[..columns]);
                }
            }

            /// See `Kernel::spin`.
            pub unsafe fn spin(rounds: u32) -> u64 {
                let $a = black_box(0x3f80_3f80_u32);
                let mut sums = [0_u32; PANEL];
                for _ in 0..rounds {
                    // Prevents the compiler from computing the products only once.
                    for (sum, $b) in sums.iter_mut().zip(black_box([0x3f80_3f80_u32; PANEL])) {
                        let $sum = *sum;
                        *sum = $step;
                    }
                }
                black_box(sums);
                u64::from(rounds) * (PANEL * $elements * 2) as u64
            }
        }
    };
}

plain_kernel!(plain_f32, 1 per word, |sum, a, b| {
    let (a, b, sum) = (f32::from_bits(a), f32::from_bits(b), f32::from_bits(sum));
    // Without the instruction, `mul_add` is a slow library call.
    let fused = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
    (if fused { a.mul_add(b, sum) } else { sum + a * b }).to_bits()
});

// The upper product comes first, as in the instruction (Intel's manual, VDPBF16PS). Products of bfloat16 are exact in
// single precision, so it does not matter whether product and sum are fused.
plain_kernel!(plain_bf16, 2 per word, |sum, a, b| {
    let lower = |word: u32| f32::from_bits(word << 16);
    let upper = |word: u32| f32::from_bits(word & 0xffff_0000);
    (f32::from_bits(sum) + upper(a) * upper(b) + lower(a) * lower(b)).to_bits()
});

plain_kernel!(plain_int8, 4 per word, |sum, a, b| {
    let products = (0..4).map(|byte| {
        let (a, b) = ((a >> (8 * byte)) as u8, (b >> (8 * byte)) as u8 as i8);
        i32::from(a) * i32::from(b)
    });
    (sum as i32).wrapping_add(products.sum()) as u32
});
