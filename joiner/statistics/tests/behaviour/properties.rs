//! Changes of the input that must not change a statistic, and changes that must.

use proptest::collection::vec;
use proptest::prelude::*;
use tapewire_statistics::calibration::{Bins, calibration};
use tapewire_statistics::event::{EventDates, Study, wilcoxon};
use tapewire_statistics::groups::{clopper_pearson, quantile_of, wilson};
use tapewire_statistics::ic::{self, Correlation};
use tapewire_statistics::leadlag::{Tick, hayashi_yoshida};
use tapewire_statistics::multiple::{Adjustment, adjusted};
use tapewire_statistics::overlap::{Event, Selection, clusters, first_of_stories, without_overlaps};
use tapewire_statistics::regression::{ClusterCorrection, Design, FixedEffects, Ols, Panel, StandardErrors, within};
use tapewire_statistics::resample::{Alternative, Blocks, bootstrap_mean, permute_rank_ic};
use tapewire_statistics::{Error, rank_ic};

use crate::market_model;

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-9)
}

/// Pairs with ties: whole numbers from a small range.
fn tied_pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
    vec(((-4_i32..5).prop_map(f64::from), (-4_i32..5).prop_map(f64::from)), 3..40)
}

fn noise(n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(f64, f64)>> {
    vec((-1.0_f64..1.0, -1.0_f64..1.0), n)
}

/// Concordant less discordant pairs over the roots of those not tied on each side: the definition of τ-b.
fn tau_by_pairs(pairs: &[(f64, f64)]) -> f64 {
    let sign = |a: f64, b: f64| f64::from(a > b) - f64::from(a < b);
    let (mut both, mut x, mut y) = (0.0, 0.0, 0.0);
    for (index, one) in pairs.iter().enumerate() {
        for two in &pairs[..index] {
            let (dx, dy) = (sign(one.0, two.0), sign(one.1, two.1));
            both += dx * dy;
            x += dx * dx;
            y += dy * dy;
        }
    }
    both / f64::sqrt(x * y)
}

proptest! {
    #[test]
    fn rank_correlations_see_order_only(pairs in tied_pairs(), scale in 0.1_f64..10.0, shift in -5.0_f64..5.0) {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let stretched: Vec<f64> = x.iter().map(|x| (scale * x + shift).exp()).collect();
        let turned: Vec<f64> = y.iter().map(|y| -y).collect();
        let (back_x, back_y): (Vec<f64>, Vec<f64>) = pairs.iter().rev().copied().unzip();
        match ic::correlation(Correlation::Rank, &x, &y) {
            Ok(found) => {
                prop_assert!((-1.0..=1.0).contains(&found));
                prop_assert!(near(found, ic::correlation(Correlation::Rank, &stretched, &y).unwrap()));
                prop_assert!(near(found, -ic::correlation(Correlation::Rank, &x, &turned).unwrap()));
                prop_assert!(near(found, ic::correlation(Correlation::Rank, &back_x, &back_y).unwrap()));
                prop_assert!(near(found, rank_ic(&x, &y).unwrap()));
                prop_assert!(near(tau_by_pairs(&pairs), ic::kendall(&x, &y).unwrap()));
            }
            Err(why) => {
                prop_assert_eq!(rank_ic(&x, &y), None);
                prop_assert_eq!(ic::kendall(&x, &y), Err(why));
            }
        }
    }

    #[test]
    fn a_constant_has_no_correlation(value in -3.0_f64..3.0, y in vec(-1.0_f64..1.0, 3..40)) {
        let x = vec![value; y.len()];
        for kind in [Correlation::Rank, Correlation::Pearson] {
            prop_assert_eq!(ic::correlation(kind, &x, &y), Err(Error::Constant { what: "scores" }));
        }
    }

    #[test]
    fn regressions_follow_shifts_and_scales(rows in noise(12..60), shift in -50.0_f64..50.0, scale in 0.01_f64..100.0) {
        let (x, y): (Vec<f64>, Vec<f64>) = rows.iter().copied().unzip();
        let changed: Vec<f64> = rows.iter().map(|(x, y)| scale * (y + 2.0 * x) + shift).collect();
        let fit = |y: &[f64]| Ols::fit(Design::with_constant(y.len(), &[&x]).unwrap(), y).unwrap();
        let halves: Vec<u64> = (0..x.len() as u64).map(|row| row / 2).collect();
        let errors = [
            StandardErrors::Classical,
            StandardErrors::Hc3,
            StandardErrors::NeweyWest { lags: 2, small_sample: true },
            StandardErrors::Clustered { by: &halves, correction: ClusterCorrection::Each },
        ];
        for errors in errors {
            let (before, after) = (fit(&y).table(&errors).unwrap(), fit(&changed).table(&errors).unwrap());
            let (before, after) = (before.coefficients[1], after.coefficients[1]);
            prop_assert!((after.estimate - scale * (before.estimate + 2.0)).abs() < 1e-7 * scale.max(1.0));
            prop_assert!((after.standard_error / (scale * before.standard_error) - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn clusters_of_one_row_are_white_and_twice_the_same_key_is_one(rows in noise(12..60)) {
        let (x, y): (Vec<f64>, Vec<f64>) = rows.iter().copied().unzip();
        let fit = Ols::fit(Design::with_constant(x.len(), &[&x]).unwrap(), &y).unwrap();
        let error = |errors| fit.table(&errors).unwrap().coefficients[1].standard_error;
        let correction = ClusterCorrection::Each;
        let single: Vec<u64> = (0..x.len() as u64).collect();
        let thirds: Vec<u64> = single.iter().map(|row| row / 3).collect();
        let white = error(StandardErrors::Hc1);
        let (alone, newey_west) = (
            error(StandardErrors::Clustered { by: &single, correction }),
            error(StandardErrors::NeweyWest { lags: 0, small_sample: true }),
        );
        prop_assert!(near(alone, white) && near(newey_west, white));
        let one = error(StandardErrors::Clustered { by: &thirds, correction });
        let twice = error(StandardErrors::TwoWay { by: [&thirds, &thirds], correction });
        prop_assert!(near(twice, one));
        let left_out = |by| error(StandardErrors::ClusterJackknife { by, about_mean: false });
        let in_two_ways = |by| error(StandardErrors::TwoWayJackknife { by });
        prop_assert!(near(in_two_ways([&thirds, &thirds]), left_out(&thirds)));
        // Rows within clusters add nothing to them, and no kind alone has a larger error.
        prop_assert!(near(in_two_ways([&single, &thirds]), left_out(&thirds).max(left_out(&single))));
        // The names of clusters do not matter, only which rows share one.
        let renamed: Vec<u64> = thirds.iter().map(|label| label * 7919 % 10_007).collect();
        let renamed = error(StandardErrors::Clustered { by: &renamed, correction });
        prop_assert!(near(renamed, one));
    }

    #[test]
    fn fixed_effects_equal_dummies(
        rows in vec((0_u64..5, 0_u64..6, -1.0_f64..1.0, -1.0_f64..1.0), 40..80),
    ) {
        let symbol: Vec<u64> = rows.iter().map(|row| row.0).collect();
        let day: Vec<u64> = rows.iter().map(|row| row.1).collect();
        let x: Vec<f64> = rows.iter().map(|row| row.2 + row.0 as f64).collect();
        let y: Vec<f64> = rows.iter().map(|row| row.3 + 0.5 * row.2 - row.1 as f64).collect();
        let panel = Panel::fit(&y, &[&x], FixedEffects::Two(&symbol, &day)).unwrap();
        let dummy = |labels: &[u64], of: u64| -> Vec<f64> {
            labels.iter().map(|&label| f64::from(u8::from(label == of))).collect()
        };
        let distinct = |labels: &[u64]| { let mut all = labels.to_vec(); all.sort_unstable(); all.dedup(); all };
        let mut columns = vec![x.clone()];
        columns.extend(distinct(&symbol)[1..].iter().map(|&of| dummy(&symbol, of)));
        columns.extend(distinct(&day)[1..].iter().map(|&of| dummy(&day, of)));
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let fit = Ols::fit(Design::with_constant(y.len(), &columns).unwrap(), &y).unwrap();
        prop_assert_eq!(panel.fit.df, fit.df);
        prop_assert!(near(panel.fit.coefficients[0], fit.coefficients[1]));
        prop_assert!(near(
            panel.fit.table(&StandardErrors::Classical).unwrap().coefficients[0].standard_error,
            fit.table(&StandardErrors::Classical).unwrap().coefficients[1].standard_error
        ));
        let left = within(&y, FixedEffects::Two(&symbol, &day)).unwrap();
        for labels in [&symbol, &day] {
            for of in distinct(labels) {
                let sum: f64 = left.iter().zip(labels).filter(|(_, label)| **label == of).map(|(value, _)| value).sum();
                prop_assert!(sum.abs() < 1e-10, "{}", sum);
            }
        }
    }

    #[test]
    fn event_tests_do_not_depend_on_order_or_units(
        events in vec(noise(40..41), 4..8),
        scale in prop::sample::select(vec![0.001, 1.0, 100.0]),
    ) {
        let study = |scale: f64, reversed: bool| {
            let of = |rows: &Vec<(f64, f64)>| {
                let (market, own): (Vec<f64>, Vec<f64>) =
                    rows.iter().map(|(m, r)| (scale * m, scale * (r + m))).unzip();
                market_model(&own, &market, 35)
            };
            let mut all: Vec<_> = events.iter().map(of).collect();
            if reversed { all.reverse(); }
            Study::new(all).unwrap().tests(1..=3, EventDates::Common).unwrap()
        };
        let (one, two) = (study(1.0, false), study(scale, true));
        prop_assert!(near(one.effect * scale, two.effect));
        let pairs = [
            (one.cross_sectional, two.cross_sectional), (one.patell, two.patell), (one.bmp, two.bmp),
            (one.bmp_adjusted, two.bmp_adjusted), (one.brown_warner_1985, two.brown_warner_1985),
            (one.corrado_zivney, two.corrado_zivney), (one.generalized_sign, two.generalized_sign),
            (one.wilcoxon, two.wilcoxon), (one.standard, two.standard),
        ];
        for (one, two) in pairs {
            match (one, two) {
                (Ok(one), Ok(two)) => prop_assert!((one.statistic - two.statistic).abs() < 1e-7, "{one:?} {two:?}"),
                (one, two) => prop_assert_eq!(one, two),
            }
        }
    }

    #[test]
    fn adjusted_p_values_keep_their_order(p in vec(0.0_f64..=1.0, 1..40)) {
        let of = |adjustment| adjusted(&p, adjustment).unwrap();
        let (bonferroni, holm, hochberg) =
            (of(Adjustment::Bonferroni), of(Adjustment::Holm), of(Adjustment::Hochberg));
        let (bh, by) = (of(Adjustment::BenjaminiHochberg), of(Adjustment::BenjaminiYekutieli));
        for place in 0..p.len() {
            prop_assert!(p[place] <= bh[place] + 1e-15 && bh[place] <= by[place] && by[place] <= 1.0);
            prop_assert!(bh[place] <= hochberg[place] + 1e-12 && hochberg[place] <= holm[place] + 1e-12);
            prop_assert!(holm[place] <= bonferroni[place] + 1e-12);
            for other in 0..p.len() {
                if p[place] <= p[other] { prop_assert!(bh[place] <= bh[other] && holm[place] <= holm[other]); }
            }
        }
    }

    #[test]
    fn equal_scores_share_a_quantile(scores in vec((-5_i32..6).prop_map(f64::from), 10..60), count in 2_usize..6) {
        match quantile_of(&scores, count) {
            Ok(quantiles) => for (a, qa) in scores.iter().zip(&quantiles) {
                for (b, qb) in scores.iter().zip(&quantiles) {
                    prop_assert!(a != b || qa == qb);
                    prop_assert!(a >= b || qa <= qb);
                }
            },
            Err(why) => prop_assert_eq!(why, Error::Constant { what: "scores" }),
        }
    }

    #[test]
    fn intervals_of_shares_hold_the_share(n in 1_usize..300, part in 0.0_f64..=1.0) {
        let hits = (part * n as f64) as usize;
        let (narrow, wide) = (wilson(hits, n, 0.95).unwrap(), clopper_pearson(hits, n, 0.95).unwrap());
        let rate = hits as f64 / n as f64;
        prop_assert!(narrow.contains(rate) && wide.low <= rate && rate <= wide.high);
        prop_assert!(narrow.low >= 0.0 && narrow.high <= 1.0);
    }

    #[test]
    fn calibration_counts_every_probability(rows in vec((0.0_f64..=1.0, any::<bool>()), 1..80), bins in 1_usize..12) {
        let (p, happened): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
        let found = calibration(&p, &happened, Bins::EqualWidth(bins), 0.95).unwrap();
        prop_assert_eq!(found.bins.iter().map(|bin| bin.n).sum::<usize>(), p.len());
        prop_assert!(found.ece <= found.mce + 1e-12 && found.mce <= 1.0);
        // The mean of squares is at least the square of the mean of absolute values.
        prop_assert!(found.ece * found.ece <= found.brier + 1e-12);
    }

    #[test]
    fn hayashi_yoshida_sums_overlapping_intervals(
        x in vec((1_i64..20, -1.0_f64..1.0), 2..30),
        y in vec((1_i64..20, -1.0_f64..1.0), 2..30),
        shift in -30_i64..30,
    ) {
        let ticks = |steps: &[(i64, f64)]| -> Vec<Tick> {
            let mut at = Tick { time: 0, level: 0.0 };
            steps.iter().map(|(wait, change)| {
                at = Tick { time: at.time + wait, level: at.level + change };
                at
            }).collect()
        };
        let (x, y) = (ticks(&x), ticks(&y));
        let (mut covariance, mut pairs) = (0.0, 0);
        for a in x.windows(2) {
            for b in y.windows(2) {
                if a[0].time.max(b[0].time - shift) < a[1].time.min(b[1].time - shift) {
                    covariance += (a[1].level - a[0].level) * (b[1].level - b[0].level);
                    pairs += 1;
                }
            }
        }
        let found = hayashi_yoshida(&x, &y, shift).unwrap();
        prop_assert!((found.covariance - covariance).abs() < 1e-12);
        prop_assert_eq!(found.pairs, pairs);
        prop_assert!((hayashi_yoshida(&y, &x, -shift).unwrap().covariance - covariance).abs() < 1e-12);
    }

    #[test]
    fn kept_events_of_a_symbol_do_not_overlap(events in vec((0_u8..3, 0_i64..100), 0..60), window in 0_i64..30) {
        let events: Vec<Event<u8>> = events.into_iter().map(|(symbol, time)| Event { symbol, time }).collect();
        let selection = without_overlaps(&events, window).unwrap();
        for (a, selected) in events.iter().zip(&selection) {
            if let Selection::Dropped { because_of } = selected {
                let kept = events[*because_of];
                prop_assert_eq!(selection[*because_of], Selection::Kept);
                prop_assert!(kept.symbol == a.symbol && kept.time <= a.time && a.time < kept.time + window);
            }
        }
        let is_kept = |(_, selected): &(&Event<u8>, &Selection)| **selected == Selection::Kept;
        let kept: Vec<_> = events.iter().zip(&selection).filter(is_kept).map(|(event, _)| event).collect();
        for (index, a) in kept.iter().enumerate() {
            for b in &kept[..index] {
                prop_assert!(a.symbol != b.symbol || (a.time - b.time).abs() >= window);
            }
        }
    }

    #[test]
    fn wilcoxon_turns_with_the_sign(pairs in tied_pairs()) {
        let x: Vec<f64> = pairs.iter().map(|(a, b)| a + 0.37 * b).collect();
        let turned: Vec<f64> = x.iter().map(|x| -x).collect();
        if let Ok(found) = wilcoxon(&x) {
            let other = wilcoxon(&turned).unwrap();
            prop_assert!(near(found.p, other.p) && (0.0..=1.0).contains(&found.p));
            let n = found.n as f64;
            prop_assert!(near(found.statistic + other.statistic, n * (n + 1.0) / 2.0));
        }
    }
}

#[test]
fn stories_count_once_for_each_symbol() {
    let event = |symbol, time| Event { symbol, time };
    let events = [event("AAPL", 5), event("AAPL", 3), event("MSFT", 4), event("AAPL", 9), event("AAPL", 3)];
    let selection = first_of_stories(&events, &[1, 1, 1, 2, 1]).unwrap();
    let because = |because_of| Selection::Dropped { because_of };
    assert_eq!(selection, [because(1), Selection::Kept, Selection::Kept, Selection::Kept, because(1)]);
}

#[test]
fn one_article_or_one_day_is_one_cluster() {
    // Articles 1 and 2 share day 10 in rows 1 and 2; article 3 is alone.
    let (article, day) = ([1, 1, 2, 3], [9, 10, 10, 11]);
    assert_eq!(clusters(&[&article]).unwrap(), [0, 0, 1, 2]);
    assert_eq!(clusters(&[&article, &day]).unwrap(), [0, 0, 0, 1]);
}

#[test]
fn resampling_is_the_same_for_any_number_of_threads() {
    let values: Vec<f64> = (0..60).map(|i| f64::from(i * 37 % 23) / 10.0 - 1.0).collect();
    let returns: Vec<f64> = (0..60).map(|i| f64::from(i * 17 % 29) / 10.0).collect();
    let days: Vec<u64> = (0..60).map(|row| row / 6).collect();
    let run = || {
        let boot = bootstrap_mean(&values, Blocks::Stationary(4.0), 500, 7, 0.95).unwrap();
        let permuted = permute_rank_ic(&values, &returns, &days, 999, 7, Alternative::TwoSided).unwrap();
        (boot, permuted)
    };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(run);
    let four = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap().install(run);
    assert_eq!(one, four);
    // With another seed the draws differ.
    assert_ne!(one.0, bootstrap_mean(&values, Blocks::Stationary(4.0), 500, 8, 0.95).unwrap());
}

#[test]
fn nan_and_infinity_are_refused_by_name() {
    let bad = [0.1, f64::NAN, 0.3, f64::INFINITY];
    let good = [0.1, 0.2, 0.3, 0.5];
    let not_finite = |what| Error::NotFinite { what, index: 1 };
    assert_eq!(ic::correlation(Correlation::Rank, &bad, &good), Err(not_finite("scores")));
    assert_eq!(ic::correlation(Correlation::Rank, &good, &bad), Err(not_finite("returns")));
    assert_eq!(Design::with_constant(4, &[&bad]).unwrap_err(), not_finite("a regressor"));
    assert_eq!(wilcoxon(&bad).unwrap_err(), not_finite("abnormal returns"));
    assert_eq!(
        not_finite("returns").to_string(),
        "returns: value 1, counted from 0, is NaN or infinite; leave missing values out"
    );
}

#[test]
fn a_regressor_that_says_nothing_new_is_named() {
    let x: Vec<f64> = (0..20).map(|i| f64::from(i * i % 7)).collect();
    let twice: Vec<f64> = x.iter().map(|x| 2.0 * x + 1.0).collect();
    let fit = Ols::fit(Design::with_constant(20, &[&x, &twice]).unwrap(), &x);
    assert_eq!(fit.unwrap_err(), Error::Collinear { column: 2 });
    let symbol: Vec<u64> = (0..20).map(|row| row / 5).collect();
    let of_symbol: Vec<f64> = symbol.iter().map(|&symbol| symbol as f64 * 0.1).collect();
    let panel = Panel::fit(&x, &[&x, &of_symbol], FixedEffects::One(&symbol));
    assert_eq!(panel.unwrap_err(), Error::Collinear { column: 1 });
}
