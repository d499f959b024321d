//! Rotary positions (Su et al. 2021, "RoFormer"): pairs of elements of queries and keys are rotated by an angle that
//! grows with the token's position, so their product depends on the distance between the two.

/// Cosines and sines of the angles.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Pairs per head: elements i and i + `pairs` of a head.
    pub(super) pairs: usize,
    /// `[positions, pairs]`.
    pub(super) cosines: Vec<f32>,
    /// `[positions, pairs]`.
    pub(super) sines: Vec<f32>,
}

impl Rotation {
    /// Pair i at position p is rotated by `p / theta^(i / pairs)`, in single precision as in training.
    pub(super) fn new(theta: f64, positions: usize, pairs: usize) -> Self {
        let frequency = |pair: usize| theta.powf(-(pair as f64) / pairs as f64) as f32;
        let frequencies: Vec<f32> = (0..pairs).map(frequency).collect();
        let angles = (0..positions).flat_map(|at| frequencies.iter().map(move |frequency| at as f32 * frequency));
        let (sines, cosines) =
            angles.map(|angle| f64::from(angle).sin_cos()).map(|(s, c)| (s as f32, c as f32)).unzip();
        Self { pairs, cosines, sines }
    }
}
