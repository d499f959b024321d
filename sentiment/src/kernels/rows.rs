//! Kernels that work on one row of numbers at a time.
//!
//! Each is written once, in plain Rust that vectorises, and compiled for several instruction
//! sets; the best one this machine has is chosen at run time. All give the same bits.

#![allow(
    unsafe_code,
    reason = "calling a function compiled for an instruction set is unsafe; the set is checked first"
)]

use super::math::{erf, exp};

/// Partial sums are kept in this many lanes, whatever the vector width.
const LANES: usize = 32;

/// Defines a function that runs `$body` compiled for the best instruction set at hand.
macro_rules! for_this_machine {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) = $body:ident) => {
        $(#[$doc])*
        pub fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn with_avx512($($argument: $type),*) {
                    $body($($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2($($argument: $type),*) {
                    $body($($argument),*);
                }
                let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if has_avx2
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: every instruction set named above was detected on this machine.
                    return unsafe { with_avx512($($argument),*) };
                }
                if has_avx2 {
                    // SAFETY: both instruction sets named above were detected on this machine.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            $body($($argument),*);
        }
    };
}

for_this_machine! {
    /// Adds `bias` to each row of its length in `rows`.
    add_bias(rows: &mut [f32], bias: &[f32]) = add_bias_plain
}

for_this_machine! {
    /// `gelu(row + bias)` in place, by the error function (not the tanh approximation).
    add_bias_and_gelu(rows: &mut [f32], bias: &[f32]) = add_bias_and_gelu_plain
}

for_this_machine! {
    /// Softmax of one row in place.
    softmax(row: &mut [f32]) = softmax_plain
}

for_this_machine! {
    /// Normalises each row of `weight`'s length in `rows` to mean 0 and variance 1, then scales and shifts it.
    layer_norm(rows: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) = layer_norm_plain
}

for_this_machine! {
    /// `rows += more + bias`, row by row: a residual connection and the bias of what it adds.
    add_residual(rows: &mut [f32], more: &[f32], bias: &[f32]) = add_residual_plain
}

#[inline(always)]
fn add_bias_plain(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        for (x, b) in row.iter_mut().zip(bias) {
            *x += b;
        }
    }
}

#[inline(always)]
fn add_bias_and_gelu_plain(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        for (x, b) in row.iter_mut().zip(bias) {
            let v = *x + b;
            let half = 0.5 * v;
            *x = half.mul_add(erf(v * std::f32::consts::FRAC_1_SQRT_2), half);
        }
    }
}

#[inline(always)]
fn softmax_plain(row: &mut [f32]) {
    let largest = fold(row, f32::NEG_INFINITY, |a, x| if x > a { x } else { a }, f32::max);
    for x in row.iter_mut() {
        *x = exp(*x - largest);
    }
    let scale = 1.0 / sum(row, |x| x);
    for x in row.iter_mut() {
        *x *= scale;
    }
}

#[inline(always)]
fn layer_norm_plain(rows: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let width = weight.len() as f32;
    for row in rows.chunks_exact_mut(weight.len()) {
        let mean = sum(row, |x| x) / width;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
            *x = ((*x - mean) * scale).mul_add(*w, *b);
        }
    }
}

#[inline(always)]
fn add_residual_plain(rows: &mut [f32], more: &[f32], bias: &[f32]) {
    for (row, more) in rows.chunks_exact_mut(bias.len()).zip(more.chunks_exact(bias.len())) {
        for ((x, m), b) in row.iter_mut().zip(more).zip(bias) {
            *x += m + b;
        }
    }
}

#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    fold(row, 0.0, |a, x| a + term(x), |a, b| a + b)
}

/// Folds a row in [`LANES`] interleaved parts, then the parts in order: the result depends on
/// the row's length and numbers only.
#[inline(always)]
fn fold(row: &[f32], start: f32, step: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for part in whole {
        for (lane, &x) in lanes.iter_mut().zip(part) {
            *lane = step(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = step(*lane, x);
    }
    lanes.into_iter().reduce(join).expect("there are lanes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919) % 613) as f32 / 100.0 - 3.0).collect()
    }

    fn close(a: f32, b: f64) -> bool {
        (f64::from(a) - b).abs() < 2e-6
    }

    #[test]
    fn softmax_is_softmax_at_every_length() {
        for n in [1, 2, 31, 32, 33, 511] {
            let x = row(n);
            let total: f64 = x.iter().map(|&v| f64::from(v).exp()).sum();
            let mut y = x.clone();
            softmax(&mut y);
            assert!(x.iter().zip(&y).all(|(&x, &y)| close(y, f64::from(x).exp() / total)), "length {n}");
        }
        let mut huge = [1e30, 0.0, -1e30];
        softmax(&mut huge);
        assert_eq!(huge, [1.0, huge[1], huge[2]]);
        assert!(huge[1] < 1e-30);
    }

    #[test]
    fn layer_norm_is_layer_norm() {
        let x = row(96);
        let (weight, bias): (Vec<f32>, Vec<f32>) = (vec![2.0; 48], vec![0.25; 48]);
        let mut y = x.clone();
        layer_norm(&mut y, &weight, &bias, 1e-12);
        for (x, y) in x.chunks(48).zip(y.chunks(48)) {
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / 48.0;
            let variance = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / 48.0;
            assert!(x.iter().zip(y).all(|(&x, &y)| close(y, (f64::from(x) - mean) / variance.sqrt() * 2.0 + 0.25)));
        }
    }

    #[test]
    fn gelu_and_residual_take_their_bias() {
        // gelu(1) = 0.8413447..., gelu(-2) = -0.0455003...
        let mut x = [0.5, -2.5, 9.0, -9.0];
        add_bias_and_gelu(&mut x, &[0.5, 0.5]);
        for (x, exact) in x.iter().zip([0.841_344_746, -0.045_500_264, 9.5, 0.0]) {
            assert!(close(*x, exact), "{x} {exact}");
        }
        let mut rows = [1.0, 2.0, 3.0, 4.0];
        add_residual(&mut rows, &[10.0, 20.0, 30.0, 40.0], &[0.5, -0.5]);
        assert_eq!(rows, [11.5, 21.5, 33.5, 43.5]);
        add_bias(&mut rows, &[0.5, -0.5]);
        assert_eq!(rows, [12.0, 21.0, 34.0, 43.0]);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let (weight, bias) = (row(77), row(78)[1..].to_vec());
        let mut fast = row(154);
        let mut plain = fast.clone();
        add_bias_and_gelu(&mut fast, &bias);
        add_bias_and_gelu_plain(&mut plain, &bias);
        layer_norm(&mut fast, &weight, &bias, 1e-12);
        layer_norm_plain(&mut plain, &weight, &bias, 1e-12);
        softmax(&mut fast);
        softmax_plain(&mut plain);
        assert_eq!(fast, plain);
    }
}
