//! Activation smoothing for int8 (Xiao et al. 2022, "SmoothQuant: Accurate and Efficient Post-Training
//! Quantization for Large Language Models").
//!
//! A row of int8 has one scale, so a channel that is large in every row leaves few quantisation steps for the others.
//! Dividing channel j of the rows by s_j and multiplying the weights of input j by s_j changes no product. This choice
//! divides the difficulty evenly between rows and weights (the paper's alpha is 0.5):
//!
//! ```text
//! s_j = sqrt(largest magnitude of channel j / largest magnitude of a weight of input j)
//! ```
//!
//! How large channels become is measured while the model is loaded ([`super::calibration`]). The large channels
//! are in the outputs of layer norms, so only these are smoothed: the rows from which queries, keys and values are
//! computed, and those that the feed-forward network reads.

use super::dense::Dense;
use tapewire_kernels::operand::update_max_abs;

/// The largest magnitude of each channel in the inputs of the sublayers.
pub(super) struct Ranges {
    pub(super) attention: Vec<f32>,
    pub(super) feed_forward: Vec<f32>,
}

/// The scales of the channels of an input, which multiply its rows before they are quantised. By default rows stay as
/// they are.
#[derive(Default)]
pub(super) struct Smoothing {
    /// 1 / s_j of each channel, then ones up to a multiple of four.
    scales: Vec<f32>,
}

impl Smoothing {
    /// Smooths the common input of these products, given the largest magnitude of each of its channels. A channel whose
    /// magnitude or weights are zero or not finite stays as it is.
    pub(super) fn apply(ranges: &[f32], products: &mut [&mut Dense]) -> Self {
        let mut weights = vec![0.0; ranges.len()];
        products.iter().for_each(|product| update_max_abs(&mut weights, &product.weight));
        let s = ranges.iter().zip(weights).map(|(range, weight)| (range / weight).sqrt());
        let s: Vec<f32> = s.map(|s| if s.is_normal() { s } else { 1.0 }).collect();
        products.iter_mut().for_each(|product| product.scale_inputs(&s));
        let mut scales: Vec<f32> = s.iter().map(|s| 1.0 / s).collect();
        scales.resize(s.len().next_multiple_of(4), 1.0);
        Self { scales }
    }

    /// The scale of each channel; empty if rows stay as they are.
    pub(super) fn scales(&self) -> &[f32] {
        &self.scales
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::random;
    use proptest::prelude::*;
    use tapewire_kernels::Precision;
    use tapewire_kernels::dot::PANEL;
    use tapewire_kernels::linear::Epilogue;
    use tapewire_kernels::operand::{Operand, max_abs};

    /// A product `x W` in int8. Some channels of its input are larger than others.
    struct Product {
        inputs: usize,
        outputs: usize,
        x: Vec<f32>,
        weight: Vec<f32>,
    }

    impl Product {
        fn new(rows: usize, inputs: usize, outputs: usize, seed: u64, magnitude: impl Fn(usize) -> f32) -> Self {
            let x =
                random(rows * inputs, seed).into_iter().enumerate().map(|(at, x)| x * magnitude(at % inputs)).collect();
            Self { inputs, outputs, x, weight: random(outputs * inputs, seed + 1) }
        }

        fn dense(&self) -> Dense {
            Dense { inputs: self.inputs, weight: self.weight.clone(), bias: vec![0.0; self.outputs] }
        }

        /// The smoothed product, its weights and its scales.
        fn smoothed(&self) -> (Vec<f32>, Dense, Smoothing) {
            let (mut dense, mut ranges) = (self.dense(), vec![0.0; self.inputs]);
            update_max_abs(&mut ranges, &self.x);
            let smoothing = Smoothing::apply(&ranges, &mut [&mut dense]);
            (self.rounded(&dense, smoothing.scales()), dense, smoothing)
        }

        fn rounded(&self, dense: &Dense, scales: &[f32]) -> Vec<f32> {
            let (stride, out_stride) = (self.inputs.next_multiple_of(4), self.outputs.next_multiple_of(PANEL));
            let mut operand = Operand::default();
            operand.clear(Precision::Int8, self.inputs);
            for x in self.x.chunks_exact(self.inputs) {
                let mut row = x.to_vec();
                row.resize(stride, 0.0);
                operand.extend_scaled(&row, stride, scales);
            }
            let mut out = vec![0.0; operand.rows() * out_stride];
            dense.pack(Precision::Int8).apply(&operand, Epilogue::Store, &mut out, out_stride, 1);
            out.chunks_exact(out_stride).flat_map(|row| &row[..self.outputs]).copied().collect()
        }

        fn exact(&self) -> Vec<f64> {
            let of_row = |x: &[f32]| -> Vec<f64> {
                let sum = |w: &[f32]| x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                self.weight.chunks_exact(self.inputs).map(sum).collect()
            };
            self.x.chunks_exact(self.inputs).flat_map(of_row).collect()
        }

        /// Root mean square error.
        fn error(&self, found: &[f32]) -> f64 {
            let squares = self.exact().into_iter().zip(found).map(|(exact, found)| (exact - f64::from(*found)).powi(2));
            (squares.sum::<f64>() / found.len() as f64).sqrt()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Within the error of quantising the smoothed factors.
        #[test]
        fn a_smoothed_product_is_the_textbook_product(rows in 1usize..9, inputs in 1usize..90, outputs in 1usize..40, seed in 0u64..99, sizes in prop::collection::vec(0.01f32..50.0, 90)) {
            let product = Product::new(rows, inputs, outputs, seed, |channel| sizes[channel]);
            let (found, dense, smoothing) = product.smoothed();
            // Half a step, or a little more.
            let half_step = if Precision::Int8.effective_name() != "int8-narrow" { 1.0 / 240.0 } else { 1.0 / 120.0 };
            let sum = |x: &[f32]| x.iter().map(|x| f64::from(x.abs())).sum::<f64>();
            let largest = |x: &[f32]| f64::from(max_abs(x.iter().copied()));
            for (at, (found, exact)) in found.into_iter().zip(product.exact()).enumerate() {
                let x: Vec<f32> = product.x[at / outputs * inputs..][..inputs].iter().zip(smoothing.scales()).map(|(x, f)| x * f).collect();
                let weights = &dense.weight[at % outputs * inputs..][..inputs];
                let slack = half_step * (largest(&x) * sum(weights) + largest(weights) * sum(&x)) + 1e-5 * (1.0 + exact.abs());
                prop_assert!((f64::from(found) - exact).abs() <= slack * 1.1, "{found} {exact} {slack}");
            }
        }
    }

    #[test]
    fn a_large_channel_leaves_the_others_their_precision() {
        let product = Product::new(20, 256, 40, 5, |channel| if channel == 77 { 100.0 } else { 1.0 });
        let rounded = product.error(&product.rounded(&product.dense(), &[]));
        let smoothed = product.error(&product.smoothed().0);
        assert!(smoothed * 2.0 < rounded, "{smoothed} {rounded}");
    }

    #[test]
    fn products_with_the_same_input_share_its_scales() {
        let dense = |weight: [f32; 4]| Dense { inputs: 2, weight: weight.to_vec(), bias: vec![0.0; 2] };
        let (mut one, mut other) = (dense([1.0, 0.0, -4.0, 0.5]), dense([2.0, -2.0, 0.0, 1.0]));
        let smoothing = Smoothing::apply(&[16.0, 0.5], &mut [&mut one, &mut other]);
        assert_eq!(smoothing.scales(), [0.5, 2.0, 1.0, 1.0]);
        assert_eq!((one.weight, other.weight), (vec![2.0, 0.0, -8.0, 0.25], vec![4.0, -1.0, 0.0, 0.5]));
    }

    #[test]
    fn channels_without_a_range_stay_as_they_are() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let weight = [1.0, 0.0, 1.0, 1.0, inf, nan, 4.0];
        let mut dense = Dense { inputs: 7, weight: weight.to_vec(), bias: vec![0.0] };
        let smoothing = Smoothing::apply(&[0.0, 1.0, inf, nan, 1.0, 1.0, 1.0], &mut [&mut dense]);
        assert_eq!(smoothing.scales(), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0]);
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&dense.weight), bits(&[1.0, 0.0, 1.0, 1.0, inf, nan, 2.0]));
    }
}
