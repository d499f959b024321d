//! How often tests reject where there is no effect, and how often intervals hold the effect that was planted.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tapewire_statistics::distributions::normal_quantile_upper;
use tapewire_statistics::event::{EventDates, Study};
use tapewire_statistics::ic::{self, Correlation, Period};
use tapewire_statistics::leadlag::{Tick, granger, lead_lag};
use tapewire_statistics::regression::{ClusterCorrection, Design, FixedEffects, Ols, Panel, StandardErrors};
use tapewire_statistics::resample::{Alternative, Blocks, bootstrap_mean, permute_rank_ic, sign_flips};
use tapewire_statistics::{Mean, Test};

use crate::market_model;

struct Noise(Xoshiro256PlusPlus);

impl Noise {
    fn seeded(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn normal(&mut self) -> f64 {
        normal_quantile_upper(self.0.random_range(1e-12..1.0))
    }

    fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }
}

/// A study of `events` events with `effect` planted at step 1 of 3. At that step noise of spread `burst` is added, too.
/// Both are in units of the usual noise.
fn study(noise: &mut Noise, events: usize, effect: f64, burst: f64) -> Study {
    let event = |_| {
        let market = noise.normals(63);
        let mut own: Vec<f64> = market.iter().map(|m| 0.01 * (0.9 * m + 2.0 * noise.normal())).collect();
        own[61] += 0.02 * (effect + burst * noise.normal());
        let market: Vec<f64> = market.iter().map(|m| 0.01 * m).collect();
        market_model(&own, &market, 60)
    };
    Study::new((0..events).map(event).collect()).unwrap()
}

/// Share of `runs` in which `p` is at most 5 %.
fn rejected(runs: u64, p: impl Fn(&mut Noise) -> f64) -> f64 {
    (0..runs).filter(|&seed| p(&mut Noise::seeded(seed)) <= 0.05).count() as f64 / runs as f64
}

#[test]
fn event_tests_reject_one_in_twenty_without_an_effect() {
    let runs = 500;
    let mut counts = [0; 8];
    for seed in 0..runs {
        let study = study(&mut Noise::seeded(seed), 25, 0.0, 0.0);
        let found = study.tests(1..=1, EventDates::Grouped(&(0..25).collect::<Vec<u64>>())).unwrap();
        let tests = [
            found.cross_sectional,
            found.patell,
            found.bmp,
            found.bmp_adjusted,
            found.brown_warner_1980,
            found.corrado_zivney,
            found.generalized_sign,
            found.wilcoxon,
        ];
        counts.iter_mut().zip(tests).for_each(|(count, test)| *count += u64::from(test.unwrap().p <= 0.05));
    }
    for (place, count) in counts.into_iter().enumerate() {
        let share = count as f64 / runs as f64;
        // A share of 0.05 has a standard error of 0.01 here; sign tests are coarse.
        assert!((0.02..=0.08).contains(&share), "test {place} rejects {share}");
    }
}

#[test]
fn only_patell_mistakes_a_burst_of_variance_for_an_effect() {
    let with_burst = |noise: &mut Noise| study(noise, 25, 0.0, 2.0).tests(1..=1, EventDates::Common).unwrap();
    let patell = rejected(300, |noise| with_burst(noise).patell.unwrap().p);
    let bmp = rejected(300, |noise| with_burst(noise).bmp.unwrap().p);
    assert!(patell > 0.25, "{patell}");
    assert!((0.02..=0.08).contains(&bmp), "{bmp}");
}

/// Events of one day share a shock that the market model does not know.
#[test]
fn kolari_and_pynnonen_hold_the_size_of_events_on_one_day() {
    let one_day = |noise: &mut Noise| {
        let (market, shock) = (noise.normals(81), noise.normals(81));
        let event = |_| {
            let own: Vec<f64> = market.iter().zip(&shock).map(|(m, s)| m + 0.5 * s + noise.normal()).collect();
            market_model(&own, &market, 80)
        };
        Study::new((0..20).map(event).collect()).unwrap().tests(0..=0, EventDates::Common).unwrap()
    };
    let plain = rejected(400, |noise| one_day(noise).bmp.unwrap().p);
    let adjusted = rejected(400, |noise| one_day(noise).bmp_adjusted.unwrap().p);
    assert!(plain > 0.3, "{plain}");
    assert!((0.015..=0.09).contains(&adjusted), "{adjusted}");
}

#[test]
fn a_planted_effect_is_in_its_band() {
    let held = (0..100)
        .filter(|&seed| {
            let table = study(&mut Noise::seeded(seed), 60, 0.5, 0.5).table(0..=2, 0.98).unwrap();
            table[1].aar_band.as_ref().unwrap().contains(0.01) && table[2].caar_band.as_ref().unwrap().contains(0.01)
        })
        .count();
    assert!(held >= 94, "{held}");
}

#[test]
fn clustered_errors_hold_the_size_that_plain_ones_lose() {
    let slope = |noise: &mut Noise, clustered: bool| {
        let cluster: Vec<u64> = (0..400).map(|row| row / 10).collect();
        let (shared_x, shared_y) = (noise.normals(40), noise.normals(40));
        let of = |shared: &[f64], noise: &mut Noise| -> Vec<f64> {
            cluster.iter().map(|&c| shared[c as usize] + noise.normal()).collect()
        };
        let (x, y) = (of(&shared_x, noise), of(&shared_y, noise));
        let fit = Ols::fit(Design::with_constant(400, &[&x]).unwrap(), &y).unwrap();
        let by = StandardErrors::Clustered { by: &cluster, correction: ClusterCorrection::Each };
        fit.table(if clustered { &by } else { &StandardErrors::Hc1 }).unwrap().coefficients[1].test.p
    };
    let (plain, clustered) = (rejected(400, |noise| slope(noise, false)), rejected(400, |noise| slope(noise, true)));
    assert!(plain > 0.2, "{plain}");
    assert!((0.025..=0.09).contains(&clustered), "{clustered}");
}

/// Each value has half of what the next one has, too, as returns have that reach into the next day.
#[test]
fn pairs_of_neighbours_hold_the_size_that_single_days_lose() {
    let mean = |noise: &mut Noise, days: u64, in_pairs: bool| {
        let shared = noise.normals(days as usize + 1);
        let y: Vec<f64> = shared.windows(2).map(|pair| 0.5 * pair[0] + pair[1] + 0.4 * noise.normal()).collect();
        let day: Vec<u64> = (0..days).collect();
        let pairs = [0, 1].map(|first| day.iter().map(|day| (day + first) / 2).collect::<Vec<u64>>());
        let fit = Ols::fit(Design::with_constant(y.len(), &[]).unwrap(), &y).unwrap();
        let errors = match in_pairs {
            true => StandardErrors::TwoWayJackknife { by: [&pairs[0], &pairs[1]] },
            false => StandardErrors::ClusterJackknife { by: &day, about_mean: false },
        };
        fit.table(&errors).unwrap().coefficients[0].test.p
    };
    for days in [20, 60, 250] {
        let share = |in_pairs| rejected(1000, |noise| mean(noise, days, in_pairs));
        let (single, pairs) = (share(false), share(true));
        assert!(single > 0.09, "{days} days: {single}");
        assert!((0.025..=0.075).contains(&pairs), "{days} days: {pairs}");
    }
}

#[test]
fn a_planted_slope_is_in_the_interval_of_a_panel() {
    let held = (0..100)
        .filter(|&seed| {
            let mut noise = Noise::seeded(seed);
            let (symbols, days) = (noise.normals(30), noise.normals(40));
            let rows: Vec<(u64, u64)> =
                (0..30).flat_map(|s| (0..40).map(move |d| (s, d))).filter(|_| noise.0.random_bool(0.5)).collect();
            let (symbol, day): (Vec<u64>, Vec<u64>) = rows.iter().copied().unzip();
            let effect = |&(s, d): &(u64, u64)| symbols[s as usize] + days[d as usize];
            let x: Vec<f64> = rows.iter().map(|row| effect(row) + noise.normal()).collect();
            let y: Vec<f64> =
                rows.iter().zip(&x).map(|(row, x)| 0.1 * x + 3.0 * effect(row) + noise.normal()).collect();
            let panel = Panel::fit(&y, &[&x], FixedEffects::Two(&symbol, &day)).unwrap();
            let errors = StandardErrors::TwoWay { by: [&symbol, &day], correction: ClusterCorrection::Each };
            panel.fit.table(&errors).unwrap().coefficients[0].interval(0.98).unwrap().contains(0.1)
        })
        .count();
    assert!(held >= 94, "{held}");
}

/// Information coefficients with an autocorrelation of 0.5 around 0.05.
fn coefficients(noise: &mut Noise, n: usize) -> Vec<f64> {
    let mut state = noise.normal() / 0.75_f64.sqrt();
    (0..n)
        .map(|_| {
            state = 0.5 * state + noise.normal();
            0.05 + 0.1 * state
        })
        .collect()
}

#[test]
fn a_planted_mean_is_in_the_intervals_of_a_time_series() {
    let (mut newey_west, mut blocks, mut plain) = (0, 0, 0);
    for seed in 0..100 {
        let series = coefficients(&mut Noise::seeded(seed), 600);
        let (test, error) = ic::mean_newey_west(&series, 12, true).unwrap();
        let mean = Mean::of("coefficients", &series).unwrap();
        let half = error * normal_quantile_upper(0.01);
        newey_west += u32::from((mean.mean - 0.05).abs() <= half && test.n == 600);
        let boot = bootstrap_mean(&series, Blocks::Stationary(12.0), 500, seed, 0.98).unwrap();
        blocks += u32::from(boot.interval.contains(0.05));
        plain += u32::from(mean.interval(0.98).unwrap().contains(0.05));
    }
    assert!(newey_west >= 94 && blocks >= 94, "{newey_west} {blocks}");
    assert!(plain < 90, "independence is assumed wrongly: {plain}");
}

#[test]
fn permuting_within_days_ignores_what_differs_between_days() {
    // Days with high scores have high returns, but within a day there is nothing.
    let p = |noise: &mut Noise, within: f64| {
        let days: Vec<u64> = (0..160).map(|row| row / 8).collect();
        let of_day = noise.normals(20);
        let scores: Vec<f64> = days.iter().map(|&d| 3.0 * of_day[d as usize] + noise.normal()).collect();
        let returns: Vec<f64> =
            days.iter().zip(&scores).map(|(&d, score)| of_day[d as usize] + within * score + noise.normal()).collect();
        permute_rank_ic(&scores, &returns, &days, 199, 11, Alternative::TwoSided).unwrap().p
    };
    let size = rejected(300, |noise| p(noise, 0.0));
    let power = rejected(100, |noise| p(noise, 0.6));
    assert!((0.02..=0.08).contains(&size), "{size}");
    assert!(power > 0.9, "{power}");
}

#[test]
fn sign_flips_hold_the_size_of_clustered_events() {
    let p = |noise: &mut Noise| {
        let clusters: Vec<u64> = (0..90).map(|row| row / 6).collect();
        let shared = noise.normals(15);
        let values: Vec<f64> = clusters.iter().map(|&c| shared[c as usize] + noise.normal()).collect();
        sign_flips(&values, &clusters, 199, 3).unwrap().p
    };
    let size = rejected(400, p);
    assert!((0.02..=0.085).contains(&size), "{size}");
}

#[test]
fn granger_finds_what_leads_and_nothing_else() {
    let series = |noise: &mut Noise| {
        let sentiment = noise.normals(200);
        let returns: Vec<f64> =
            (0..200).map(|t| noise.normal() + if t > 1 { 0.4 * sentiment[t - 2] } else { 0.0 }).collect();
        (sentiment, returns)
    };
    let forward = rejected(200, |noise| {
        let (sentiment, returns) = series(noise);
        granger(&returns, &sentiment, 3).unwrap().f.p
    });
    let back = rejected(400, |noise| {
        let (sentiment, returns) = series(noise);
        granger(&sentiment, &returns, 3).unwrap().f.p
    });
    assert!(forward > 0.95, "{forward}");
    assert!((0.02..=0.085).contains(&back), "{back}");
}

#[test]
fn a_planted_lead_of_uneven_ticks_is_found() {
    let found = (0..100)
        .filter(|&seed| {
            let mut noise = Noise::seeded(seed);
            // One path; x shows it at once and y 40 steps later, each at times of its own.
            let mut level = 0.0;
            let path: Vec<f64> = (0..4000)
                .map(|_| {
                    level += noise.normal();
                    level
                })
                .collect();
            let mut ticks = |delay: i64| -> Vec<Tick> {
                (0..4000)
                    .filter(|_| noise.0.random_bool(0.2))
                    .map(|time| Tick { time: time + delay, level: path[time as usize] })
                    .collect()
            };
            let (x, y) = (ticks(0), ticks(40));
            let lead = lead_lag(&x, &y, &(1..=10).map(|step| step * 10).collect::<Vec<i64>>()).unwrap();
            lead.best_shift == 40 && lead.ratio.unwrap() > 1.0
        })
        .count();
    assert!(found >= 94, "{found}");
}

#[test]
fn a_planted_rank_correlation_is_in_its_interval() {
    // For a normal pair with correlation r, Spearman's is 6/π asin(r/2) in large samples.
    let r = 0.1_f64;
    let planted = 6.0 / std::f64::consts::PI * (r / 2.0).asin();
    let held = (0..100)
        .filter(|&seed| {
            let mut noise = Noise::seeded(seed);
            let days: Vec<(Vec<f64>, Vec<f64>)> = (0..120)
                .map(|_| {
                    let scores = noise.normals(80);
                    let returns = scores.iter().map(|s| r * s + (1.0 - r * r).sqrt() * noise.normal()).collect();
                    (scores, returns)
                })
                .collect();
            let periods: Vec<Period> = days.iter().map(|(scores, returns)| Period { scores, returns }).collect();
            let found = ic::summary(Correlation::Rank, &periods, None, 0, 0.98).unwrap();
            let significant: &Test = &found.test;
            found.hac_interval.contains(planted) && significant.p < 0.05
        })
        .count();
    assert!(held >= 94, "{held}");
}

/// For small days the computed mean and variance are those found by making every shuffle, and for many rows the
/// computed p-value is that of drawn shuffles.
#[test]
fn shuffles_of_many_rows_need_not_be_drawn() {
    use tapewire_statistics::resample::{Alternative, permute_within};
    use tapewire_statistics::shuffles::{all_shuffles, permute_articles};
    let rows = [0, 1, 2, 3, 4];
    let (scores, values, day) = ([0.1, 0.5, -0.3, 0.9, 0.2], [1.0, -2.0, 0.5, 3.0, 1.5], [1, 1, 1, 2, 2]);
    // Every order of three and of two.
    let mut sums = Vec::new();
    for three in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for two in [[3, 4], [4, 3]] {
            let order: Vec<usize> = three.into_iter().chain(two).collect();
            sums.push(order.iter().zip(&values).map(|(&from, value)| scores[from] * value).sum::<f64>());
        }
    }
    let mean = sums.iter().sum::<f64>() / 12.0;
    let deviation = (sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / 12.0).sqrt();
    let found = all_shuffles(&scores, &values, &day, &rows).unwrap();
    assert!((found.statistic - (sums[0] - mean) / deviation).abs() < 1e-12, "{found:?}");

    let n = 3000;
    let wave = |row: usize, step: f64| (row as f64 * step).sin();
    let scores: Vec<f64> = (0..n).map(|row| wave(row, 1.7)).collect();
    let values: Vec<f64> = (0..n).map(|row| wave(row, 2.9) + 0.03 * scores[row]).collect();
    let day: Vec<u64> = (0..n as u64).map(|row| row / 30).collect();
    let rows: Vec<u64> = (0..n as u64).collect();
    let exact = all_shuffles(&scores, &values, &day, &rows).unwrap();
    let mut centred = values.clone();
    for rows in centred.chunks_mut(30) {
        let mean = rows.iter().sum::<f64>() / 30.0;
        rows.iter_mut().for_each(|value| *value -= mean);
    }
    let drawn = permute_within(&scores, &day, 9999, 1, Alternative::TwoSided, |shuffled| {
        Some(shuffled.iter().zip(&centred).map(|(a, b)| a * b).sum())
    });
    let drawn = drawn.unwrap();
    assert_eq!(permute_articles(&scores, &values, &day, &rows, 9999, 1).unwrap().p, drawn.p, "the same shuffles");
    assert!((exact.p - drawn.p).abs() < 0.015, "{} and {}", exact.p, drawn.p);
    assert!(exact.p > 0.01 && exact.p < 0.99, "{}: nothing is compared", exact.p);
    let same_days = all_shuffles(&[1.0, 1.0, 2.0, 2.0], &[1.0, 2.0, 3.0, 4.0], &[1, 1, 2, 2], &[0, 1, 2, 3]);
    assert!(same_days.unwrap_err().to_string().contains("all scores of each day are equal"));
}

/// Exchanged one by one, companies of one article look independent.
#[test]
fn articles_about_several_companies_are_exchanged_as_a_whole() {
    use tapewire_statistics::shuffles::{all_shuffles, permute_articles};
    let n = 360;
    let (day, article): (Vec<u64>, Vec<u64>) = (0..n).map(|row| (row / 18, row / 3)).unzip();
    let single: Vec<u64> = (0..n).collect();
    let p = |noise: &mut Noise, effect: f64, by: &[u64]| {
        let (tone, shock) = (noise.normals(120), noise.normals(120));
        let of = |shared: &[f64], noise: &mut Noise| -> Vec<f64> {
            article.iter().map(|&article| shared[article as usize] + 0.5 * noise.normal()).collect()
        };
        let (scores, mut returns) = (of(&tone, noise), of(&shock, noise));
        returns.iter_mut().zip(&scores).for_each(|(value, score)| *value += effect * score);
        let drawn = permute_articles(&scores, &returns, &day, by, 199, 11).unwrap().p;
        let exact = all_shuffles(&scores, &returns, &day, by).unwrap().p;
        assert!((drawn - exact).abs() < 0.2, "{drawn} {exact}");
        drawn
    };
    let size = rejected(600, |noise| p(noise, 0.0, &article));
    let (one_by_one, power) =
        (rejected(300, |noise| p(noise, 0.0, &single)), rejected(100, |noise| p(noise, 0.5, &article)));
    assert!((0.03..=0.07).contains(&size), "{size}");
    assert!(one_by_one > 0.15 && power > 0.9, "{one_by_one} {power}");
}

/// For articles of two rows the computed variance is that found by making every shuffle.
#[test]
fn shuffles_of_articles_have_the_variance_of_every_one() {
    use tapewire_statistics::shuffles::{all_shuffles, permute_articles};
    let (day, article) = ([1; 7], [1, 1, 2, 2, 3, 3, 4]);
    let scores = [0.1, 0.5, -0.3, 0.9, 0.2, 0.7, 5.0];
    let values = [1.0, -2.0, 0.5, 3.0, 1.5, 0.0, 9.0];
    let sums: Vec<f64> = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        .iter()
        .map(|order| {
            let product = |(to, from): (usize, &usize)| {
                values[2 * to] * scores[2 * from] + values[2 * to + 1] * scores[2 * from + 1]
            };
            order.iter().enumerate().map(product).sum()
        })
        .collect();
    let mean = sums.iter().sum::<f64>() / 6.0;
    let deviation = (sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
    let found = all_shuffles(&scores, &values, &day, &article).unwrap();
    assert!((found.statistic - (sums[0] - mean) / deviation).abs() < 1e-12, "{found:?}");
    let drawn = permute_articles(&scores, &values, &day, &article, 9999, 1).unwrap();
    let extreme = sums.iter().filter(|sum| (*sum - mean).abs() >= (sums[0] - mean).abs() - 1e-9).count();
    assert!((drawn.p - extreme as f64 / 6.0).abs() < 0.02, "{drawn:?}, {extreme} of 6");
}

/// The smallest p-value is that of the order with the most extreme sum, which is found by making every shuffle.
#[test]
fn the_smallest_p_is_that_of_the_most_extreme_shuffle() {
    use tapewire_statistics::shuffles::smallest_p;
    fn orders(items: &[f64]) -> Vec<Vec<f64>> {
        if items.is_empty() {
            return vec![Vec::new()];
        }
        let with_first = |first: usize| {
            let rest: Vec<f64> = [&items[..first], &items[first + 1..]].concat();
            orders(&rest).into_iter().map(move |rest| [&[items[first]][..], &rest].concat())
        };
        (0..items.len()).flat_map(with_first).collect()
    }
    /// Scores by day, the outcomes, and the smallest p.
    type Case<'a> = (&'a [&'a [f64]], &'a [f64], f64);
    let cases: [Case; 7] = [
        (&[&[0.3, 0.1]], &[1.0, 2.0], 1.0),
        (&[&[0.3, 0.1], &[0.5, 0.9], &[0.2, 0.8], &[0.4, 0.6]], &[1.0, 2.0, 5.0, 3.0, 1.0, 4.0, 2.0, 0.5], 2.0 / 16.0),
        (&[&[0.3, 0.1, 0.9, 0.25]], &[1.0, 7.0, 3.0, 0.0], 1.0 / 24.0),
        (&[&[1.0, 2.0, 3.0]], &[1.0, 2.0, 3.0], 2.0 / 6.0),
        (&[&[1.0, 2.0, 2.0, 5.0]], &[1.0, 1.0, 0.0, 0.0], 16.0 / 24.0),
        (&[&[1.0, 2.0, 3.0, 9.0]], &[1.0, 1.0, 0.0, 0.0], 8.0 / 24.0),
        (&[&[1.0, 2.0, 4.0], &[2.0, 2.0]], &[0.0, 1.0, 5.0, 3.0, 4.0], 1.0 / 6.0),
    ];
    for (days, values, expected) in cases {
        let scores = days.concat();
        let day: Vec<u64> =
            (0_u64..).zip(days).flat_map(|(day, scores)| std::iter::repeat_n(day, scores.len())).collect();
        let articles: Vec<u64> = (0..scores.len() as u64).collect();
        let mut sums = vec![0.0];
        let mut at = 0;
        for of_day in days {
            let values = &values[at..at + of_day.len()];
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let own = |order: Vec<f64>| order.iter().zip(values).map(|(a, b)| a * (b - mean)).sum::<f64>();
            let own: Vec<f64> = orders(of_day).into_iter().map(own).collect();
            sums = sums.iter().flat_map(|sum| own.iter().map(move |own| sum + own)).collect();
            at += of_day.len();
        }
        let most = sums.iter().fold(0.0, |most: f64, sum| most.max(sum.abs()));
        let share = sums.iter().filter(|sum| sum.abs() >= most - 1e-9).count() as f64 / sums.len() as f64;
        let found = smallest_p(&scores, values, &day, &articles).unwrap();
        assert!((found - share).abs() < 1e-12 && (share - expected).abs() < 1e-12, "{found}, {share}: {days:?}");
    }
    let of_three =
        smallest_p(&[0.1, 0.5, -0.3, 0.9, 0.2, 0.7], &[1.0, -2.0, 0.5, 3.0, 1.5, 0.0], &[1; 6], &[1, 1, 2, 2, 3, 3]);
    assert!((of_three.unwrap() - 1.0 / 6.0).abs() < 1e-12, "three articles of two companies have six orders");
    assert!(smallest_p(&[0.1, 0.5], &[1.0, 2.0], &[1, 2], &[1, 2]).is_err(), "nothing can be exchanged");
}
