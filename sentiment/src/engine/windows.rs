//! Splitting texts that are too long for the model into overlapping windows.

use std::ops::Range;

/// Adjacent windows share at least `1 / OVERLAP` of their tokens, so that a sentence cut at the end of one is often
/// whole in the next.
const OVERLAP: usize = 4;

/// What happens to a text that is too long for the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// It is read completely, in windows.
    #[default]
    Windows,
    /// Only its beginning is read.
    KeepStart,
    /// Only its end is read.
    KeepEnd,
    /// It gets no score, but the error [`crate::ScoreError::Length`].
    Refuse,
}

/// The windows of a text of `length` tokens, of which `room` fit into the model: the fewest windows that cover it, all
/// of them full and evenly spaced. [`Overflow::KeepStart`] keeps only the first of them, [`Overflow::KeepEnd`] only the
/// last.
pub(super) fn spans(length: usize, room: usize) -> Vec<Range<usize>> {
    let excess = length.saturating_sub(room);
    let steps = excess.div_ceil(room - room / OVERLAP);
    let start = |step: usize| step * excess / steps.max(1);
    (0..=steps).map(|step| start(step)..start(step) + room.min(length)).collect()
}

/// [`Window::weight`](super::tokenizer::Window::weight) of the windows `spans` of a text of `length` tokens.
pub(super) fn weights(spans: &[Range<usize>], length: usize) -> Vec<f64> {
    let mut shared_by = vec![0u32; length];
    for span in spans {
        shared_by[span.clone()].iter_mut().for_each(|windows| *windows += 1);
    }
    let weight = |span: &Range<usize>| shared_by[span.clone()].iter().map(|&windows| 1.0 / f64::from(windows)).sum();
    spans.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_cover_every_token_and_overlap(length in 1usize..3000, room in 4usize..520) {
            let spans = spans(length, room);
            prop_assert_eq!((spans[0].start, spans[spans.len() - 1].end), (0, length));
            prop_assert!(spans.iter().all(|span| span.len() == room.min(length)));
            for pair in spans.windows(2) {
                prop_assert!(pair[1].start > pair[0].start && pair[0].end - pair[1].start >= room / OVERLAP);
            }
            let weights = weights(&spans, length);
            prop_assert!((weights.iter().sum::<f64>() - length as f64).abs() < 1e-6);
            prop_assert!(weights.iter().all(|&weight| weight > 0.0));
        }
    }

    #[test]
    fn a_token_in_two_windows_counts_half_in_each() {
        let spans = spans(7, 4);
        assert_eq!(spans, [0..4, 3..7]);
        assert_eq!(weights(&spans, 7), [3.5, 3.5]);
        assert_eq!(super::spans(0, 4), std::slice::from_ref(&(0..0)));
    }
}
