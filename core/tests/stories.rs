//! How many stories that are told again are recognised, on labelled headlines.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod labelled;

/// Rules and threshold were chosen on the headlines of the half `chosen` alone. The limits are the same for both
/// halves.
#[test]
fn stories_told_again_are_recognised() {
    let headlines = labelled::read(include_str!("headlines.tsv")).unwrap();
    for half in ["chosen", "held-out"] {
        let own: Vec<_> = headlines.iter().filter(|headline| headline.half == half).cloned().collect();
        assert!(own.len() > 50, "{half}: {}", own.len());
        for (what, measured) in [("pairs", labelled::pairs(&own)), ("repeats", labelled::repeats(&own))] {
            println!("{half}, {what}: {}", measured.count);
            let errors = measured.errors.join("\n");
            // Pairs are harder: two headlines of one story may be alike only by way of a third, and a repeat may be like
            // several headlines, of which one is enough.
            let least = if what == "pairs" { 0.8 } else { 0.9 };
            assert!(measured.count.precision() >= least, "{half}, {what}: {}\n{errors}", measured.count);
            assert!(measured.count.recall() >= least, "{half}, {what}: {}\n{errors}", measured.count);
        }
    }
}
