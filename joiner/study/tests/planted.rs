//! An effect that was planted is inside its interval, and without an effect nothing is significant.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use support::{DEVIATION, planted, settings};
use tapewire_study::sentence::Verdict;
use tapewire_study::{Settings, study};

const SEEDS: u64 = 100;
const DAYS: usize = 60;

fn quick() -> Settings {
    Settings { permutations: 199, bootstraps: 399, ..settings() }
}

#[test]
fn a_planted_effect_is_inside_its_interval() {
    for rho in [0.0, 0.15, 0.4] {
        // Spearman's correlation of jointly normal values (Kruskal 1958), and the mean of a normal score above 0.
        let ic = 6.0 / std::f64::consts::PI * (rho / 2.0_f64).asin();
        let mean = DEVIATION * rho * (2.0 / std::f64::consts::PI).sqrt();
        let mut inside = [0_u64; 5];
        for seed in 1..=SEEDS {
            let findings = study(&planted(seed, DAYS, rho), &quick());
            let five = &findings.horizons[1];
            let holds = |low: f64, high: f64, value: f64| u64::from((low..=high).contains(&value));
            let rank = five.rank_ic.value().unwrap();
            let (newey_west, bootstrap) =
                (five.rank_ic_newey_west.value().unwrap(), five.rank_ic_bootstrap.value().unwrap());
            let (positive, negative) = (five.positive.value().unwrap(), five.negative.value().unwrap());
            let found = [
                holds(rank.low, rank.high, ic),
                holds(positive.low, positive.high, mean),
                holds(negative.low, negative.high, -mean),
                holds(newey_west.low, newey_west.high, ic),
                holds(bootstrap.low, bootstrap.high, ic),
            ];
            inside.iter_mut().zip(found).for_each(|(count, one)| *count += one);
        }
        println!("rho {rho}: {inside:?} of {SEEDS}");
        // A count of 95 in 100 has a standard error of 2.2. The percentile bootstrap has no correction for few days.
        assert!(inside[..1].iter().all(|&count| count >= 94), "rho {rho}: {inside:?}");
        assert!(inside[1..].iter().all(|&count| count >= 88), "rho {rho}: {inside:?}");
    }
}

#[test]
fn where_no_effect_is_planted_none_is_significant_after_correction() {
    let (mut significant, mut found) = (0, 0);
    let seeds = 4 * SEEDS;
    for seed in 1..=seeds {
        let findings = study(&planted(1000 + seed, DAYS, 0.0), &quick());
        let estimates = findings.horizons.iter().flat_map(|of| of.estimates());
        let any = estimates.filter_map(|(_, estimate)| estimate.value()?.p_adjusted).any(|p| p <= 0.05);
        significant += u64::from(any);
        found += u64::from(findings.verdict == Verdict::Found);
    }
    println!("significant {significant}, found {found} of {seeds}");
    // 6 of 100, where at most 5 are expected.
    assert!(
        significant * 100 <= 6 * seeds && found <= significant,
        "{significant} significant, {found} found, of {seeds}"
    );
}
