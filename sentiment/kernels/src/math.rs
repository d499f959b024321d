//! `exp`, `erf` and sums over lanes in branch-free single precision, so that loops over them become vector code.
//!
//! Coefficients are minimax fits (Lawson's reweighted least squares) made for this file.

/// `e^x`; 0 below -87, and constant above 88. Relative error below 2e-7.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // ln 2 in two parts: the first has so few bits that its product with n is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    let mut p = 1.381_454e-3_f32;
    for c in [8.368_745e-3, 4.166_839e-2, 1.666_652_1e-1, 4.999_999_4e-1, 1.0, 1.0] {
        p = p.mul_add(r, c);
    }
    // The same low bits, moved to the exponent, are 2^n.
    let two_to_n = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    zero_if_tiny(x, p * two_to_n)
}

/// [`exp`] for arguments not above 0, in two thirds of the instructions. Relative error below 1.1e-4, which is
/// less than a thirtieth of the spacing of bfloat16; exactly 1 at 0.
#[inline(always)]
pub fn fast_exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let r = x.mul_add(std::f32::consts::LOG2_E, ROUND - shifted);
    let mut p = 5.500_893_3e-2_f32;
    for c in [2.422_109_5e-1, 6.932_829e-1, 1.0] {
        p = p.mul_add(r, c);
    }
    // The low bits, added to the exponent, multiply by 2^n.
    zero_if_tiny(x, f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23)))
}

/// `e_to_x`, or 0 where it would not be a normal number. A masked token must not count at all, and in a sum whose other
/// terms are 0 even the smallest number would.
#[inline(always)]
fn zero_if_tiny(x: f32, e_to_x: f32) -> f32 {
    if x < -87.0 { 0.0 } else { e_to_x }
}

/// The error function. Absolute error below 5e-7.
#[inline(always)]
#[allow(clippy::approx_constant, reason = "fitted together with the others, not the constant it is close to")]
pub fn erf(x: f32) -> f32 {
    // Beyond 4 the function is 1 in single precision.
    let x = x.clamp(-4.0, 4.0);
    let t = x * x;
    let mut p = 1.974_819_3e-6_f32;
    for c in [2.880_418_6e-4, 4.003_680_3e-3, 5.346_758_7e-2, 1.962_498_4e-1, 1.128_379] {
        p = p.mul_add(t, c);
    }
    let mut q = 3.748_077e-5_f32;
    for c in [1.216_367_6e-3, 1.544_449_2e-2, 1.164_767_7e-1, 5.072_530_5e-1, 1.0] {
        q = q.mul_add(t, c);
    }
    (x * p / q).clamp(-1.0, 1.0)
}

/// The nonlinearity between two products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU by the error function.
    Gelu,
    /// GELU's approximation by tanh.
    GeluTanh,
    /// max(x, 0)
    Relu,
    /// Slow: for the classification head, not for every token.
    Tanh,
}

/// GELU by the error function. Error below 1e-6 plus a millionth of `x`.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let half = 0.5 * x;
    half.mul_add(erf(x * std::f32::consts::FRAC_1_SQRT_2), half)
}

/// GELU approximated by tanh: `x / (1 + e^(-2u))` where `u = sqrt(2 / pi) (x + 0.044715 x^3)`.
#[inline(always)]
pub fn gelu_tanh(x: f32) -> f32 {
    const MINUS_TWO_ROOTS: f32 = -2.0 * 0.797_884_6;
    x / (1.0 + exp(MINUS_TWO_ROOTS * (0.044_715 * x * x).mul_add(x, x)))
}

/// The larger of `x` and 0; NaN stays NaN.
#[inline(always)]
pub fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// [`gelu`] in half the instructions and without a division. Error below 1e-4 plus a ten-thousandth of `x`, which is
/// less than a step of the 8 bits that it is rounded to afterwards.
#[inline(always)]
pub fn fast_gelu(x: f32) -> f32 {
    // Outside this range the normal distribution function is 0 or 1 within the error.
    let z = x.clamp(-3.7, 3.7);
    let t = z * z;
    let mut p = 3.478_617_4e-8_f32;
    for c in [-2.158_453_7e-6, 5.809_56e-5, -9.035_825e-4, 9.167_909e-3, -6.536_428e-2, 3.983_997_7e-1] {
        p = p.mul_add(t, c);
    }
    x * z.mul_add(p, 0.5)
}

/// Reduces lanes by halves, always in the same order.
#[inline(always)]
pub fn reduce_lanes(lanes: [f32; 16], combine: impl Fn(f32, f32) -> f32) -> f32 {
    // One array per step: in a loop over the steps, compilers would process lanes one by one.
    let lanes: [f32; 8] = std::array::from_fn(|lane| combine(lanes[lane], lanes[lane + 8]));
    let lanes: [f32; 4] = std::array::from_fn(|lane| combine(lanes[lane], lanes[lane + 4]));
    let lanes: [f32; 2] = std::array::from_fn(|lane| combine(lanes[lane], lanes[lane + 2]));
    combine(lanes[0], lanes[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function by its power series, in double precision: accurate to 1e-9 up to 4. Beyond that it is 1,
    /// accurate to 2e-8.
    fn series(x: f64) -> f64 {
        if x.abs() > 4.0 {
            return x.signum();
        }
        let (mut power, mut sum) = (x, x);
        for n in 1..120 {
            power *= -x * x / f64::from(n);
            sum += power / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn gelu_is_accurate_and_the_fast_one_nearly() {
        for x in (-20_000..=20_000).map(|i| i as f32 / 1000.0) {
            let wide = f64::from(x);
            let exact = 0.5 * wide * (1.0 + series(wide * std::f64::consts::FRAC_1_SQRT_2));
            assert!((f64::from(gelu(x)) - exact).abs() < 1e-6 + 1e-6 * wide.abs(), "{x} {} {exact}", gelu(x));
        }
        for x in (-20_000..=20_000).map(|i| i as f32 / 1000.0) {
            let distance = (fast_gelu(x) - gelu(x)).abs();
            assert!(distance < 1e-4 + 1e-4 * x.abs(), "{x}: {distance}");
        }
        assert!(fast_gelu(f32::NAN).is_nan());
    }

    #[test]
    fn gelu_by_tanh_and_relu_are_accurate() {
        for x in (-20_000..=20_000).map(|i| i as f32 / 1000.0) {
            let wide = f64::from(x);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044_715 * wide.powi(3));
            let exact = 0.5 * wide * (1.0 + u.tanh());
            assert!((f64::from(gelu_tanh(x)) - exact).abs() < 1e-6 + 1e-6 * wide.abs(), "{x}: {}", gelu_tanh(x));
            assert_eq!(relu(x), x.max(0.0));
        }
        assert!(gelu_tanh(f32::NAN).is_nan() && relu(f32::NAN).is_nan());
    }

    #[test]
    fn exp_is_accurate() {
        for i in -87_000..=88_000 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 2e-7, "exp({x}) = {}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!([exp(f32::NEG_INFINITY), exp(-87.1)], [0.0; 2]);
        assert_eq!(exp(f32::INFINITY), exp(88.0));
        assert!(exp(f32::NAN).is_nan());
        for i in -87_000..=0 {
            let x = i as f32 / 1000.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(fast_exp(x)) / exact - 1.0).abs() < 1.1e-4, "exp({x}) = {}", fast_exp(x));
        }
        assert_eq!(fast_exp(0.0), 1.0);
        assert_eq!([fast_exp(f32::NEG_INFINITY), fast_exp(-87.1)], [0.0; 2]);
        assert!(fast_exp(f32::NAN).is_nan());
    }

    #[test]
    fn lanes_are_reduced() {
        let lanes = std::array::from_fn(|lane| (1 << lane) as f32);
        assert_eq!(reduce_lanes(lanes, |a, b| a + b), 65_535.0);
        assert_eq!(reduce_lanes(lanes, f32::max), 32_768.0);
    }

    #[test]
    fn erf_is_accurate() {
        // Abramowitz and Stegun, table 7.1.
        for (x, exact) in
            [(0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (1.5, 0.966_105_146_5), (2.0, 0.995_322_265_0)]
        {
            assert!((series(x) - exact).abs() < 1e-10, "series({x}) = {}", series(x));
        }
        for x in (0..=9000).map(|i| i as f32 / 1000.0) {
            assert!((f64::from(erf(x)) - series(f64::from(x))).abs() < 5e-7, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }
}
