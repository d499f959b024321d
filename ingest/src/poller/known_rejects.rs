//! Items that were sent to the dead letters already. Polls look back over the same time again, some further than others, and
//! see them again.

use std::collections::HashSet;

/// Most bytes of items that are remembered. If there are more, all are forgotten, and each is sent again when a poll
/// sees it.
const MAX_BYTES: usize = 16 << 20;

/// Items that earlier polls sent to the dead letters, byte for byte.
#[derive(Default)]
pub(super) struct KnownRejects {
    items: HashSet<Vec<u8>>,
    bytes: usize,
}

impl KnownRejects {
    pub fn contains(&self, item: &[u8]) -> bool {
        self.items.contains(item)
    }

    /// Adds what a poll rejected.
    pub fn extend(&mut self, items: HashSet<Vec<u8>>) {
        for item in items {
            // Items that are known take no further room.
            if self.items.contains(&item) {
                continue;
            }
            if self.bytes + item.len() > MAX_BYTES {
                *self = Self::default();
            }
            self.bytes += item.len();
            self.items.insert(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_known_also_after_polls_that_did_not_look_back_as_far() {
        let of = |text: &str| HashSet::from([text.as_bytes().to_vec()]);
        let mut known = KnownRejects::default();
        known.extend(of("far back"));
        known.extend(HashSet::new());
        known.extend(of("new"));
        assert!(known.contains(b"far back") && known.contains(b"new") && !known.contains(b"other"));
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut known = KnownRejects::default();
        for number in 0..100_u8 {
            known.extend(HashSet::from([vec![number; 600_000]]));
            assert!(known.bytes <= MAX_BYTES);
        }
        assert!(known.contains(&[99; 600_000]) && !known.contains(&[0; 600_000]));
    }

    #[test]
    fn an_item_that_is_known_makes_no_other_forgotten() {
        let of = |number: u8| HashSet::from([vec![number; MAX_BYTES / 2]]);
        let mut known = KnownRejects::default();
        for number in [0, 1, 0, 1] {
            known.extend(of(number));
        }
        assert!([0, 1].iter().all(|number| known.contains(&vec![*number; MAX_BYTES / 2])));
        assert_eq!(known.bytes, MAX_BYTES);
    }
}
