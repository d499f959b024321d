//! From logits to published probabilities.

use super::labels::Classes;
use tapewire_core::Probabilities;

/// Published probabilities are multiples of `1 / PARTS`.
const PARTS: f64 = 1e6;

/// Class probabilities of a text from the logits and weights of its windows, rounded to 1e-6. `None` if a logit is not
/// finite or there are no windows.
///
/// For windows i with weights w_i and softmax p_i the result is sum(w_i p_i) / sum(w_i), the linear opinion pool (Stone
/// 1961, "The Opinion Pool"): the probability of each class at a random token of the text. So the score p(positive) -
/// p(negative) is the weighted mean of the windows' scores, and a single confident window can't outvote the rest of a
/// long text, as it would in a product.
///
/// Rounding makes rows repeat exactly on machines whose arithmetic differs in the last bits. The rounding error of the
/// sum is added to the largest class, so the sum is 1.
pub fn probabilities(windows: &[(Vec<f32>, f64)], classes: Classes) -> Option<Probabilities> {
    let total: f64 = windows.iter().map(|(_, weight)| weight).sum();
    let mut pooled = [0.0; 3];
    for (logits, weight) in windows {
        for (sum, part) in pooled.iter_mut().zip(softmax(classes.pick(logits))?) {
            *sum += weight / total * part;
        }
    }
    let mut parts = pooled.map(|part| (part * PARTS).round());
    let left_over = PARTS - parts.iter().sum::<f64>();
    let largest = pooled.into_iter().fold(0.0, f64::max);
    let at = pooled.iter().position(|&part| part == largest && part > 0.0)?;
    parts[at] += left_over;
    let [positive, neutral, negative] = parts.map(|part| part / PARTS);
    Some(Probabilities { positive, neutral, negative })
}

fn softmax(logits: [f32; 3]) -> Option<[f64; 3]> {
    let logits = logits.map(f64::from);
    if logits.iter().any(|logit| !logit.is_finite()) {
        return None;
    }
    let largest = logits.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let weights = logits.map(|logit| (logit - largest).exp());
    let total: f64 = weights.iter().sum();
    Some(weights.map(|weight| weight / total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLASSES: Classes = Classes { positive: 2, neutral: 0, negative: 1 };

    fn alone(logits: &[f32; 3]) -> Option<Probabilities> {
        probabilities(&[(logits.to_vec(), 1.0)], CLASSES)
    }

    #[test]
    fn probabilities_are_assigned_to_their_classes() {
        let p = alone(&[0.0, 1.0, 3.0]).unwrap();
        assert_eq!((p.positive, p.neutral, p.negative), (0.843_795, 0.042_01, 0.114_195));
        assert_eq!(alone(&[f32::NAN, 0.0, 0.0]), None);
        assert_eq!(alone(&[f32::INFINITY, 0.0, 0.0]), None);
        assert_eq!(probabilities(&[], CLASSES), None);
    }

    proptest! {
        #[test]
        fn probabilities_are_multiples_of_a_millionth_and_sum_to_one(windows in prop::collection::vec((prop::array::uniform3(-40f32..40.0), 0.5..500.0), 1..5)) {
            let windows: Vec<(Vec<f32>, f64)> = windows.iter().map(|(logits, weight)| (logits.to_vec(), *weight)).collect();
            let p = probabilities(&windows, CLASSES).unwrap();
            let parts = [p.positive, p.neutral, p.negative].map(|p| p * PARTS);
            prop_assert!(parts.iter().all(|part| (part - part.round()).abs() < 1e-6 && *part >= 0.0));
            prop_assert_eq!(parts.iter().map(|part| part.round()).sum::<f64>(), PARTS);
        }

        #[test]
        fn the_score_is_the_weighted_mean_of_the_windows(one in prop::array::uniform3(-9f32..9.0), other in prop::array::uniform3(-9f32..9.0), weight in 0.01..0.99) {
            let both = probabilities(&[(one.to_vec(), weight), (other.to_vec(), 1.0 - weight)], CLASSES).unwrap().score();
            let mean = weight * alone(&one).unwrap().score() + (1.0 - weight) * alone(&other).unwrap().score();
            prop_assert!((both - mean).abs() < 5e-6, "{} {}", both, mean);
        }
    }
}
