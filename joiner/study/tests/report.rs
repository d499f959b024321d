//! The report: its numbers against independent computations, and that the page is whole and safe whatever it shows.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use tapewire_core::exchange::Calendar;
use tapewire_core::impact::{Phase, Quality, Status};
use tapewire_core::{Horizon, Impact, Probabilities, Run, Sentiment};
use tapewire_statistics::regression::{Design, Ols};
use tapewire_study::panels::{Joined, Shift, Shifted};
use tapewire_study::{Filters, Findings, Novelty, Outcome, Row, Settings, ValueOrReason, html, study_with};
use tapewire_testkit::mention;

/// A random number from a seed (SplitMix64), with mean 0 and variance 1.
fn roll(seed: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5) * 12_f64.sqrt()
}

fn moment(day: u64, minutes: i64) -> Timestamp {
    let first = Calendar::xnys().on(jiff::civil::date(2024, 7, 1)).unwrap().index;
    Calendar::xnys().sessions()[first + usize::try_from(day).unwrap()].open + SignedDuration::from_mins(minutes)
}

/// A joined row with an outcome at 5 minutes.
fn row(number: u64, day: u64, minutes: i64, score: f64, outcome: f64) -> Impact {
    let symbol = ["AAPL", "MSFT", "NVDA", "AMZN", "TSLA"][usize::try_from(number % 5).unwrap()];
    let entry_at = moment(day, minutes);
    let mut mention = mention(symbol, entry_at - SignedDuration::from_secs(30));
    mention.article_id = number.to_string();
    mention.title = format!("{symbol} report {number}");
    let probabilities = Probabilities { positive: 0.5 + score / 2.0, neutral: 0.0, negative: 0.5 - score / 2.0 };
    mention.sentiment = Ok(Sentiment { probabilities, model: "m".into(), model_revision: "r1".into(), windows: 1 });
    let mut returns = [None; Horizon::COUNT];
    returns[1] = Some(outcome);
    Impact {
        run: Run::named("study"),
        version: 1,
        mention: mention.into(),
        status: Status::Final,
        phase: Phase::Session,
        bar_width_s: Some(60),
        price_before: Some(100.0),
        price_before_at: Some(entry_at - SignedDuration::from_mins(1)),
        entry_at: Some(entry_at),
        entry_price: Some(100.0),
        returns,
        close_is_official: None,
        next_close_is_official: None,
        abnormal: returns,
        alpha: None,
        beta: None,
        volume_ratio: None,
        missing_bars: None,
        quality: Quality::default(),
    }
}

/// Five events a day, half an hour apart, whose outcomes depend on the score by `effect`.
fn rows(days: u64, effect: f64) -> Vec<Impact> {
    let of = |number: u64| {
        let score = (0.4 * roll(number)).clamp(-1.0, 1.0);
        row(number, number / 5, 90, score, 0.002 * (roll(number + 9000) + effect * score))
    };
    (0..days * 5).map(of).collect()
}

/// A study of joined rows, without rows that were joined again for other moments.
fn study(rows: &[Impact], settings: &Settings) -> Findings {
    study_with(rows, settings, None, Joined { rows, shifted: &[] })
}

fn settings() -> Settings {
    Settings { permutations: 999, ..Settings::default() }
}

fn pairs(rows: &[Impact]) -> (Vec<f64>, Vec<f64>) {
    rows.iter().map(|row| (row.mention.probabilities().unwrap().score(), row.abnormal[1].unwrap())).unzip()
}

fn page(findings: &Findings) -> String {
    html::page(findings, &html::Source { title: "A & B".into(), facts: vec!["news: <x>.csv".into()] })
}

/// The page can be read by those who can't see its pictures, has no script and nothing from elsewhere, and NaN nowhere.
fn whole_and_safe(page: &str) {
    for harm in ["<script", "javascript:", "http:", "https:", "<img", "<iframe", " onerror", "@import", "url("] {
        assert!(!page.contains(harm), "{harm}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf,") && !page.contains("\"inf"), "{page}");
    let pictures = page.matches("role=\"img\"").count();
    assert_eq!(page.matches("<desc id=").count(), pictures);
    assert_eq!(page.matches("<title id=").count(), pictures);
    assert_eq!(page.matches("<summary>Numbers</summary>").count(), pictures);
    let ids: Vec<&str> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len(), "an id is used twice: {ids:?}");
    for id in ["caar", "ic", "quantiles", "scatter", "calibration", "contributions", "lead-lag", "delay", "joined"] {
        assert!(ids.contains(&id), "no panel {id}");
    }
    for tag in ["figure", "svg", "table", "details", "g", "section", "p", "td", "tr", "main"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn a_headline_can_not_run() {
    let mut rows = rows(20, 2.0);
    for (number, row) in rows.iter_mut().enumerate() {
        Arc::make_mut(&mut row.mention).title =
            format!("<script>alert({number})</script><img src=x onerror=\"alert('{number}')\"> & more\u{7}");
    }
    let page = page(&study(&rows, &settings()));
    assert!(page.contains("&lt;script&gt;alert("), "the headline is shown as text");
    assert!(page.contains("A &amp; B") && page.contains("news: &lt;x&gt;.csv"));
    let text = page.replace("onerror=&quot;", "");
    whole_and_safe(&text.replace(" onerror", ""));
    assert!(!page.contains('\u{7}'));
}

#[test]
fn every_panel_is_there_with_much_data_little_data_and_none() {
    let mut constant = rows(20, 0.0);
    for row in &mut constant {
        row.abnormal[1] = Some(0.0);
    }
    for (rows, shown) in [(rows(40, 1.0), 7), (rows(4, 1.0), 1), (constant, 1), (Vec::new(), 0)] {
        let findings = study(&rows, &settings());
        let page = page(&findings);
        whole_and_safe(&page);
        let drawn = page.matches("role=\"img\"").count();
        assert!(drawn >= shown, "{drawn} pictures of {} rows", rows.len());
        assert!(page.contains("not enough data"));
        assert!(page.contains("tapewire ") && page.contains("Methods"));
        let json = serde_json::to_value(&findings).unwrap();
        for panel in ["scatter", "calibration", "contributions", "lead_lag", "delays", "models", "bar_widths"] {
            assert!(!json["panels"][panel].is_null(), "{panel}");
        }
    }
}

#[test]
fn methods_say_what_was_done() {
    let findings = study(&rows(40, 1.0), &Settings { outcome: Outcome::Raw, ..settings() });
    for said in [
        &format!("for all {} tests", findings.tests),
        "(999 times, seed 1;",
        "m (revision r1)",
        "bars of 1 minute",
        "200 mentions",
        "not adjusted for the market",
        "fewer than 30 events, or from fewer than 10 days",
        "72 hours",
    ] {
        assert!(findings.methods.contains(said), "{said}: {}", findings.methods);
    }
}

#[test]
fn rows_without_a_model_do_not_name_one() {
    let rows: Vec<Row> = rows(40, 1.0).iter().map(|row| Row { model: None, ..Row::from(row) }).collect();
    let findings = tapewire_study::study(&rows, &settings());
    assert!(findings.methods.contains("do not say which model scored them"), "{}", findings.methods);
    whole_and_safe(&page(&findings));
}

#[test]
fn contributions_add_up_to_the_rank_correlation() {
    let rows = rows(30, 1.0);
    let findings = study(&rows, &settings());
    let (scores, outcomes) = pairs(&rows);
    let ic = tapewire_statistics::rank_ic(&scores, &outcomes).unwrap();
    let of = findings.panels.contributions.value().unwrap();
    assert!(
        (of.total - ic).abs() < 1e-12 && (findings.horizons[1].rank_ic.value().unwrap().estimate - ic).abs() < 1e-12
    );
    // Ranks about their mean, without ties: a product over the sum of squares.
    let rank = |values: &[f64], value: f64| values.iter().filter(|own| **own < value).count() as f64 + 1.0;
    let n = rows.len() as f64;
    let squares = n * (n * n - 1.0) / 12.0;
    let mut products: Vec<f64> = scores
        .iter()
        .zip(&outcomes)
        .map(|(x, y)| (rank(&scores, *x) - (n + 1.0) / 2.0) * (rank(&outcomes, *y) - (n + 1.0) / 2.0) / squares)
        .collect();
    let absolute: f64 = products.iter().map(|product| product.abs()).sum();
    products.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    assert_eq!(of.largest.len(), 10);
    for (found, expected) in of.largest.iter().zip(&products) {
        assert!((found.contribution - expected).abs() < 1e-12);
        assert!((found.share - expected.abs() / absolute).abs() < 1e-12);
    }
    assert!((of.sum_of_largest - products[..10].iter().sum::<f64>()).abs() < 1e-12);
}

/// The outcome is in the middle for every score but 0, and a score of 0 is in the middle of the scores.
#[test]
fn contributions_that_are_all_0_have_no_shares() {
    let rows: Vec<Impact> = (0..40)
        .map(|number| {
            let part = usize::try_from(number / 10).unwrap();
            let (score, outcome) = ([-0.5, 0.5, 0.0, 0.0][part], [0.001, 0.001, -0.01, 0.01][part]);
            row(number, number / 4, 10, score, outcome)
        })
        .collect();
    let findings = study(&rows, &settings());
    let ValueOrReason::NotKnown(reason) = &findings.panels.contributions else {
        panic!("{:?}", findings.panels.contributions)
    };
    assert!(reason.contains("contributions"), "{reason}");
}

#[test]
fn calibration_counts_the_outcomes_above_0() {
    let mut rows = rows(60, 1.0);
    rows[3].abnormal[1] = Some(0.0);
    let findings = study(&rows, &settings());
    let of = findings.panels.calibration.value().unwrap();
    assert_eq!((of.n, of.zeros, of.bins.len()), (299, 1, 10));
    let (scores, outcomes) = pairs(&rows);
    let counted: Vec<(f64, f64)> = scores.into_iter().zip(outcomes).filter(|(_, outcome)| *outcome != 0.0).collect();
    let rose = counted.iter().filter(|(_, outcome)| *outcome > 0.0).count() as f64;
    assert!((of.share - rose / 299.0).abs() < 1e-12);
    let brier = counted.iter().map(|(score, outcome)| ((1.0 + score) / 2.0 - f64::from(*outcome > 0.0)).powi(2));
    assert!((of.brier - brier.sum::<f64>() / 299.0).abs() < 1e-12);
    let total: f64 = of.bins.iter().map(|bin| bin.share.value().unwrap().estimate * bin.n as f64).sum();
    assert!((total - rose).abs() < 1e-9, "the groups hold every event once");
    assert!(of.bins.windows(2).all(|pair| pair[0].implied < pair[1].implied));
}

#[test]
fn the_scatter_has_a_least_squares_line_and_cells_for_many_points() {
    let few = rows(40, 1.0);
    let findings = study(&few, &settings());
    let of = findings.panels.scatter.value().unwrap();
    let (scores, outcomes) = pairs(&few);
    let fit = Ols::fit(Design::with_constant(200, &[&scores]).unwrap(), &outcomes).unwrap();
    assert!((of.slope.estimate - fit.coefficients[1]).abs() < 1e-12);
    for point in &of.fit {
        let mean = fit.coefficients[0] + fit.coefficients[1] * point.score;
        assert!((point.mean - mean).abs() < 1e-12 && point.low < mean && mean < point.high);
    }
    assert_eq!((of.points.len(), of.cells.len()), (200, 0));
    let many = rows(60, 1.0).into_iter().flat_map(|row| (0..20).map(move |copy| (row.clone(), copy)));
    let many: Vec<Impact> = many
        .enumerate()
        .map(|(number, (mut row, copy))| {
            Arc::make_mut(&mut row.mention).article_id = number.to_string();
            Arc::make_mut(&mut row.mention).title = format!("{} {number}", row.mention.title);
            row.entry_at = row.entry_at.map(|at| at + SignedDuration::from_mins(copy * 10));
            let mention = Arc::make_mut(&mut row.mention);
            mention.published_at += SignedDuration::from_mins(copy * 10);
            mention.received_at = mention.published_at;
            mention.scored_at = mention.published_at;
            row
        })
        .collect();
    // The headlines differ by a number only, which may be one story.
    let filters = Filters { novelty: Novelty::All, ..Filters::default() };
    let findings = study(&many, &Settings { permutations: 99, filters, ..settings() });
    let of = findings.panels.scatter.value().unwrap();
    assert_eq!((of.n, of.points.len()), (6000, 0));
    assert_eq!(of.cells.iter().map(|cell| cell.n).sum::<usize>() + of.outside, 6000);
    assert!(of.outside <= 60, "at most 1 in 200 at each end");
    assert!(page(&findings).contains("With more than 5000 events, darker cells have more of them."));
}

/// The rows as if joined for another moment: entries moved by minutes, with a price, and another outcome.
fn moved(rows: &[Impact], minutes: i64, price: impl Fn(usize) -> f64, outcome: impl Fn(usize) -> f64) -> Vec<Impact> {
    let of = |(number, row): (usize, &Impact)| {
        let mut row = row.clone();
        row.entry_at = row.entry_at.map(|at| at + SignedDuration::from_mins(minutes));
        row.entry_price = Some(price(number));
        row.abnormal[1] = Some(outcome(number));
        let at = row.entry_at.unwrap();
        let mention = Arc::make_mut(&mut row.mention);
        (mention.published_at, mention.received_at, mention.scored_at) = (at, at, at);
        row
    };
    // Rows of another moment come in any order.
    rows.iter().enumerate().map(of).rev().collect()
}

#[test]
fn returns_before_the_news_end_at_the_last_price_before_it() {
    let mut rows = rows(30, 0.0);
    let (scores, _) = pairs(&rows);
    // Prices had moved with the score in the hour before, and the entry is a little against it.
    for (row, score) in rows.iter_mut().zip(&scores) {
        row.entry_price = Some(100.0 * (-0.001 * score).exp());
    }
    let mut earlier = moved(&rows, -60, |number| 100.0 * (-0.01 * scores[number]).exp(), |_| 0.0);
    // A split, and an entry that is not before the last price, are left out.
    earlier[0].quality.adjusted = true;
    earlier[1].entry_at = rows[rows.len() - 2].price_before_at;
    let shifted = [Shifted { shift: Shift::Earlier(60), rows: earlier }];
    let findings = study_with(&rows, &settings(), None, Joined { rows: &rows, shifted: &shifted });
    let lags = &findings.panels.lead_lag.lags;
    assert_eq!(lags[0].window, "-60m");
    assert_eq!(lags[0].n, 148);
    assert_eq!((lags[1].window.as_str(), lags[1].n), ("entry", 150));
    for lag in &lags[..2] {
        assert!(lag.rank_ic.reason().unwrap().contains("the rank IC is exactly"), "an exact fit has no error: {lag:?}");
    }
    assert_eq!(findings.panels.lead_lag.note, None);
    // With noise they have a value.
    let noisy = moved(
        &rows,
        -60,
        |number| 100.0 * (-0.01 * scores[number] + 0.002 * roll(number as u64 + 3333)).exp(),
        |_| 0.0,
    );
    let values: Vec<f64> = noisy.iter().rev().map(|row| (100.0 / row.entry_price.unwrap()).ln()).collect();
    let shifted = [Shifted { shift: Shift::Earlier(60), rows: noisy }];
    let findings = study_with(&rows, &settings(), None, Joined { rows: &rows, shifted: &shifted });
    let found = findings.panels.lead_lag.lags[0].rank_ic.value().unwrap();
    assert!((found.estimate - tapewire_statistics::rank_ic(&scores, &values).unwrap()).abs() < 1e-12);
    assert!(found.low > 0.0);
    // A window that begins before the news of the same company a day earlier shares its time with that news.
    let mut over_a_weekend = moved(&rows, -60, |_| 100.0, |_| 0.0);
    let mention = Arc::make_mut(&mut over_a_weekend[0].mention);
    let at = mention.published_at - SignedDuration::from_hours(72);
    (mention.published_at, mention.received_at, mention.scored_at) = (at, at, at);
    let shifted = [Shifted { shift: Shift::Earlier(60), rows: over_a_weekend }];
    let findings = study_with(&rows, &settings(), None, Joined { rows: &rows, shifted: &shifted });
    assert_eq!(findings.panels.lead_lag.lags[0].n, 149);
    let alone = study(&rows, &settings());
    assert!(alone.panels.lead_lag.note.as_ref().unwrap().contains("before the news are not known"));
    assert!(page(&alone).contains("Returns before the news are not known"));
}

#[test]
fn a_delay_compares_the_same_events_and_counts_the_entries_that_it_moves() {
    let rows = rows(30, 3.0);
    let (scores, _) = pairs(&rows);
    let later = |number: usize| 0.002 * roll(number as u64 + 555);
    let mut minute = moved(&rows, 1, |_| 100.0, later);
    minute[0].abnormal[1] = None;
    let same = moved(&rows, 0, |_| 100.0, |number| rows[number].abnormal[1].unwrap());
    let shifted = [Shifted { shift: Shift::Later(1), rows: same }, Shifted { shift: Shift::Later(60), rows: minute }];
    let findings = study_with(&rows, &settings(), None, Joined { rows: &rows, shifted: &shifted });
    let delays = findings.panels.delays.value().unwrap();
    let counts: Vec<(u32, usize, usize)> = delays.iter().map(|of| (of.seconds, of.events, of.moved)).collect();
    assert_eq!(counts, [(0, 150, 0), (1, 150, 0), (60, 150, 150)]);
    let ic = |delay: usize| delays[delay].horizons[1].rank_ic.value().unwrap();
    assert!(delays.iter().all(|of| of.horizons[1].n == 149), "the event that the last delay loses counts nowhere");
    assert_eq!(ic(0), ic(1));
    let expected: Vec<f64> = (0..149).map(later).collect();
    let expected = tapewire_statistics::rank_ic(&scores[..149], &expected).unwrap();
    assert!((ic(2).estimate - expected).abs() < 1e-12);
    assert!(ic(0).low > 0.0 && ic(2).low < 0.0, "the effect is gone");
    let page = page(&findings);
    assert!(page.contains("0 of 150 for 1 second, 150 of 150 for 1 minute"), "{page}");
    assert!(page.contains("Bars of 1 minute can&#39;t tell delays apart that are shorter"), "{page}");
    assert!(matches!(study(&rows, &settings()).panels.delays, ValueOrReason::NotKnown(_)));
}

#[test]
fn a_shift_moves_only_the_times() {
    let mut news = mention("AAPL", "2024-07-02T14:00:10Z".parse().unwrap());
    news.received_at += SignedDuration::from_secs(5);
    let at = |shift: Shift| shift.moved(&news, Calendar::xnys()).unwrap().available_at().to_string();
    assert_eq!(at(Shift::Later(10)), "2024-07-02T14:00:25Z");
    assert_eq!(at(Shift::Earlier(60)), "2024-07-02T13:00:15Z");
    assert_eq!(at(Shift::EarlierSession), "2024-07-01T14:00:15Z");
    // The session before a Monday is Friday's, and that before a change to summer time opened at another time in UTC.
    news.received_at = "2024-03-11T14:00:00Z".parse().unwrap();
    news.published_at = news.received_at;
    news.scored_at = news.received_at;
    assert_eq!(at_of(&news, Shift::EarlierSession), "2024-03-08T15:00:00Z");
    // News before Monday's open comes after Friday's close, so one session earlier it comes at Thursday's close.
    for at in [&mut news.received_at, &mut news.published_at, &mut news.scored_at] {
        *at = "2024-07-15T12:00:00Z".parse().unwrap();
    }
    assert_eq!(at_of(&news, Shift::EarlierSession), "2024-07-11T20:00:00Z");
    let moved = Shift::Later(300).moved(&news, Calendar::xnys()).unwrap();
    assert_eq!(
        (&moved.published_at, &moved.title, &moved.sentiment),
        (&news.published_at, &news.title, &news.sentiment)
    );
}

fn at_of(news: &tapewire_core::Mention, shift: Shift) -> String {
    shift.moved(news, Calendar::xnys()).unwrap().available_at().to_string()
}
