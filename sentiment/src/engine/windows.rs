//! Texts beyond the model's limit: read whole, in overlapping windows.

use std::ops::Range;

/// At least this part of a window is also in its neighbour, so that what is cut at the end of one
/// stands whole in the other.
const OVERLAP: usize = 4;

/// What becomes of a text beyond the model's limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Long {
    /// It is read whole, in windows.
    #[default]
    Windows,
    /// Only its beginning is read, as much as fits.
    Beginning,
    /// Only its end is read.
    End,
    /// It is an error: [`crate::ScoreError::Length`].
    Refuse,
}

/// Where the windows of a text of `length` tokens stand, of which `room` fit the model: all of
/// full width, as few as will do, evenly spread. The first one is the text's beginning, cut.
pub(super) fn places(length: usize, room: usize) -> Vec<Range<usize>> {
    let excess = length.saturating_sub(room);
    let steps = excess.div_ceil(room - room / OVERLAP);
    let start = |step: usize| step * excess / steps.max(1);
    (0..=steps).map(|step| start(step)..start(step) + room.min(length)).collect()
}

/// [`Window::weight`] of windows that stand at `places` in a text of `length` tokens.
pub(super) fn weights(places: &[Range<usize>], length: usize) -> Vec<f64> {
    let mut shared_by = vec![0u32; length];
    for place in places {
        shared_by[place.clone()].iter_mut().for_each(|windows| *windows += 1);
    }
    let weight = |place: &Range<usize>| shared_by[place.clone()].iter().map(|&windows| 1.0 / f64::from(windows)).sum();
    places.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_hold_every_token_and_overlap(length in 1usize..3000, room in 4usize..520) {
            let places = places(length, room);
            prop_assert_eq!((places[0].start, places[places.len() - 1].end), (0, length));
            prop_assert!(places.iter().all(|place| place.len() == room.min(length)));
            for pair in places.windows(2) {
                prop_assert!(pair[1].start > pair[0].start && pair[0].end - pair[1].start >= room / OVERLAP);
            }
            let weights = weights(&places, length);
            prop_assert!((weights.iter().sum::<f64>() - length as f64).abs() < 1e-6);
            prop_assert!(weights.iter().all(|&weight| weight > 0.0));
        }
    }

    #[test]
    fn a_token_two_windows_share_counts_half_in_each() {
        let places = places(7, 4);
        assert_eq!(places, [0..4, 3..7]);
        assert_eq!(weights(&places, 7), [3.5, 3.5]);
        assert_eq!(super::places(0, 4), std::slice::from_ref(&(0..0)));
    }
}
