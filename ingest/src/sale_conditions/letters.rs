//! The letters by which the two consolidated tapes name sale conditions, as the numbers of [`crate::sale_conditions`].
//!
//! They are those of the output specifications of CTA (tapes A and B) and UTP (tapes C and O, which is over the counter).
//! One letter means different things on the two.

/// The numbers of the letters of a trade whose tape is not said, such as `@ TI` in NYSE's TAQ. A letter that means two things
/// restricts what either meaning does.
pub(crate) fn of_either_tape(text: &str) -> Vec<u32> {
    let letters = text.chars().filter(|letter| letter.is_ascii_alphanumeric()).map(|letter| letter.to_string());
    letters.flat_map(|letter| ["A", "C"].into_iter().filter_map(move |tape| of(tape, &letter))).collect()
}

/// The number of a letter in [`crate::sale_conditions`]; `None` for one that restricts nothing.
pub(crate) fn of(tape: &str, letter: &str) -> Option<u32> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_of_an_unknown_tape_means_what_it_means_on_either() {
        for (text, expected) in [
            ("", &[][..]),
            ("@", &[]),
            ("@ O", &[]),
            ("@ TI", &[12, 12, 37, 37]),
            ("B", &[2]),
            ("@ WX", &[2]),
            ("G", &[5]),
        ] {
            assert_eq!(of_either_tape(text), expected, "{text}");
        }
    }
}
