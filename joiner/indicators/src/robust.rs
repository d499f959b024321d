//! How far a value is from others, by their median.

/// What the median absolute deviation of a normal distribution is multiplied by to give its standard deviation:
/// 1 / Φ⁻¹(3/4).
const MAD_TO_DEVIATION: f64 = 1.482_602_218_505_602;

/// The middle of some values, or the mean of the two in the middle. Orders the values; `None` if there are none.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The distance of `value` from the median of `others`, in units of their median absolute deviation scaled to a standard
/// deviation. `None` without others, and if more than half of them are equal, because then there is no scale.
pub(crate) fn robust_z(value: f64, mut others: Vec<f64>) -> Option<f64> {
    let center = median(&mut others)?;
    others.iter_mut().for_each(|other| *other = (*other - center).abs());
    let deviation = median(&mut others)?;
    let z = (value - center) / (MAD_TO_DEVIATION * deviation);
    (deviation > 0.0 && z.is_finite()).then_some(z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_large_value_moves_neither_center_nor_scale() {
        // Median 3, deviations 2 1 0 1 97: median 1.
        let z = robust_z(6.0, vec![1.0, 2.0, 3.0, 4.0, 100.0]);
        assert_eq!(z, Some(3.0 / MAD_TO_DEVIATION));
        assert_eq!(robust_z(6.0, vec![4.0, 1.0, 2.0, 3.0]), Some(3.5 / MAD_TO_DEVIATION), "the mean of the middle two");
    }

    #[test]
    fn without_a_scale_there_is_no_distance() {
        assert_eq!(robust_z(6.0, vec![]), None);
        assert_eq!(robust_z(6.0, vec![1.0, 1.0, 1.0, 2.0]), None);
        assert_eq!(robust_z(1.0, vec![1.0, 1.0, 1.0]), None);
    }
}
