#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use super::*;
use proptest::prelude::*;

fn numbers(n: usize, seed: u64) -> Vec<u32> {
    (0..n as u64).map(|i| (i.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 23) as u32).collect()
}

/// Words whose numbers are as the precision allows; floats between 1 and 2 in magnitude, sometimes 0.
fn words(precision: Precision, n: usize, seed: u64) -> Vec<u32> {
    let of = |word: u32| match precision {
        Precision::F32 if word.is_multiple_of(17) => 0,
        Precision::F32 => word & 0x807f_ffff | 0x3f80_0000,
        Precision::Bf16 => word & 0x807f_807f | 0x3f80_3f80,
        Precision::Int8 => word,
    };
    numbers(n, seed).into_iter().map(of).collect()
}

/// Weights never are -128.
fn without_the_lowest(precision: Precision, words: &mut [u32]) {
    if precision == Precision::Int8 {
        for byte in bytemuck::cast_slice_mut::<u32, u8>(words) {
            *byte = if *byte == 128 { 129 } else { *byte };
        }
    }
}

/// Gives back to `start` what the kernel's offset takes away from the sums.
fn without_offset(kernel: &Kernel, panel: &[u32], start: &[u32]) -> Vec<u32> {
    let bytes = |word: u32| word.to_le_bytes().into_iter().map(|byte| i32::from(byte.cast_signed())).sum::<i32>();
    let sum = |column: usize| panel.iter().skip(column).step_by(PANEL).map(|&word| bytes(word)).sum::<i32>();
    let taken = |column: usize| if kernel.offset == 0 { 0 } else { kernel.offset * sum(column) };
    start.iter().enumerate().map(|(column, &start)| start.wrapping_add(taken(column).cast_unsigned())).collect()
}

fn run(kernel: &Kernel, left: Left<'_>, panel: &[u32], halves: usize, start: &[u32]) -> Vec<u32> {
    let mut out = vec![7; left.rows * 40];
    kernel.run(left, panel, halves, &without_offset(kernel, panel, start), &mut out, 40, &[]);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_kernel_computes_what_plain_rust_does(rows in 1usize..=12, depth in 0usize..70, gap in 0usize..3, halves in 1usize..=2, seed: u64) {
        for precision in Precision::ALL {
            let stride = depth + gap;
            let (left, mut panel) = (words(precision, rows * stride, seed), words(precision, depth * PANEL, !seed));
            without_the_lowest(precision, &mut panel);
            let start = words(precision, PANEL, 5);
            let plain = kernels(precision).last().unwrap();
            for kernel in kernels(precision) {
                let rows = rows.min(kernel.rows);
                let left = Left { words: &left, stride, rows };
                let (found, expected) = (run(kernel, left, &panel, halves, &start), run(plain, left, &panel, halves, &start));
                if precision == Precision::F32 {
                    let close = |a: u32, b: u32| (f32::from_bits(a) - f32::from_bits(b)).abs() <= 1e-6 * 4.0 * (depth + 1) as f32;
                    prop_assert!(found.iter().zip(&expected).all(|(&a, &b)| a == b || close(a, b)), "{}", kernel.name);
                } else {
                    prop_assert_eq!(found, expected, "{} {}", precision, kernel.name);
                }
            }
        }
    }
}

#[test]
fn the_largest_numbers_do_not_saturate() {
    for (a, b) in [(255, 127), (0, 127), (255, 129), (0, 129)] {
        let (left, panel) = (vec![u32::from_le_bytes([a; 4]); 100], vec![u32::from_le_bytes([b; 4]); 100 * PANEL]);
        let exact = 400 * i32::from(a) * i32::from(b.cast_signed());
        for kernel in kernels(Precision::Int8) {
            let found = run(kernel, Left { words: &left, stride: 100, rows: 1 }, &panel, 2, &[0; PANEL]);
            assert!(found[..PANEL].iter().all(|&sum| sum.cast_signed() == exact), "{}", kernel.name);
        }
    }
}

#[test]
fn nothing_beside_the_tile_is_written() {
    for precision in Precision::ALL {
        for kernel in kernels(precision) {
            for halves in 1..=2 {
                let out = run(
                    kernel,
                    Left { words: &[0; 12], stride: 1, rows: kernel.rows },
                    &[0; PANEL],
                    halves,
                    &[0; PANEL],
                );
                let beside = |at: usize| at % 40 >= halves * HALF;
                assert!(out.iter().enumerate().all(|(at, &word)| (word == 7) == beside(at)), "{}", kernel.name);
            }
        }
    }
}

#[test]
#[should_panic(expected = "outside their data")]
fn rows_outside_their_data_are_refused() {
    run(kernel(Precision::F32), Left { words: &[0; 5], stride: 3, rows: 2 }, &[0; 3 * PANEL], 2, &[0; PANEL]);
}

#[test]
fn the_peak_is_a_speed() {
    for precision in Precision::ALL {
        assert!(peak(precision) > 1e6, "{precision}");
    }
}
