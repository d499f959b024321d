//! Rank information coefficient.

use crate::ic::pearson;
use rayon::prelude::*;

/// Spearman's rank correlation of a factor with forward returns, pair by pair: the product-moment correlation of their
/// ranks, equal values sharing the mean of their ranks.
///
/// `None` where it is undefined: fewer than two pairs, a NaN, or one side constant.
/// Equals `scipy.stats.spearmanr`; source: Spearman 1904, in the form of Grinold and Kahn's information coefficient.
///
/// ```
/// use tapewire_statistics::rank_ic;
///
/// assert_eq!(rank_ic(&[0.1, 0.5, 0.9], &[-0.02, 0.01, 0.03]), Some(1.0));
/// assert_eq!(rank_ic(&[0.5, 0.5], &[0.01, 0.02]), None, "a constant side");
/// ```
///
/// # Panics
/// If the sides do not have the same length.
pub fn rank_ic(factor: &[f64], forward_return: &[f64]) -> Option<f64> {
    assert_eq!(factor.len(), forward_return.len(), "a forward return for each value of the factor");
    if factor.len() < 2 || factor.iter().chain(forward_return).any(|value| value.is_nan()) {
        return None;
    }
    pearson(&ranks(factor), &ranks(forward_return)).ok()
}

/// Ranks from 1; equal values share the mean of their ranks. The values must not be NaN.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        let to = from + tied.len();
        // The mean of the ranks `from + 1` to `to`.
        let shared = (from + 1 + to) as f64 / 2.0;
        tied.iter().for_each(|&(_, index)| ranks[index] = shared);
        from = to;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_scipy() {
        // With ties on both sides.
        let ic = rank_ic(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0], &[2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0]).unwrap();
        assert!((ic - SCIPY).abs() < 1e-12, "{ic}");
        assert_eq!(rank_ic(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), Some(1.0));
        assert_eq!(rank_ic(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
    }

    /// Correlation of `Series.rank()` of both sides in pandas 2.1, which is what scipy computes.
    const SCIPY: f64 = -0.083_347_625_989_871_57;

    #[test]
    fn undefined_is_none_and_never_zero() {
        assert_eq!(rank_ic(&[], &[]), None);
        assert_eq!(rank_ic(&[1.0], &[1.0]), None);
        assert_eq!(rank_ic(&[2.0, 2.0, 2.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(rank_ic(&[1.0, f64::NAN, 2.0], &[1.0, 2.0, 3.0]), None);
    }

    /// Every period of the reference computed with scipy and alphalens, one of them with ties.
    #[test]
    fn agrees_with_the_reference_figures() {
        let Ok(folder) = std::env::var("TAPEWIRE_FIXTURES") else {
            println!("skipped: rank IC reference: TAPEWIRE_FIXTURES is not set");
            return;
        };
        let text = std::fs::read_to_string(format!("{folder}/stats/information_coefficient.json")).unwrap();
        let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
        let rows = |name: &str| serde_json::from_value::<Vec<Vec<f64>>>(reference[name].clone()).unwrap();
        let expected: Vec<f64> = serde_json::from_value(reference["rank_ic"].clone()).unwrap();
        let (factor, forward) = (rows("factor"), rows("fwd"));
        assert!(!expected.is_empty() && factor.len() == expected.len() && forward.len() == expected.len());
        for ((factor, forward), expected) in factor.iter().zip(&forward).zip(expected) {
            let found = rank_ic(factor, forward).unwrap();
            assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
        }
    }
}
