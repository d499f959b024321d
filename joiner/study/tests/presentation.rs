//! What is shown where a value is exact, at the end of its range, undefined, or left out.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use support::{planted, row, settings};
use tapewire_core::Horizon;
use tapewire_study::filters::{PossibleSplits, ScoreQuantiles};
use tapewire_study::row::Flags;
use tapewire_study::{DailyReturns, Filters, Row, Settings, html, study, study_with, text};

/// 40 days of three events, with an outcome that `of` makes of the day and the score.
fn rows(of: impl Fn(usize, f64) -> f64) -> Vec<Row> {
    let mut all = planted(5, 40, 0.0);
    all.retain(|row| ["AAPL", "MSFT", "NVDA"].contains(&row.symbol.as_ref().unwrap().as_str()));
    for (place, row) in all.iter_mut().enumerate() {
        let outcome = Some(of(place / 3, row.score.unwrap()));
        (row.returns[1], row.abnormal[1]) = (outcome, outcome);
    }
    all
}

fn page(findings: &tapewire_study::Findings) -> String {
    html::page(findings, &html::Source::default())
}

#[test]
fn outcomes_across_a_possible_split_are_left_out_and_counted() {
    let (within, across) = (1, Horizon::NextOpen as usize);
    let mut all = planted(3, 40, 0.3);
    for row in &mut all {
        row.abnormal[across] = row.abnormal[within];
    }
    for row in all.iter_mut().take(2) {
        row.abnormal[across] = Some(-0.405);
        row.flags = Flags { possible_split: true, ..Flags::default() };
    }
    let findings = study(&all, &settings());
    let counts = |findings: &tapewire_study::Findings, at: usize| {
        (findings.horizons[at].n, findings.horizons[at].possible_splits, findings.horizons[at].without_outcome)
    };
    assert_eq!(counts(&findings, within), (200, 0, 0), "the split is not within the session");
    assert_eq!(counts(&findings, across), (198, 2, 2));
    let said = "2 outcomes that may be across an unknown split (flag_possible_split) are left out";
    assert!(text::table(&findings).contains(said), "{}", text::table(&findings));
    assert!(page(&findings).contains(said) && findings.methods.contains(said));
    assert_eq!(serde_json::to_value(&findings).unwrap()["horizons"][across]["possible_splits"], 2);
    let filters = Filters { possible_splits: PossibleSplits::Keep, ..Filters::default() };
    let kept = study(&all, &Settings { filters, ..settings() });
    assert_eq!(counts(&kept, across), (200, 2, 0));
    assert!(text::table(&kept).contains("unknown split (flag_possible_split) count nevertheless"));
}

#[test]
fn days_across_a_possible_split_are_counted_where_they_are_shown() {
    let daily = DailyReturns { possible_splits: 1, ..DailyReturns::default() };
    let settings = Settings { days: 2, ..settings() };
    let findings = study_with(&planted(3, 12, 0.0), &settings, Some(&daily), tapewire_study::panels::Joined::default());
    let said = "1 day across a night that may be an unknown split of 3:2, 4:3 or 5:4 has no return";
    assert!(text::table(&findings).contains(said) && page(&findings).contains(said), "{}", text::table(&findings));
    assert_eq!(findings.days.unwrap().possible_splits, 1);
}

#[test]
fn a_hit_rate_of_all_is_shown_with_wilsons_interval_and_no_test() {
    let findings = study(&rows(|day, score| score.signum() * 0.001 * (1 + day % 7) as f64), &settings());
    let hits = findings.horizons[1].hit_rate.value().unwrap();
    assert_eq!((hits.estimate, hits.high, hits.t, hits.p, hits.p_adjusted), (1.0, 1.0, None, None, None));
    // Wilson's lower end of 40 in 40: 40 days, not 120 events.
    assert!((hits.low - 40.0 / (40.0 + 1.959_963_984_540_054_f64.powi(2))).abs() < 1e-9, "{hits:?}");
    assert!(text::table(&findings).contains("100.0 %"), "{}", text::table(&findings));
    assert!(page(&findings).contains("100.0 %"));
    assert!(serde_json::to_value(&findings).unwrap()["horizons"][1]["hit_rate"]["value"]["t"].is_null());
}

#[test]
fn an_exact_order_is_named() {
    for (sign, word) in [(1.0, "exactly +1"), (-1.0, "exactly -1")] {
        let findings = study(&rows(|_, score| sign * score * 0.001), &settings());
        assert!(findings.sentence.contains(&format!("the rank IC is {word}")), "{}", findings.sentence);
        assert!(findings.horizons[1].permutation.value().is_some(), "shuffles need no standard error");
    }
}

#[test]
fn without_labels_no_class_is_called_small() {
    let mut all = planted(3, 40, 0.3);
    all.iter_mut().for_each(|row| row.label = None);
    let findings = study(&all, &settings());
    assert!(findings.horizons[1].positive.reason().unwrap().starts_with("no label"));
    assert!(text::table(&findings).contains("           no label"), "{}", text::table(&findings));
    assert!(page(&findings).contains("no label: no event has a class"));
}

#[test]
fn intervals_end_where_values_do() {
    // On one day all are wrong, on the others none.
    let findings = study(&rows(|day, score| score.signum() * if day == 3 { -0.001 } else { 0.001 }), &settings());
    let hits = findings.horizons[1].hit_rate.value().unwrap();
    assert!(hits.estimate < 1.0 && hits.high == 1.0 && hits.low > 0.9, "{hits:?}");
    let wild = study(&rows(|day, score| if day == 3 { -50.0 * score } else { score }), &settings());
    for horizon in [&findings.horizons[1], &wild.horizons[1]] {
        let (ic, band) = (horizon.rank_ic.value().unwrap(), horizon.rank_ic_newey_west.value().unwrap());
        assert!(ic.low >= -1.0 && ic.high <= 1.0 && band.low >= -1.0 && band.high <= 1.0, "{ic:?} {band:?}");
    }
    assert!(findings.methods.contains("Intervals of correlations end at -1 and 1"));
}

#[test]
fn calibration_shows_shares_of_0_and_1() {
    let mut all = rows(|_, score| score.signum() * 0.001);
    all.iter_mut().for_each(|row| row.score = row.score.map(|score| (score / 4.0).clamp(-1.0, 1.0)));
    let findings = study(&all, &settings());
    let bins = &findings.panels.calibration.value().unwrap().bins;
    let (first, last) = (bins[0].share.value().unwrap(), bins[4].share.value().unwrap());
    assert_eq!((first.estimate, first.low, last.estimate, last.high), (0.0, 0.0, 1.0, 1.0));
    assert!(first.high > 0.05 && last.low < 0.95, "{first:?} {last:?}");
    let json = serde_json::to_value(&findings).unwrap();
    let share = &json["panels"]["calibration"]["value"]["bins"][0]["share"]["value"];
    assert!(share["low"].is_number() && share.get("t").is_none() && share.get("p").is_none(), "{share}");
}

#[test]
fn an_empty_quantile_says_that_scores_are_equal() {
    let mut all = planted(3, 40, 0.3);
    all.iter_mut().for_each(|row| row.score = row.score.map(|score| if score > -1.0 { 0.25 } else { -0.5 }));
    let filters = Filters { score_quantiles: Some(ScoreQuantiles { of: 5, kept: vec![5] }), ..Filters::default() };
    let findings = study(&all, &Settings { filters, ..settings() });
    let equal = all.iter().filter(|row| row.score == Some(0.25)).count();
    let said = format!("empty, because {equal} of 200 scores are equal to 0.25");
    assert!(findings.sentence.contains(&said), "{}", findings.sentence);
}

#[test]
fn equal_outcomes_are_not_blamed_on_the_shuffles() {
    let findings = study(&rows(|_, _| 0.0), &settings());
    assert!(findings.horizons[1].permutation.value().is_none(), "{:?}", findings.horizons[1].permutation);
    assert!(!text::table(&findings).contains("too few different shuffles"), "{}", text::table(&findings));
}

#[test]
fn one_mention_is_singular() {
    let one = study(&[row("AAPL", "a", 0, 10, 0.5, 0.001)], &settings());
    let said = "1 mention in 1 article; 1 of them are events, of 1 company";
    assert!(text::table(&one).starts_with(said) && page(&one).contains(said), "{}", text::table(&one));
}
