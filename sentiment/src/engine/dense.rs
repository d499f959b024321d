//! A linear layer before it is packed, while its weights can still be changed.

use super::weights::LinearTensors;
use candle_core::Tensor;
use tapewire_kernels::linear::Linear;
use tapewire_kernels::{Precision, dot};

/// `x W + b` as checkpoints store it: `weight` is `[outputs, inputs]`.
pub(super) struct Dense {
    pub(super) inputs: usize,
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Dense {
    pub(super) fn pack(&self, precision: Precision) -> Linear {
        Linear::pack(precision, self.inputs, &self.weight, &self.bias)
    }

    pub(super) fn scale(&mut self, factor: f32) {
        self.weight.iter_mut().chain(&mut self.bias).for_each(|x| *x *= factor);
    }

    /// Multiplies the weights of each input by its scale.
    pub(super) fn scale_inputs(&mut self, scales: &[f32]) {
        for weights in self.weight.chunks_exact_mut(self.inputs) {
            weights.iter_mut().zip(scales).for_each(|(weight, scale)| *weight *= scale);
        }
    }

    /// One layer with the outputs of both, each padded with zeros to whole panels.
    pub(super) fn concat(mut self, other: Self) -> Self {
        let outputs = self.bias.len().next_multiple_of(dot::PANEL);
        self.weight.resize(outputs * self.inputs, 0.0);
        self.bias.resize(outputs, 0.0);
        self.weight.extend(other.weight);
        self.bias.extend(other.bias);
        self.weight.resize(2 * outputs * self.inputs, 0.0);
        self.bias.resize(2 * outputs, 0.0);
        self
    }

    /// Adds the product of the constant row `x` and the weights to the bias.
    pub(super) fn add_to_bias(&mut self, x: &[f32]) {
        for (bias, weights) in self.bias.iter_mut().zip(self.weight.chunks_exact(self.inputs)) {
            let more: f64 = x.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            *bias = (f64::from(*bias) + more) as f32;
        }
    }
}

impl From<LinearTensors> for Dense {
    fn from(stored: LinearTensors) -> Self {
        let weight = flat(&stored.weight);
        let bias = flat(&stored.bias);
        Self { inputs: weight.len() / bias.len(), weight, bias }
    }
}

/// The elements of a tensor in main memory, in its order.
pub(super) fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor
        .flatten_all()
        .and_then(|flat| flat.to_vec1())
        .expect("a tensor of 32-bit floats in main memory can be read as a list")
}
