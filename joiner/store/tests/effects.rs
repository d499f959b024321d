//! The views `information_coefficient` and `mean_outcome` on a real ClickHouse give the numbers of `tapewire study`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{drop_database, text};
use tapewire_core::exchange::Calendars;
use tapewire_core::impact::{Phase, Quality, Status};
use tapewire_core::{Horizon, Impact, Probabilities, Run, Sentiment};
use tapewire_runtime::Shutdown;
use tapewire_store::rows::ImpactRow;
use tapewire_store::{Writer, migrate};
use tapewire_study::{Estimate, Outcome, Settings, study};
use tapewire_testkit::{clickhouse, mention, symbol};

/// Companies, and how many minutes after the open of a session their entries are.
type Companies<'a> = &'a [(&'a str, i64)];

const NEW_YORK: Companies<'_> = &[("AAPL", 10), ("MSFT", 10), ("NVDA", 10), ("AMZN", 10), ("TSLA", 10), ("O", 10)];
/// In Tokyo, in Hong Kong and with coins, midnight of New York is between the entries of a session.
const MARKETS: Companies<'_> = &[
    ("7203.T", 10),
    ("6758.T", 300),
    ("0700.HK", 10),
    ("9988.HK", 330),
    ("X:BTCUSD", 10),
    ("ETHUSDT", 1_000),
    ("C:EURUSD", 600),
    ("XAUUSD", 600),
    ("VOD.L", 10),
    ("AAPL", 10),
];

/// A random number from a seed (SplitMix64), between -1 and 1.
fn roll(seed: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// An entry in a session of the company's market, counted from 8 July 2024, a Monday.
fn entry((ticker, minutes): (&str, i64), day: u64) -> Timestamp {
    let calendar = Calendars::default().of(&symbol(ticker)).calendar();
    let first = calendar.on(jiff::civil::date(2024, 7, 8)).unwrap().index;
    calendar.sessions()[first + usize::try_from(day).unwrap()].open + SignedDuration::from_mins(minutes)
}

fn scored(score: f64) -> Sentiment {
    let probabilities = Probabilities { positive: 0.5 + score / 2.0, neutral: 0.0, negative: 0.5 - score / 2.0 };
    Sentiment { probabilities, model: "m".into(), model_revision: "1".into(), windows: 1 }
}

/// One event of each company on each day: none repeats a headline, and no outcomes overlap. Scores and outcomes are
/// rounded, so that many are equal. Only the first five horizons have outcomes, and each lacks about one in nine.
fn rows(run: &str, days: u64, companies: Companies<'_>) -> Vec<Impact> {
    let count = companies.len() as u64;
    let row = |number: u64| {
        let (day, company) = (number / count, companies[usize::try_from(number % count).unwrap()]);
        let (entry_at, ticker) = (entry(company, day), company.0);
        let mut mention = mention(ticker, entry_at - SignedDuration::from_secs(30));
        mention.article_id = number.to_string();
        mention.title = format!("{ticker} report {number}");
        let score = (roll(number) * 8.0).round() / 8.0;
        mention.sentiment = Ok(scored(score));
        let outcome = |step: usize, kind: u64| {
            let value = (roll(number * 1000 + step as u64 * 10 + kind) + 0.4 * score + 0.2 * roll(day + 7000)) * 50.0;
            (number % 9 != step as u64 && step < 5).then(|| value.round() / 10_000.0)
        };
        Impact {
            run: Run::named(run),
            version: 1,
            mention: mention.into(),
            status: Status::Final,
            phase: Phase::Session,
            bar_width_s: Some(60),
            price_before: None,
            price_before_at: None,
            entry_at: Some(entry_at),
            entry_price: Some(100.0),
            returns: std::array::from_fn(|step| outcome(step, 1)),
            close_is_official: None,
            next_close_is_official: None,
            abnormal: std::array::from_fn(|step| outcome(step, 2)),
            alpha: None,
            beta: None,
            volume_ratio: None,
            missing_bars: None,
            quality: Quality::default(),
        }
    };
    (0..days * count).map(row).collect()
}

/// The lines of a view, by their first column.
async fn lines(client: &clickhouse::Client, query: &str) -> BTreeMap<String, Vec<Option<f64>>> {
    let bytes = client.query(query).fetch_bytes("TSV").unwrap().collect().await.unwrap();
    let line = |line: &str| {
        let (key, cells) = line.split_once('\t').unwrap();
        (key.to_owned(), cells.split('\t').map(|cell| cell.parse().ok()).collect())
    };
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(line).collect()
}

/// Pairs, days, coefficient, ends of its interval and p-value, by horizon and outcome.
async fn view(client: &clickhouse::Client, arguments: &str) -> BTreeMap<String, Vec<Option<f64>>> {
    let columns = "concat(horizon, ' ', outcome), pairs, days, coefficient, low, high, p";
    lines(client, &format!("SELECT {columns} FROM information_coefficient({arguments})")).await
}

/// Events, mean, ends of its interval and p-value, by horizon, outcome and class.
async fn means(client: &clickhouse::Client, arguments: &str) -> BTreeMap<String, Vec<Option<f64>>> {
    let columns = "concat(horizon, ' ', outcome, ' ', label), events, mean_outcome, low, high, p";
    lines(client, &format!("SELECT {columns} FROM mean_outcome({arguments})")).await
}

/// Sums may be added up in another order.
fn assert_alike(found: &[Option<f64>], expected: &[Option<f64>], of: &str) {
    for (found, expected) in found.iter().zip(expected) {
        match (found, expected) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-9, "{of}: {found}, {expected}"),
            _ => assert_eq!(found, expected, "{of}"),
        }
    }
}

/// Of the views with more filters, what [`view`] and [`means`] have.
async fn filtered(client: &clickhouse::Client, arguments: &str) -> [BTreeMap<String, Vec<Option<f64>>>; 2] {
    let coefficient = "concat(horizon, ' ', outcome), pairs, days, coefficient, low, high, p";
    let mean = "concat(horizon, ' ', outcome, ' ', label), events, mean_outcome, low, high, p";
    [
        lines(client, &format!("SELECT {coefficient} FROM filtered_information_coefficient({arguments})")).await,
        lines(client, &format!("SELECT {mean} FROM filtered_mean_outcome({arguments})")).await,
    ]
}

fn assert_near(found: &[Option<f64>], estimate: &Estimate, of: &str) {
    for (found, expected) in found.iter().zip([estimate.estimate, estimate.low, estimate.high, estimate.p.unwrap()]) {
        let found = found.unwrap_or_else(|| panic!("{of} has no value"));
        assert!((found - expected).abs() < 1e-9, "{of}: {found}, {expected}");
    }
}

const ALL: &str = "symbols = [], since = '1970-01-01', until = '2200-01-01'";

#[tokio::test]
async fn the_views_give_the_numbers_of_a_study() {
    let Some(config) = clickhouse("information_coefficient") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    for (run, days, companies) in [
        ("odd", 23, &NEW_YORK[..5]),
        ("even", 40, &NEW_YORK[..3]),
        ("few", 12, &NEW_YORK[..2]),
        ("markets", 23, MARKETS),
    ] {
        let rows = rows(run, days, companies);
        writer.insert("impact", &rows.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
        let arguments = format!("runs = ['{run}'], {ALL}");
        let (found, means) = (view(&client, &arguments).await, means(&client, &arguments).await);
        assert_eq!(found.len(), 10, "five horizons have outcomes, of two kinds: {found:?}");
        for (outcome, kind) in [(Outcome::Raw, "return"), (Outcome::Abnormal, "abnormal return")] {
            let settings = Settings { outcome, permutations: 999, ..Settings::default() };
            let findings = study(&rows, &settings);
            for of in findings.horizons.iter().filter(|of| of.n > 0) {
                let key = format!("{} {kind}", of.horizon);
                let line = &found[&key];
                assert_eq!(line[..2], [Some(of.n as f64), Some(of.days as f64)], "{run} {key}");
                for (label, mean) in [("positive", &of.positive), ("negative", &of.negative)] {
                    let line = &means[&format!("{key} {label}")];
                    match mean.value() {
                        Some(mean) => {
                            assert_eq!(line[0], Some(mean.n as f64), "{run} {key} {label}");
                            assert_near(&line[1..], mean, &format!("{run} {key} {label}"));
                        }
                        None => assert!(line[1].is_some() && line[2..] == [None; 3], "{run} {key} {label}: {line:?}"),
                    }
                }
                match of.rank_ic.value() {
                    Some(ic) => assert_near(&line[2..], ic, &format!("{run} {key}")),
                    None => {
                        assert_eq!(run, "few", "only this run has horizons without enough data");
                        assert!(line[2].is_some() && line[3..] == [None; 3], "{line:?}");
                    }
                }
            }
        }
    }
    drop_database(&config).await;
}

/// Without that day all scores are equal, and the change of the coefficient would be a ratio of two rounding errors.
#[tokio::test]
async fn a_day_that_alone_determines_the_coefficient_leaves_no_interval() {
    let Some(config) = clickhouse("information_coefficient_of_a_day") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    for (day, constant) in [(0, 0.25), (3, -0.1), (7, 0.7), (11, 0.0)] {
        let (run, of_day) = (format!("day {day}"), day * 4..day * 4 + 4);
        let mut rows = rows(&run, 12, &NEW_YORK[..4]);
        for (_, row) in rows.iter_mut().enumerate().filter(|(number, _)| !of_day.contains(number)) {
            Arc::make_mut(&mut row.mention).sentiment = Ok(scored(constant));
        }
        writer.insert("impact", &rows.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
        let found = view(&client, &format!("runs = ['{run}'], {ALL}")).await;
        let findings = study(&rows, &Settings { permutations: 999, ..Settings::default() });
        for of in findings.horizons.iter().filter(|of| of.n > 0) {
            let line = &found[&format!("{} abnormal return", of.horizon)];
            assert_eq!(line[..2], [Some(of.n as f64), Some(12.0)]);
            assert!(of.n >= 30 && of.rank_ic.value().is_none(), "{run} {}: {:?}", of.horizon, of.rank_ic);
            assert!(line[2].is_some() && line[3..] == [None; 3], "{run} {}: {line:?}", of.horizon);
        }
    }
    let errors = format!("SELECT count(), count(standard_error) FROM information_coefficient(runs = ['day 3'], {ALL})");
    assert_eq!(text(&client, &errors).await, "10 0");
    drop_database(&config).await;
}

#[tokio::test]
async fn rows_are_filtered_before_they_are_ranked() {
    let Some(config) = clickhouse("information_coefficient_filters") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let all = rows("r", 60, NEW_YORK);
    writer.insert("impact", &all.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
    let since = entry(NEW_YORK[0], 10).strftime("%Y-%m-%d").to_string();
    let some: Vec<Impact> = all
        .iter()
        .filter(|row| ["O", "TSLA"].contains(&row.mention.symbol.as_ref().unwrap().as_str()))
        .filter(|row| row.mention.published_at >= entry(NEW_YORK[0], 10) - SignedDuration::from_mins(60))
        .cloned()
        .collect();
    let arguments = format!("runs = [], symbols = ['O', 'TSLA', 'O\\'NEIL'], since = '{since}', until = '2200-01-01'");
    let found = view(&client, &arguments).await;
    let findings = study(&some, &Settings { permutations: 999, ..Settings::default() });
    for of in findings.horizons.iter().filter(|of| of.n > 0) {
        let line = &found[&format!("{} abnormal return", of.horizon)];
        assert_eq!(line[0], Some(of.n as f64));
        assert_near(&line[2..], of.rank_ic.value().unwrap(), of.horizon);
    }
    // A side that is constant has no correlation: the coefficient is NULL.
    let mut same = rows("same", 20, &NEW_YORK[..5]);
    for row in &mut same {
        row.returns = [Some(0.5); Horizon::COUNT];
    }
    writer.insert("impact", &same.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
    let found = view(&client, &format!("runs = ['same'], {ALL}")).await;
    assert_eq!(found["5m return"], [Some(100.0), Some(20.0), None, None, None, None]);
    // Equal outcomes on all days have a mean, but no standard error.
    let found = means(&client, &format!("runs = ['same'], {ALL}")).await;
    assert_eq!(found["5m return positive"][1..], [Some(0.5), None, None, None]);
    assert_eq!(text(&client, &format!("SELECT count() FROM information_coefficient(runs = ['x'], {ALL})")).await, "0");
    drop_database(&config).await;
}

#[tokio::test]
async fn the_views_with_more_filters_give_the_numbers_of_the_rows_that_pass() {
    let Some(config) = clickhouse("filtered_effects") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let listed = "('NVDA', 'NVIDIA Corporation', '1900-01-01', 'stock', 'builtin', '2026-01-01')";
    let columns = "symbol, name, valid_from, kind, source, seen_at";
    client.query(&format!("INSERT INTO instruments ({columns}) VALUES {listed}")).execute().await.unwrap();
    let mut all = rows("r", 40, NEW_YORK);
    for (number, row) in all.iter_mut().enumerate() {
        let mention = Arc::make_mut(&mut row.mention);
        if number % 5 == 0 {
            mention.provider = "fifth".into();
        }
        if number % 3 == 0 {
            mention.title = format!("Johnson &amp; Johnson, report {number}");
            row.phase = Phase::PreMarket;
        }
    }
    writer.insert("impact", &all.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
    // The providers, phases, tickers and patterns that are asked for, and which rows pass.
    let is = |row: &Impact, ticker: &str| row.mention.symbol.as_ref().is_some_and(|symbol| symbol.as_str() == ticker);
    type Passes<'a> = &'a dyn Fn(&Impact) -> bool;
    let choices: [(&str, &str, &str, &str, Passes<'_>); 7] = [
        ("", "", "", "", &|_| true),
        ("'fifth', 'none'", "", "", "", &|row| &*row.mention.provider == "fifth"),
        ("", "'pre_market'", "", "", &|row| row.phase == Phase::PreMarket),
        ("", "", "'O'", "", &|row| is(row, "O")),
        ("", "", "", "'Johnson & J'", &|row| row.mention.title.contains("&amp;")),
        ("", "", "", "'nvidia', 'NVIDIA'", &|row| is(row, "NVDA")),
        ("'fifth'", "", "'O'", "'&'", &|row| {
            &*row.mention.provider == "fifth" && (is(row, "O") || row.mention.title.contains("&amp;"))
        }),
    ];
    for (number, (providers, phases, tickers, patterns, passes)) in choices.into_iter().enumerate() {
        let some: Vec<Impact> = all.iter().filter(|row| passes(row)).cloned().collect();
        // A run of its own, which the views without these filters read.
        let run = format!("choice {number}");
        let copies = some.iter().map(|row| Impact { run: Run::named(&run), ..row.clone() }).collect::<Vec<_>>();
        writer.insert("impact", &copies.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
        let of_copies = format!("runs = ['{run}'], {ALL}");
        let expected = [view(&client, &of_copies).await, means(&client, &of_copies).await];
        let lists =
            format!("providers = [{providers}], phases = [{phases}], tickers = [{tickers}], patterns = [{patterns}]");
        let found = filtered(&client, &format!("runs = ['r'], {ALL}, {lists}")).await;
        for (found, expected) in found.iter().zip(&expected) {
            assert!(expected.len() >= 10, "{lists}: {expected:?}");
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{lists}");
            for (key, expected) in expected {
                assert_alike(&found[key], expected, &format!("{lists} {key}"));
            }
        }
    }
    drop_database(&config).await;
}
