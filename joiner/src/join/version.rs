//! How much a row knows, as one number.
//!
//! A row depends on one record of topic `sentiment` and on some records of `bars`, `halts` and `actions`. Its version is
//! `mention · 2^36 + bars + halts + actions`. `mention` is one past the offset of the record with which the mention's
//! current revision took effect. Each of the others is one past the greatest offset in its topic that the row depends
//! on, or 0 if it depends on none. A row depends on all halts and actions of its window, whatever part of it is covered.
//!
//! Whenever a record changes the content of a row, the new row depends on that record, and the record is newer than all
//! that the row depended on before, so the version grows. Of two readers that take the topics in different order, one
//! may have an unfinished row where the other has the finalized one. None of the four numbers of the unfinished row
//! exceeds its counterpart in the finalized row; if the contents differ, at least one of them is less, and so is the
//! sum. So the finalized row always wins, and a row rebuilt from fewer records never replaces one made from more.

use crate::JoinerError;

const TAPE_BITS: u32 = 36;
const MENTION_BITS: u32 = 64 - TAPE_BITS;

/// The version of a row that must never replace another: that of a mention that was read too late.
pub const LOWEST: u64 = 0;

/// Packs the offset of the mention's record with the three `_end`s, each of which is one past an offset, or 0.
///
/// # Errors
/// [`JoinerError::TooManyRecords`] past 268 million records in a partition of `sentiment` or 68
/// billion in those of `bars`, `halts` and `actions` together.
pub fn pack(mention: u64, bars_end: u64, halts_end: u64, actions_end: u64) -> Result<u64, JoinerError> {
    let tape = bars_end.saturating_add(halts_end).saturating_add(actions_end);
    let mention = mention.saturating_add(1);
    if mention >> MENTION_BITS != 0 || tape >> TAPE_BITS != 0 {
        return Err(JoinerError::TooManyRecords);
    }
    Ok(mention << TAPE_BITS | tape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_mention_beats_any_tape() {
        let last_bar = (1 << 36) - 1;
        assert!(pack(8, 0, 0, 0).unwrap() > pack(7, last_bar, 0, 0).unwrap());
        assert!(pack(7, 5, 3, 0).unwrap() > pack(7, 5, 2, 0).unwrap());
        assert!(pack(7, 5, 3, 1).unwrap() > pack(7, 5, 3, 0).unwrap());
        assert_eq!(pack((1 << 28) - 2, last_bar, 0, 0).unwrap(), u64::MAX);
    }

    #[test]
    fn an_offset_that_does_not_fit_is_an_error() {
        for (mention, bars, halts) in
            [((1 << 28) - 1, 0, 0), (0, 1 << 36, 0), (0, 1 << 35, 1 << 35), (0, u64::MAX, 1), (u64::MAX, 0, 0)]
        {
            assert!(pack(mention, bars, halts, 0).is_err());
        }
    }
}
