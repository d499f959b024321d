//! Channels that int8 leaves to single precision (Dettmers et al. 2022, "LLM.int8(): 8-bit Matrix Multiplication for
//! Transformers at Scale").
//!
//! What comes out of a feed-forward part goes through a few weights that are tens of times as large as all others, and
//! the numbers they multiply are often the largest of their rows. An output has one scale, so that such a weight leaves
//! few steps to the output's others. These channels are multiplied and added one by one, exactly, and are zeros in what
//! is rounded. They are known from the weights alone.

use super::dense::Dense;
use std::cmp::Reverse;
use tapewire_kernels::dot::PANEL;
use tapewire_kernels::operand::update_max_abs;
use tapewire_kernels::rows;

/// Channels of a product that are left out. Most of what is gained comes with the first one or two; each costs a
/// product in single precision.
const CHANNELS: usize = 8;

/// The channels of a product with the largest weights; none by default.
#[derive(Default)]
pub(super) struct Outliers {
    channels: Vec<usize>,
    /// Those of each channel, filled up to whole panels.
    weights: Vec<f32>,
}

impl Outliers {
    /// Takes these channels' weights out of a product.
    pub(super) fn of(product: &mut Dense) -> Self {
        let mut magnitudes = vec![0.0; product.inputs];
        update_max_abs(&mut magnitudes, &product.weight);
        let mut channels: Vec<usize> = (0..product.inputs).collect();
        // Magnitudes of floats are in the order of their bits.
        channels.sort_by_key(|&channel| Reverse(magnitudes[channel].to_bits()));
        channels.truncate(CHANNELS);
        let mut weights = Vec::new();
        for &channel in &channels {
            let of_channel = product.weight.iter_mut().skip(channel).step_by(product.inputs);
            weights.extend(of_channel.map(std::mem::take));
            weights.resize(weights.len().next_multiple_of(PANEL), 0.0);
        }
        Self { channels, weights }
    }

    /// Adds to the rows of `out` what these channels of the rows of `x` give, and leaves zeros there.
    pub(super) fn take(&self, x: &mut [f32], stride: usize, out: &mut [f32], out_stride: usize) {
        if !self.channels.is_empty() {
            rows::apply_channels(x, stride, &self.channels, &self.weights, out, out_stride);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_kernels::Precision;
    use tapewire_kernels::linear::Epilogue;
    use tapewire_kernels::operand::Operand;

    const INPUTS: usize = 128;
    const OUTPUTS: usize = 40;
    const LARGE: usize = 77;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let number = |i: u64| (i.wrapping_mul(0x9e37_79b9).wrapping_add(seed * 77) % 2001) as f32 / 1000.0 - 1.0;
        (0..count as u64).map(number).collect()
    }

    /// Weights of which those of one channel are large, and rows whose numbers in it are.
    fn product() -> (Dense, Vec<f32>) {
        let (mut weight, mut x) = (numbers(INPUTS * OUTPUTS, 1), numbers(INPUTS * 9, 2));
        for numbers in [&mut weight, &mut x] {
            numbers.iter_mut().skip(LARGE).step_by(INPUTS).for_each(|x| *x = 40.0 * x.signum());
        }
        (Dense { inputs: INPUTS, weight, bias: vec![0.0; OUTPUTS] }, x)
    }

    /// Root of the mean square of what int8 is off.
    fn error(product: &Dense, outliers: &Outliers, x: &[f32]) -> f64 {
        let stride = OUTPUTS.next_multiple_of(PANEL);
        let (whole, mut rest, mut out) = (self::product().0, x.to_vec(), vec![0.0; x.len() / INPUTS * stride]);
        outliers.take(&mut rest, INPUTS, &mut out, stride);
        let mut operand = Operand::default();
        operand.set(Precision::Int8, &rest, INPUTS, INPUTS);
        product.pack(Precision::Int8).apply(&operand, Epilogue::Add, &mut out, stride, 1);
        let squares = x.chunks_exact(INPUTS).zip(out.chunks_exact(stride)).flat_map(|(x, out)| {
            whole.weight.chunks_exact(INPUTS).zip(out).map(|(weights, found)| {
                let exact: f64 = x.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                (exact - f64::from(*found)).powi(2)
            })
        });
        (squares.sum::<f64>() / (x.len() / INPUTS * OUTPUTS) as f64).sqrt()
    }

    #[test]
    fn a_large_channel_no_longer_takes_the_steps_of_the_others() {
        let (mut dense, x) = product();
        let rounded = error(&dense, &Outliers::default(), &x);
        let outliers = Outliers::of(&mut dense);
        assert_eq!((outliers.channels[0], outliers.channels.len()), (LARGE, CHANNELS));
        let apart = error(&dense, &outliers, &x);
        assert!(apart * 20.0 < rounded, "{apart} {rounded}");
    }

    #[test]
    fn of_few_channels_all_are_taken() {
        let mut dense = Dense { inputs: 3, weight: vec![1.0, -2.0, 0.0, 0.5, 0.25, 3.0], bias: vec![0.0; 2] };
        let outliers = Outliers::of(&mut dense);
        assert_eq!(outliers.channels, [2, 1, 0]);
        assert_eq!(dense.weight, [0.0; 6]);
        let (mut x, mut out) = (vec![1.0, 10.0, 100.0], vec![0.0; PANEL]);
        outliers.take(&mut x, 3, &mut out, PANEL);
        assert_eq!((&x[..], &out[..3]), (&[0.0; 3][..], &[-19.0, 303.0, 0.0][..]));
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let (mut dense, mut x) = product();
        let outliers = Outliers::of(&mut dense);
        x[LARGE] = f32::INFINITY;
        assert!(!error(&dense, &outliers, &x).is_finite());
    }
}
