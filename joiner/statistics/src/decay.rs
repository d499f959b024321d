//! An index of sentiment in which the weight of a value halves with each half-life.

use crate::error::{Error, Result, argument, finite, same_length};

/// The mean of all values so far, each with weight 0.5^(age / half-life), at the time of each value.
///
/// `times` and `half_life` have the same unit, which can be any; times do not decrease. Equals pandas'
/// `Series.ewm(halflife=..., times=...).mean()`.
///
/// # Errors
/// [`Error::Argument`] for a half-life that is not above 0 or a time before the one before it; [`Error::Length`];
/// [`Error::NotFinite`].
pub fn half_life_mean(times: &[i64], values: &[f64], half_life: f64) -> Result<Vec<f64>> {
    same_length("times", times.len(), values.len())?;
    finite("values", values)?;
    argument("the half-life", half_life, half_life > 0.0 && half_life.is_finite(), "above 0")?;
    let (mut total, mut weight) = (0.0, 0.0);
    let mut last = times.first().copied().unwrap_or(0);
    let mut means = Vec::with_capacity(values.len());
    for (&time, value) in times.iter().zip(values) {
        if time < last {
            return Err(Error::Argument { what: "a time", value: time as f64, rule: "not before the one before it" });
        }
        // Times may be so far apart that their difference overflows an `i64`.
        let fade = 0.5_f64.powf((i128::from(time) - i128::from(last)) as f64 / half_life);
        (total, weight) = (total * fade + value, weight * fade + 1.0);
        last = time;
        means.push(total / weight);
    }
    Ok(means)
}
