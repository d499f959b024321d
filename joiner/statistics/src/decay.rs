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

/// The mean of the values that were known in the `window` before `at`, each with its weight times 0.5^(age /
/// half-life): those with a time from `at - window` on and before `at`. `None` without any, or if their weights are 0.
///
/// `times`, `at`, `half_life` and `window` have the same unit, which can be any; times may be in any order. View
/// `sentiment_index` has the same rule for the end of each minute.
///
/// ```
/// use tapewire_statistics::decay::weighted_index;
///
/// // A story an hour ago, and its second telling, which counts half, now; weights halve with each hour.
/// let index = weighted_index(&[0, 3600], &[0.8, -0.4], &[1.0, 0.5], 3600 + 1, 3600.0, 86_400)?;
/// assert!((index.unwrap() - 0.2).abs() < 1e-3);
/// assert_eq!(weighted_index(&[0], &[0.8], &[1.0], 90_000, 3600.0, 86_400)?, None);
/// # Ok::<(), tapewire_statistics::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] for a half-life that is not above 0 or a weight below 0; [`Error::Length`]; [`Error::NotFinite`].
pub fn weighted_index(
    times: &[i64],
    values: &[f64],
    weights: &[f64],
    at: i64,
    half_life: f64,
    window: u64,
) -> Result<Option<f64>> {
    same_length("times", times.len(), values.len())?;
    same_length("weights", weights.len(), values.len())?;
    finite("values", values)?;
    finite("weights", weights)?;
    argument("the half-life", half_life, half_life > 0.0 && half_life.is_finite(), "above 0")?;
    for &weight in weights {
        argument("a weight", weight, weight >= 0.0, "not below 0")?;
    }
    let (mut total, mut weight) = (0.0, 0.0);
    for ((&time, value), own) in times.iter().zip(values).zip(weights) {
        let age = i128::from(at) - i128::from(time);
        if age > 0 && age <= i128::from(window) {
            let own = own * 0.5_f64.powf(age as f64 / half_life);
            (total, weight) = (total + own * value, weight + own);
        }
    }
    Ok((weight > 0.0).then(|| total / weight))
}
