//! Single precision rounded to bfloat16, by arithmetic or by the processor's own instruction.

#![allow(unsafe_code, reason = "an instruction that may be missing; whoever makes `Native` has checked for it")]

/// Elements rounded at once, for every vector width.
pub(super) const LANES: usize = 16;

/// A way to round. All give the same bits, except for the payload of a NaN.
pub(super) trait Rounding: Copy {
    /// Rounds each as [`bf16`] does.
    fn lanes(self, x: [f32; LANES]) -> [u16; LANES];

    /// Rounds each of `x` as [`bf16`] does.
    #[inline(always)]
    fn row(self, x: &[f32], out: &mut [u16]) {
        let ((x, rest), (out, rest_out)) = (x.as_chunks::<LANES>(), out.as_chunks_mut::<LANES>());
        for (x, out) in x.iter().zip(out) {
            *out = self.lanes(*x);
        }
        for (x, out) in rest.iter().zip(rest_out) {
            *out = bf16(*x);
        }
    }
}

/// By integer arithmetic.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Rounding for Plain {
    #[inline(always)]
    fn lanes(self, x: [f32; LANES]) -> [u16; LANES] {
        // Not `map`: it is not always inlined into the loop around it.
        let mut rounded = [0; LANES];
        for (rounded, x) in rounded.iter_mut().zip(x) {
            *rounded = bf16(x);
        }
        rounded
    }
}

/// By the instruction VCVTNEPS2BF16.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Native(());

#[cfg(target_arch = "x86_64")]
impl Native {
    /// # Safety
    /// This machine must have avx512f and avx512bf16.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

#[cfg(target_arch = "x86_64")]
impl Rounding for Native {
    #[inline(always)]
    fn lanes(self, x: [f32; LANES]) -> [u16; LANES] {
        use std::arch::x86_64::{__m256bh, _mm512_cvtneps_pbh, _mm512_loadu_ps};
        // SAFETY: a `Native` exists only where the instruction does; sixteen floats are read, and sixteen 16-bit
        // elements fill the vector.
        unsafe { std::mem::transmute::<__m256bh, [u16; LANES]>(_mm512_cvtneps_pbh(_mm512_loadu_ps(x.as_ptr()))) }
    }
}

/// The nearest bfloat16, ties to even. Subnormal numbers become zero, as by the processor's instruction (Intel's
/// manual, VCVTNEPS2BF16).
#[inline(always)]
pub(super) fn bf16(x: f32) -> u16 {
    const EXPONENT: u32 = 0x7f80_0000;
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let normal = if bits & EXPONENT == 0 { bits >> 16 & 0x8000 } else { rounded };
    // Rounding could turn the bits of a NaN into those of zero.
    (if x.is_nan() { 0x7fc0 } else { normal }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiversion::multiversion;
    use crate::testing::on_each_instruction_set;
    use proptest::prelude::*;

    multiversion! {
        fn round(x: &[f32], out: &mut [u16]) = round_by, rounding
    }

    #[inline(always)]
    fn round_by(x: &[f32], out: &mut [u16], rounding: impl Rounding) {
        rounding.row(x, out);
    }

    proptest! {
        #[test]
        fn rounding_matches_the_half_crate_on_every_instruction_set(bits in prop::collection::vec(any::<u32>(), 1..70)) {
            let x: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            let found = on_each_instruction_set(|| {
                let mut rounded = vec![0; x.len()];
                round(&x, &mut rounded);
                rounded
            });
            for (x, rounded) in found.iter().flat_map(|rounded| x.iter().zip(rounded)) {
                let exact = half::bf16::from_f32(if x.is_subnormal() { 0f32.copysign(*x) } else { *x });
                let both_nan = exact.is_nan() && half::bf16::from_bits(*rounded).is_nan();
                prop_assert!(*rounded == exact.to_bits() || both_nan, "{x:e}: {rounded:x}, not {exact:?}");
            }
        }
    }
}
