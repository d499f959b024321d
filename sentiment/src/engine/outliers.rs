//! Channels that int8 leaves to single precision (Dettmers et al. 2022, "LLM.int8(): 8-bit Matrix Multiplication for
//! Transformers at Scale").
//!
//! The second product of a feed-forward network has a few weights that are tens of times larger than all others, and
//! the activations they multiply are often the largest of their rows. An output has one scale, so such a weight leaves
//! few quantisation steps for the others. These channels are therefore multiplied in single precision and set to zero
//! in what is quantised. They are chosen by the weights alone.

use super::dense::Dense;
use std::cmp::Reverse;
use tapewire_kernels::dot::PANEL;
use tapewire_kernels::operand::update_max_abs;
use tapewire_kernels::rows;

/// Number of channels that are separated from a product. The first one or two bring most of the gain; each costs a
/// product in single precision.
const CHANNELS: usize = 8;

/// The channels of a product with the largest weights; none by default.
#[derive(Default)]
pub(super) struct Outliers {
    channels: Vec<usize>,
    /// `[channels, outputs]`, each row padded to whole panels.
    weights: Vec<f32>,
}

impl Outliers {
    /// Moves the weights of these channels out of a product.
    pub(super) fn split_off(product: &mut Dense) -> Self {
        let mut magnitudes = vec![0.0; product.inputs];
        update_max_abs(&mut magnitudes, &product.weight);
        let mut channels: Vec<usize> = (0..product.inputs).collect();
        // Non-negative floats are ordered like their bits.
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

    /// Adds the products of these channels of `x` to the rows of `out`, and sets the channels to zero in `x`.
    pub(super) fn apply(&self, x: &mut [f32], stride: usize, out: &mut [f32], out_stride: usize) {
        if !self.channels.is_empty() {
            rows::apply_channels(x, stride, &self.channels, &self.weights, out, out_stride);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::random;
    use tapewire_kernels::Precision;
    use tapewire_kernels::linear::Epilogue;
    use tapewire_kernels::operand::Operand;

    const INPUTS: usize = 128;
    const OUTPUTS: usize = 40;
    const LARGE: usize = 77;

    /// Weights and rows that are both large in one channel.
    fn product() -> (Dense, Vec<f32>) {
        let (mut weight, mut x) = (random(INPUTS * OUTPUTS, 1), random(INPUTS * 9, 2));
        for rows in [&mut weight, &mut x] {
            rows.iter_mut().skip(LARGE).step_by(INPUTS).for_each(|x| *x = 40.0 * x.signum());
        }
        (Dense { inputs: INPUTS, weight, bias: vec![0.0; OUTPUTS] }, x)
    }

    /// Root mean square error of the product in int8.
    fn error(product: &Dense, outliers: &Outliers, x: &[f32]) -> f64 {
        let stride = OUTPUTS.next_multiple_of(PANEL);
        let (whole, mut rest, mut out) = (self::product().0, x.to_vec(), vec![0.0; x.len() / INPUTS * stride]);
        outliers.apply(&mut rest, INPUTS, &mut out, stride);
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
    fn a_large_channel_leaves_the_others_their_precision() {
        let (mut dense, x) = product();
        let rounded = error(&dense, &Outliers::default(), &x);
        let outliers = Outliers::split_off(&mut dense);
        assert_eq!((outliers.channels[0], outliers.channels.len()), (LARGE, CHANNELS));
        let separated = error(&dense, &outliers, &x);
        assert!(separated * 20.0 < rounded, "{separated} {rounded}");
    }

    #[test]
    fn a_product_of_few_channels_is_split_off_whole() {
        let mut dense = Dense { inputs: 3, weight: vec![1.0, -2.0, 0.0, 0.5, 0.25, 3.0], bias: vec![0.0; 2] };
        let outliers = Outliers::split_off(&mut dense);
        assert_eq!(outliers.channels, [2, 1, 0]);
        assert_eq!(dense.weight, [0.0; 6]);
        let (mut x, mut out) = (vec![1.0, 10.0, 100.0], vec![0.0; PANEL]);
        outliers.apply(&mut x, 3, &mut out, PANEL);
        assert_eq!((&x[..], &out[..3]), (&[0.0; 3][..], &[-19.0, 303.0, 0.0][..]));
    }

    #[test]
    fn infinity_is_not_lost() {
        let (mut dense, mut x) = product();
        let outliers = Outliers::split_off(&mut dense);
        x[LARGE] = f32::INFINITY;
        assert!(!error(&dense, &outliers, &x).is_finite());
    }
}
