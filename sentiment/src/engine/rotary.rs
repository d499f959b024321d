//! Rotary positions (Su et al. 2021, "RoFormer"): pairs of a query's and a key's numbers are turned by an
//! angle that grows with the token's place, so that their product knows the distance between the two.

/// Cosines and sines of the angles.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Pairs a head. Number i of a head and number i + `pairs` are a pair.
    pub(super) pairs: usize,
    /// `[places, pairs]`.
    pub(super) cosines: Vec<f32>,
    /// `[places, pairs]`.
    pub(super) sines: Vec<f32>,
}

impl Rotation {
    /// Pair i at place p turns by `p / theta^(i / pairs)`, in single precision as models are trained.
    pub(super) fn new(theta: f64, places: usize, pairs: usize) -> Self {
        let frequency = |pair: usize| theta.powf(-(pair as f64) / pairs as f64) as f32;
        let frequencies: Vec<f32> = (0..pairs).map(frequency).collect();
        let angles = (0..places).flat_map(|place| frequencies.iter().map(move |frequency| place as f32 * frequency));
        let (sines, cosines) =
            angles.map(|angle| f64::from(angle).sin_cos()).map(|(s, c)| (s as f32, c as f32)).unzip();
        Self { pairs, cosines, sines }
    }
}
