#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use super::*;
use proptest::prelude::*;

fn random_words(n: usize, seed: u64) -> Vec<u32> {
    (0..n as u64).map(|i| (i.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 23) as u32).collect()
}

/// Words with elements that the precision allows; floats have magnitudes between 1 and 2, or are 0.
fn words(precision: Precision, n: usize, seed: u64) -> Vec<u32> {
    let of = |word: u32| match precision {
        Precision::F32 if word.is_multiple_of(17) => 0,
        Precision::F32 => word & 0x807f_ffff | 0x3f80_0000,
        Precision::Bf16 | Precision::Bf16Vectors => word & 0x807f_807f | 0x3f80_3f80,
        Precision::Int8 | Precision::Int8Wide => word,
    };
    random_words(n, seed).into_iter().map(of).collect()
}

/// Replaces -128, which weights never have.
fn without_the_lowest(precision: Precision, words: &mut [u32]) {
    if precision.is_int8() {
        for byte in bytemuck::cast_slice_mut::<u32, u8>(words) {
            *byte = if *byte == 128 { 129 } else { *byte };
        }
    }
}

/// Makes weights as small as a narrow kernel needs them.
fn narrow(panel: &mut [u32]) {
    for byte in bytemuck::cast_slice_mut::<u32, i8>(panel) {
        *byte = byte.rem_euclid(2 * LARGEST_NARROW + 1) - LARGEST_NARROW;
    }
}

/// Whether two sums of `depth` words, added up in different orders, agree.
fn close(a: u32, b: u32, depth: usize) -> bool {
    (f32::from_bits(a) - f32::from_bits(b)).abs() <= 1e-6 * 8.0 * (depth + 1) as f32
}

/// The largest weight that a narrow kernel takes if all weights are equal.
const LARGEST_NARROW: i8 = (NARROW_SUM / NARROW_WEIGHTS) as i8;

fn run(kernel: &Kernel, lhs: LhsRows<'_>, panel: &[u32], halves: usize, initial: &[u32; PANEL]) -> Vec<u32> {
    let mut out = vec![7; lhs.rows * 40];
    kernel.run(lhs, panel, halves, Some(initial), &mut out, 40, &[]);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_kernel_agrees_with_plain_rust(rows in 1usize..=MAX_TILE_ROWS, depth in 0usize..70, gap in 0usize..3, halves in 1usize..=2, seed: u64) {
        for precision in Precision::ALL {
            let stride = depth + gap;
            let (lhs, mut panel) = (words(precision, rows * stride, seed), words(precision, depth * PANEL, !seed));
            without_the_lowest(precision, &mut panel);
            let initial = *words(precision, PANEL, 5).first_chunk().unwrap();
            let plain = kernels(precision).last().unwrap();
            for kernel in kernels(precision) {
                let rows = rows.min(kernel.max_rows);
                let mut panel = panel[..depth / kernel.words_per_step * kernel.words_per_step * PANEL].to_vec();
                if kernel.numerics == Numerics::Narrow {
                    narrow(&mut panel);
                }
                let lhs = LhsRows { words: &lhs, stride, rows };
                let (found, expected) = (run(kernel, lhs, &panel, halves, &initial), run(plain, lhs, &panel, halves, &initial));
                if precision == Precision::F32 || kernel.numerics == Numerics::Tiled {
                    prop_assert!(found.iter().zip(&expected).all(|(&a, &b)| a == b || close(a, b, depth)), "{precision} {}", kernel.name);
                } else {
                    prop_assert_eq!(found, expected, "{} {}", precision, kernel.name);
                }
            }
        }
    }
}

#[test]
fn a_product_in_parts_has_the_bits_of_the_whole() {
    for precision in Precision::ALL {
        for kernel in kernels(precision) {
            let (lhs, mut panel) = (words(precision, kernel.max_rows * 48, 1), words(precision, 48 * PANEL, 2));
            narrow(&mut panel[..if precision.is_int8() { 48 * PANEL } else { 0 }]);
            let initial = *words(precision, PANEL, 5).first_chunk().unwrap();
            let rows = |words| LhsRows { words, stride: 48, rows: kernel.max_rows };
            let mut parts = run(kernel, rows(&lhs), &panel[..16 * PANEL], 2, &initial);
            kernel.run(rows(&lhs[16..]), &panel[16 * PANEL..], 2, None, &mut parts, 40, &[]);
            assert_eq!(parts, run(kernel, rows(&lhs), &panel, 2, &initial), "{precision} {}", kernel.name);
        }
    }
}

#[test]
fn the_largest_numbers_do_not_saturate() {
    for (a, sign) in [(255, 1), (0, 1), (255, -1), (0, -1)] {
        for kernel in kernels(Precision::Int8) {
            let b = sign * if kernel.numerics == Numerics::Narrow { LARGEST_NARROW } else { i8::MAX };
            let (lhs, panel) =
                (vec![u32::from_le_bytes([a; 4]); 96], vec![u32::from_le_bytes([b.cast_unsigned(); 4]); 96 * PANEL]);
            let exact = 384 * i32::from(a) * i32::from(b);
            let found = run(kernel, LhsRows { words: &lhs, stride: 96, rows: 1 }, &panel, 2, &[0; PANEL]);
            assert!(found[..PANEL].iter().all(|&sum| sum.cast_signed() == exact), "{}", kernel.name);
        }
    }
}

#[test]
fn nothing_outside_the_tile_is_written() {
    for precision in Precision::ALL {
        for kernel in kernels(precision) {
            for halves in 1..=2 {
                let lhs = LhsRows { words: &[0; 16 * MAX_TILE_ROWS], stride: 16, rows: kernel.max_rows };
                let out = run(kernel, lhs, &[0; 16 * PANEL], halves, &[0; PANEL]);
                let is_outside = |at: usize| at % 40 >= halves * HALF_PANEL;
                assert!(out.iter().enumerate().all(|(at, &word)| (word == 7) == is_outside(at)), "{}", kernel.name);
            }
        }
    }
}

#[test]
#[should_panic(expected = "outside their data")]
fn rows_outside_their_data_are_refused() {
    run(kernel(Precision::F32), LhsRows { words: &[0; 5], stride: 3, rows: 2 }, &[0; 3 * PANEL], 2, &[0; PANEL]);
}

#[test]
fn the_peak_is_a_speed() {
    for precision in Precision::ALL {
        assert!(peak(precision) > 1e6, "{precision}");
    }
}
