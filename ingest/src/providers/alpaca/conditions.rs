//! The letters by which the two consolidated tapes name sale conditions, as the numbers of [`crate::sale_conditions`].
//!
//! They are those of the output specifications of CTA (tapes A and B) and UTP (tapes C and O, which is over the counter).
//! One letter means different things on the two.

/// The number of a letter in [`crate::sale_conditions`]; `None` for one that restricts nothing.
pub(super) fn of(tape: &str, letter: &str) -> Option<u32> {
    let is_cta = matches!(tape, "A" | "B");
    Some(match letter {
        // Average price on CTA; bunched, which restricts nothing, on UTP.
        "B" if is_cta => 2,
        // Average price on UTP.
        "W" if !is_cta => 2,
        // Bunched and sold, on UTP only.
        "G" if !is_cta => 5,
        "C" => 7,  // cash sale
        "4" => 10, // derivatively priced
        "T" => 12, // outside the regular session
        "U" => 13, // outside the regular session, sold out of sequence
        "M" => 15, // an exchange's official close
        "Q" => 16, // an exchange's official open
        "N" => 20, // next day
        "H" => 21, // price variation
        "P" => 22, // prior reference price
        "R" => 29, // seller
        "Z" => 33, // sold out of sequence
        "I" => 37, // odd lot
        "9" => 38, // corrected consolidated close
        "V" => 52, // contingent
        "7" => 53, // qualified contingent
        _ => return None,
    })
}
