//! Arithmetic on slices: the only place in the workspace where `unsafe` is allowed.
//!
//! Two laws hold for every kernel here. Numbers of a row depend on that row alone: never on
//! how many rows there are or where it stands, so that a text scores the same whatever it was
//! batched with. And the order of a sum is fixed by its length, not by the instruction set,
//! except inside [`matmul`].
//!
//! | module | holds |
//! |---|---|
//! | [`matmul`] | matrix product, by the `gemm` crate, behind checked views |
//! | [`rows`] | layer norm, GELU, softmax, bias: one row at a time |
//! | [`math`] | `exp` and `erf` that compilers can vectorise |

pub mod math;
pub mod matmul;
pub mod rows;

pub use matmul::{Matrix, MatrixMut, multiply};
