//! Arithmetic on slices: the only place in the workspace where `unsafe` is allowed.
//!
//! Two laws hold for every kernel here. Numbers of a row depend on that row alone: never on
//! how many rows there are or where it stands, so that a text scores the same whatever it was
//! batched with. And the order of a sum is fixed by its length, not by the instruction set,
//! but for kernels whose [`dot::Numbers`] are their own: a precision that is
//! [`same_everywhere`](Precision::same_everywhere) has none of these.
//!
//! | module | holds |
//! |---|---|
//! | [`words`] | memory for packed operands |
//! | [`dot`] | tiles of a matrix product in registers, for each precision and instruction set |
//! | [`operand`] | rows of floats made into a left operand: copied, rounded or quantised |
//! | [`linear`] | weights packed once, and `x W + b` with what follows it |
//! | [`matrix`] | where results go, for one thread or several |
//! | [`attention`] | attention within one text |
//! | `bfloat16` | rounding |
//! | [`rows`] | layer norm and rotary positions: one row at a time |
//! | [`math`] | `exp` and `erf` that compilers can vectorise |

mod bfloat16;
mod for_this_machine;

pub mod attention;
pub mod dot;
pub mod linear;
pub mod math;
pub mod matrix;
pub mod operand;
pub mod rows;
pub mod words;

pub use dot::peak;

use dot::Numbers;
use serde::{Deserialize, Serialize};
use std::fmt;

/// In which numbers a model's matrix products are computed. All else is single precision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Factors rounded to bfloat16, sums in single precision. Where the processor has AMX these run in its order:
    /// `bf16-tiles`.
    Bf16,
    /// As bf16, never by AMX, so that scores are the same everywhere.
    #[serde(rename = "bf16-vectors")]
    Bf16Vectors,
    /// Factors in 8 bits, with a step for each output of the weights, and a step and a zero point for each token;
    /// attention as in bf16. Channels that are large in every token are smoothed when a model is loaded (SmoothQuant,
    /// Xiao et al. 2022), and those with the largest weights at the end of a feed-forward part left to single
    /// precision (LLM.int8(), Dettmers et al. 2022).
    /// Where the processor has AVX2 but no VNNI, weights have about 7 bits, and attention is as in f32: `int8-narrow`.
    /// Where it has AMX, attention is as in bf16 there: `int8-tiles`.
    Int8,
    /// As int8, with all 8 bits and attention as in bf16-vectors on every processor, so that scores are the same
    /// everywhere.
    #[serde(rename = "int8-wide")]
    Int8Wide,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Self; 5] = [Self::F32, Self::Bf16, Self::Bf16Vectors, Self::Int8, Self::Int8Wide];

    /// How many numbers lie in a 32-bit word.
    pub const fn numbers_in_a_word(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 | Self::Bf16Vectors => 2,
            Self::Int8 | Self::Int8Wide => 4,
        }
    }

    /// Whether results are the same bits on every processor. Those of f32 are wherever the processor can multiply and
    /// add at once.
    pub const fn same_everywhere(self) -> bool {
        matches!(self, Self::Bf16Vectors | Self::Int8Wide)
    }

    /// Whether factors are whole numbers.
    pub const fn is_int8(self) -> bool {
        matches!(self, Self::Int8 | Self::Int8Wide)
    }

    /// What rows are called that were computed with it here: names differ where numbers do.
    pub fn name_here(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 if dot::kernel(Self::Bf16).numbers == Numbers::Tiles => "bf16-tiles",
            Self::Bf16 | Self::Bf16Vectors => "bf16",
            Self::Int8 if dot::kernel(self).numbers == Numbers::Narrow => "int8-narrow",
            Self::Int8 if dot::kernel(Self::Bf16).numbers == Numbers::Tiles => "int8-tiles",
            Self::Int8 | Self::Int8Wide => "int8",
        }
    }
}

/// As settings spell it.
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
        found.ok_or_else(|| format!("precision {name}; there are f32, bf16, bf16-vectors, int8 and int8-wide"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_spelled_alike_in_settings_and_in_print() {
        for precision in Precision::ALL {
            let name = precision.to_string();
            assert_eq!(serde_json::from_value::<Precision>(name.clone().into()).ok(), Some(precision));
            assert_eq!(name.parse(), Ok(precision));
        }
        assert!("int4".parse::<Precision>().is_err());
    }
}
