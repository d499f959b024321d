//! The kernels in plain Rust, which run anywhere.

/// Defines a module with `run` and `spin` for one precision.
macro_rules! plain_kernel {
    ($name:ident, $numbers:literal in a word, |$sum:ident, $a:ident, $b:ident| $step:expr) => {
        pub mod $name {
            use crate::dot::{HALF, PANEL, Task};
            use std::hint::black_box;

            /// Words of a row that one step takes.
            pub const AT_ONCE: usize = 1;

            /// See `Kernel::depth`.
            pub const DEPTH: usize = usize::MAX;

            /// See `Kernel::hint_every`: plain Rust gives no hints, and none are added to them.
            pub const HINT_EVERY: usize = 1;

            /// See `Kernel::run`.
            pub unsafe fn run(task: &Task) {
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
            pub unsafe fn spin(rounds: u32) -> u64 {
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
