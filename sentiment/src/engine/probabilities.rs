//! From logits to the numbers that are published.

use super::labels::Classes;
use tapewire_core::Probabilities;

/// Published probabilities are whole multiples of this part of one.
const PARTS: f64 = 1e6;

/// Softmax of a text's logits, rounded to 1e-6; `None` if a logit is not finite.
///
/// Rounded so that rows repeat exactly even where another machine's arithmetic differs in the
/// last bits; what rounding leaves over goes to the largest class, so the sum stays 1.
pub fn probabilities(logits: &[f32], classes: Classes) -> Option<Probabilities> {
    let picked = [classes.positive, classes.neutral, classes.negative].map(|class| f64::from(logits[class]));
    if picked.iter().any(|logit| !logit.is_finite()) {
        return None;
    }
    let largest = picked.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let weights = picked.map(|logit| (logit - largest).exp());
    let total: f64 = weights.iter().sum();
    let mut parts = weights.map(|weight| (weight / total * PARTS).round());
    let left_over = PARTS - parts.iter().sum::<f64>();
    let at = picked.iter().position(|&logit| logit == largest).expect("the largest is one of them");
    parts[at] += left_over;
    let [positive, neutral, negative] = parts.map(|part| part / PARTS);
    Some(Probabilities { positive, neutral, negative })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLASSES: Classes = Classes { positive: 2, neutral: 0, negative: 1 };

    #[test]
    fn classes_find_their_places() {
        let p = probabilities(&[0.0, 1.0, 3.0], CLASSES).unwrap();
        assert_eq!((p.positive, p.neutral, p.negative), (0.843_795, 0.042_01, 0.114_195));
        assert_eq!(probabilities(&[f32::NAN, 0.0, 0.0], CLASSES), None);
        assert_eq!(probabilities(&[f32::INFINITY, 0.0, 0.0], CLASSES), None);
    }

    proptest! {
        #[test]
        fn they_are_whole_parts_that_sum_to_one(logits in prop::array::uniform3(-40f32..40.0)) {
            let p = probabilities(&logits, CLASSES).unwrap();
            let parts = [p.positive, p.neutral, p.negative].map(|p| p * PARTS);
            prop_assert!(parts.iter().all(|part| (part - part.round()).abs() < 1e-6 && *part >= 0.0));
            prop_assert_eq!(parts.iter().map(|part| part.round()).sum::<f64>(), PARTS);
        }
    }
}
