//! The arithmetic of inference: the only crate of the workspace where `unsafe` is allowed.
//!
//! Two invariants:
//!
//! 1. The results of a row depend on that row alone, not on the number of rows or its place among them, so a text
//!    gets the same score in every batch. This holds for every kernel.
//! 2. The order of a sum is fixed by its length, not by the instruction set. This holds for kernels whose
//!    [`dot::Numerics`] are `Standard`; [reproducible](Precision::is_reproducible) precisions use no others.
//!
//! A product multiplies an [`operand`] (rows, packed for each product) by a [`linear`] layer (weights, packed once),
//! tile by tile ([`dot`]), and writes into a [`matrix`] that several threads may share.

mod bfloat16;
mod multiversion;
#[cfg(test)]
mod testing;

pub mod aligned;
pub mod attention;
pub mod dot;
pub mod linear;
pub mod math;
pub mod matrix;
pub mod operand;
pub mod rows;

pub use dot::peak;

use dot::Numerics;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number format in which a model's matrix products are computed. Everything else is single precision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Factors rounded to bfloat16, sums in single precision. AMX adds up products in an order of its own; scores of a
    /// processor with AMX have `bf16-tiles` in their revision.
    Bf16,
    /// bf16 without AMX, so that scores are the same on every processor.
    #[serde(rename = "bf16-vectors")]
    Bf16Vectors,
    /// Factors in 8 bits: weights with a scale per output, activations with a scale and a zero point per token.
    /// Attention is computed in bf16. Channels that are large in every token are smoothed when a model is loaded
    /// (SmoothQuant, Xiao et al. 2022), and the channels with the largest weights at the end of a feed-forward network
    /// stay in single precision (LLM.int8(), Dettmers et al. 2022).
    ///
    /// On a processor with AVX2 but no VNNI, weights have about 7 bits and attention is computed in f32; the revision
    /// says `int8-narrow`. On a processor with AMX, attention uses it; the revision says `int8-tiles`.
    Int8,
    /// int8 with all 8 bits, and attention in bf16-vectors, so that scores are the same on every processor.
    #[serde(rename = "int8-wide")]
    Int8Wide,
}

impl Precision {
    /// All precisions: f32 first, then those of bfloat16, then those of 8 bits.
    pub const ALL: [Self; 5] = [Self::F32, Self::Bf16, Self::Bf16Vectors, Self::Int8, Self::Int8Wide];

    /// Number of elements in a 32-bit word.
    #[inline]
    pub const fn elements_per_word(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 | Self::Bf16Vectors => 2,
            Self::Int8 | Self::Int8Wide => 4,
        }
    }

    /// Whether results have the same bits on every processor. Those of f32 do not: they depend on whether the processor
    /// has fused multiply-add.
    #[inline]
    pub const fn is_reproducible(self) -> bool {
        matches!(self, Self::Bf16Vectors | Self::Int8Wide)
    }

    /// Whether factors are quantised to 8 bits.
    #[inline]
    pub const fn is_int8(self) -> bool {
        matches!(self, Self::Int8 | Self::Int8Wide)
    }

    /// The name of this precision on this machine, which becomes part of the revision of scores. The same name means
    /// the same bits, except for f32, which also depends on whether the processor has fused multiply-add.
    pub fn effective_name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 if dot::kernel(Self::Bf16).numerics == Numerics::Tiled => "bf16-tiles",
            Self::Bf16 | Self::Bf16Vectors => "bf16",
            Self::Int8 if dot::kernel(self).numerics == Numerics::Narrow => "int8-narrow",
            Self::Int8 if dot::kernel(Self::Bf16).numerics == Numerics::Tiled => "int8-tiles",
            Self::Int8 | Self::Int8Wide => "int8",
        }
    }
}

/// The name as settings spell it.
impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Bf16Vectors => "bf16-vectors",
            Self::Int8 => "int8",
            Self::Int8Wide => "int8-wide",
        })
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|precision| precision.to_string() == name);
        found.ok_or_else(|| format!("unknown precision {name}; choose f32, bf16, bf16-vectors, int8 or int8-wide"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_spelled_the_same_in_settings_and_in_print() {
        for precision in Precision::ALL {
            let name = precision.to_string();
            assert_eq!(serde_json::from_value::<Precision>(name.clone().into()).ok(), Some(precision));
            assert_eq!(name.parse(), Ok(precision));
        }
        assert!("int4".parse::<Precision>().is_err());
    }
}
