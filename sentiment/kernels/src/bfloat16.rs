//! Single precision rounded to bfloat16, by arithmetic or by the processor's own instruction.

#![allow(unsafe_code, reason = "an instruction that has to be there is unsafe to use; who makes `Native` has checked")]

/// Numbers rounded at once, whatever the vector width.
pub(super) const LANES: usize = 16;

/// A way to round. All give the same bits, but for what is no number.
pub(super) trait Rounding: Copy {
    /// As [`bf16`] rounds each.
    fn lanes(self, x: [f32; LANES]) -> [u16; LANES];

    /// As [`bf16`] rounds each of `x`.
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

/// By whole-number arithmetic.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Rounding for Plain {
    #[inline(always)]
    fn lanes(self, x: [f32; LANES]) -> [u16; LANES] {
        // Not `map`, which isn't always compiled into the loop around it.
        let mut rounded = [0; LANES];
        for (rounded, x) in rounded.iter_mut().zip(x) {
            *rounded = bf16(x);
        }
        rounded
    }
}

/// By VCVTNEPS2BF16.
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
        // SAFETY: there is a `Native` only where the instruction is; sixteen floats are read, and
        // sixteen 16-bit numbers fill the vector.
        unsafe { std::mem::transmute::<__m256bh, [u16; LANES]>(_mm512_cvtneps_pbh(_mm512_loadu_ps(x.as_ptr()))) }
    }
}

/// The nearest bfloat16, of two equally near ones the even one. Numbers below the least normal one
/// become zero, as the processor's instruction has it (Intel's manual, VCVTNEPS2BF16).
#[inline(always)]
pub(super) fn bf16(x: f32) -> u16 {
    const EXPONENT: u32 = 0x7f80_0000;
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let normal = if bits & EXPONENT == 0 { bits >> 16 & 0x8000 } else { rounded };
    // Rounding could carry what is no number into zero.
    (if x.is_nan() { 0x7fc0 } else { normal }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::for_this_machine::everywhere::everywhere;
    use crate::for_this_machine::for_this_machine;
    use proptest::prelude::*;

    for_this_machine! {
        fn round(x: &[f32], out: &mut [u16]) = round_by, rounding
    }

    #[inline(always)]
    fn round_by(x: &[f32], out: &mut [u16], rounding: impl Rounding) {
        rounding.row(x, out);
    }

    proptest! {
        #[test]
        fn is_the_half_crates_and_the_same_on_every_instruction_set(bits in prop::collection::vec(any::<u32>(), 1..70)) {
            let x: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            let found = everywhere(|| {
                let mut rounded = vec![0; x.len()];
                round(&x, &mut rounded);
                rounded
            });
            for (x, rounded) in found.iter().flat_map(|rounded| x.iter().zip(rounded)) {
                let exact = half::bf16::from_f32(if x.is_subnormal() { 0f32.copysign(*x) } else { *x });
                let both_none = exact.is_nan() && half::bf16::from_bits(*rounded).is_nan();
                prop_assert!(*rounded == exact.to_bits() || both_none, "{x:e}: {rounded:x}, not {exact:?}");
            }
        }
    }
}
