//! Events that are not independent of each other find nothing by chance: returns that overlap from day to day, articles with
//! events on several days, and events of one session.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::collections::{BTreeMap, HashMap};
use support::{Dice, SYMBOLS, first_session, planted, row, settings};
use tapewire_core::Horizon;
use tapewire_core::exchange::Calendar;
use tapewire_statistics::event::{EventDates, EventReturns, Model, Options, Study, Tests, abnormal_returns};
use tapewire_study::daily::{DayTests, Expected};
use tapewire_study::panels::Joined;
use tapewire_study::sentence::Verdict;
use tapewire_study::{DailyReturns, Findings, Row, Settings, html, study, study_with, text};
use tapewire_testkit::symbol;

const SEEDS: u64 = 200;
/// Of 200 tests at 5 %, more than this are significant by chance twice in a thousand times.
const MOST: u32 = 19;

fn quick(horizon: Horizon) -> Settings {
    Settings { horizons: vec![horizon], permutations: 19, bootstraps: 99, ..settings() }
}

/// Five events a day, each company every other day, with outcomes at the next close. Half of the outcome's variance is
/// what all companies share on the day and on the next one. Scores of neighbouring days are alike.
fn at_next_close(seed: u64, days: usize) -> Vec<Row> {
    let mut dice = Dice(seed.wrapping_mul(0x51_7c_c1_b7_27_22_0a_95));
    let (mut today, mut mood, mut rows) = (dice.normal(), 0.0, Vec::new());
    for day in 0..days {
        let next = dice.normal();
        mood = 0.8 * mood + 0.6 * dice.normal();
        for which in 0..5 {
            let ticker = format!("S{}", char::from(b'A' + u8::try_from(day % 2 * 5 + which).unwrap()));
            let (score, own) = (mood + dice.normal(), dice.normal());
            let outcome = 0.002 * (0.7 * (today + next) + own);
            let mut row = row(&ticker, &format!("{day}of{which}"), day, 10, score, outcome);
            row.returns = [None; Horizon::COUNT];
            row.returns[Horizon::COUNT - 1] = Some(outcome);
            row.abnormal = row.returns;
            rows.push(row);
        }
        today = next;
    }
    rows
}

/// Whether the rank IC and the mean after positive news have a p-value below 5 %.
fn rejects(findings: &Findings) -> [u32; 2] {
    let of = &findings.horizons[0];
    [of.rank_ic.value().unwrap().p, of.positive.value().unwrap().p].map(|p| u32::from(p.is_some_and(|p| p < 0.05)))
}

#[test]
fn returns_that_overlap_from_day_to_day_find_nothing_by_chance() {
    let mut rejected = [0; 2];
    for seed in 1..=SEEDS {
        let findings = study(&at_next_close(seed, 60), &quick(Horizon::NextClose));
        let of = &findings.horizons[0];
        assert_eq!((of.n, of.days, of.clusters, of.overlapping), (300, 60, 30, 0));
        assert!((of.rank_ic.value().unwrap().df - 29.0).abs() < f64::EPSILON);
        rejected.iter_mut().zip(rejects(&findings)).for_each(|(count, one)| *count += one);
    }
    println!("rank IC and mean after positive news: {rejected:?} of {SEEDS}");
    assert!(rejected.iter().all(|&count| count <= MOST), "{rejected:?} of {SEEDS}");
}

#[test]
fn overlapping_returns_of_few_days_say_why_there_is_no_statistic() {
    let findings = study(&at_next_close(1, 16), &quick(Horizon::NextClose));
    let reason = "not enough data: 8 pairs of neighbouring days with events, whose returns overlap, at least 10 needed";
    assert_eq!(findings.verdict, Verdict::NothingCanBeSaid);
    assert_eq!(findings.sentence, format!("Nothing can be said: {reason} (next_close, n = 80, 16 days)."));
    let said = "at next_close, standard errors are of 8 clusters instead of 16 days: pairs of neighbouring days";
    assert!(text::table(&findings).contains(said), "{}", text::table(&findings));
    assert!(html::page(&findings, &html::Source::default()).contains(said));
    assert!(study(&at_next_close(1, 20), &quick(Horizon::NextClose)).horizons[0].rank_ic.value().is_some());
    // Of one market, returns to the next open end before the first entry of the next day.
    let at_open = |mut row: Row| {
        row.returns.swap(Horizon::COUNT - 2, Horizon::COUNT - 1);
        Row { abnormal: row.returns, ..row }
    };
    let mut rows: Vec<Row> = at_next_close(1, 16).into_iter().map(at_open).collect();
    let clusters = |rows: &[Row]| study(rows, &quick(Horizon::NextOpen)).horizons[0].clusters;
    assert_eq!(clusters(&rows), 16);
    rows[0].symbol = Some(symbol("X:BTCUSD"));
    assert_eq!(clusters(&rows), 8, "a coin's next day begins before the share's next open");
}

/// Each day has an article after the close about a coin, which is entered at once, and about a share, which is entered at
/// the next open.
fn with_two_markets(seed: u64, days: usize) -> Vec<Row> {
    let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let common: Vec<f64> = (0..=days).map(|_| dice.normal()).collect();
    let mut rows = Vec::new();
    for day in 0..days {
        for ticker in SYMBOLS {
            let outcome = 0.002 * (0.7 * common[day] + dice.normal());
            rows.push(row(ticker, &format!("{day}-{ticker}"), day, 10, dice.normal(), outcome));
        }
        let (score, shock) = (dice.normal(), dice.normal());
        for (ticker, day_of_entry, minutes) in [("X:BTCUSD", day, 420), ("COIN", day + 1, 0)] {
            let outcome = 0.002 * (0.7 * common[day_of_entry] + 0.7 * shock + 0.7 * dice.normal());
            // Two words of each article's own, so that no two tell one story.
            let id = format!("{day}-{}", 7919 * (day + 1));
            rows.push(row(ticker, &id, day_of_entry, minutes, score, outcome));
        }
    }
    rows
}

#[test]
fn an_article_with_events_on_two_days_does_not_join_the_days() {
    let mut rejected = [0; 2];
    for seed in 1..=SEEDS {
        let findings = study(&with_two_markets(seed, 40), &quick(Horizon::Minutes5));
        let of = &findings.horizons[0];
        assert_eq!((of.n, of.days, of.clusters), (280, 41, 41), "{}", findings.sentence);
        assert!((of.rank_ic.value().unwrap().df - 40.0).abs() < f64::EPSILON);
        rejected.iter_mut().zip(rejects(&findings)).for_each(|(count, one)| *count += one);
    }
    println!("rank IC and mean after positive news: {rejected:?} of {SEEDS}");
    assert!(rejected.iter().all(|&count| count <= MOST), "{rejected:?} of {SEEDS}");
}

/// Returns of 250 sessions before the first event and of the days after it, without a benchmark. The companies share half
/// of their variance.
fn without_benchmark(seed: u64) -> DailyReturns {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let first = first_session() as u64;
    let mut by_symbol: HashMap<_, BTreeMap<u64, f64>> = HashMap::new();
    for session in first - 250..first + 400 {
        let market = dice.normal();
        for ticker in SYMBOLS {
            by_symbol.entry(symbol(ticker)).or_default().insert(session, 0.01 * (market + dice.normal()));
        }
    }
    DailyReturns { by_symbol, ..DailyReturns::default() }
}

fn session_of(row: &Row) -> u64 {
    Calendar::xnys().last_opened(row.entry_at.unwrap()).unwrap().index as u64
}

fn day_of(row: &Row) -> usize {
    row.article_id.split('-').next().unwrap().parse().unwrap()
}

fn adjusted(tests: &DayTests) -> [bool; 6] {
    tests.each().map(|test| test.value().unwrap().p_adjusted.is_some())
}

/// Events of one session share the market. Only the test that allows for it counts, and it finds what is not there in one
/// of twenty cases, which the others do more often.
#[test]
fn events_of_one_session_count_only_in_the_test_that_allows_for_them() {
    let (mut rejected, mut by_others, mut known) = (0, 0, 0);
    for seed in 1..=SEEDS / 2 {
        let rows: Vec<Row> = planted(seed, 300, 0.0).into_iter().filter(|row| day_of(row).is_multiple_of(5)).collect();
        let asked = Settings { days: 1, ..quick(Horizon::Minutes5) };
        let findings = study_with(&rows, &asked, Some(&without_benchmark(seed)), Joined::default());
        let days = findings.days.as_ref().unwrap();
        assert_eq!(days.expected, Expected::MeanAdjusted);
        for group in &days.groups {
            let tests = &group.tests[0];
            assert!(tests.sessions < tests.n, "{} events of {} sessions", tests.n, tests.sessions);
            assert_eq!(adjusted(tests), [false, false, true, false, false, false]);
            rejected += u32::from(tests.kolari_pynnonen.value().unwrap().p < 0.05);
            by_others += u32::from(tests.bmp.value().unwrap().p < 0.05);
            known += 1;
        }
        assert_eq!(findings.tests, study(&rows, &quick(Horizon::Minutes5)).tests + days.rank_ics.len() + 2);
        for name in ["Patell", "BMP", "Corrado", "generalized sign", "cross-sectional"] {
            assert!(!findings.sentence.contains(name), "{}", findings.sentence);
        }
    }
    println!("Kolari-Pynnonen {rejected}, BMP {by_others} of {known}");
    assert!(known == SEEDS && rejected <= MOST && by_others > rejected, "{rejected} and {by_others} of {known}");
    let rows: Vec<Row> = planted(1, 300, 0.0).into_iter().filter(|row| day_of(row).is_multiple_of(5)).collect();
    let of = |rows: &[Row]| {
        study_with(rows, &Settings { days: 1, ..settings() }, Some(&without_benchmark(1)), Joined::default())
    };
    let shared = of(&rows);
    let (table, page) = (text::table(&shared), html::page(&shared, &html::Source::default()));
    assert!(table.contains("in parentheses: tests that take events of one session for independent"), "{table}");
    assert!(
        page.contains("not counted</span>") && shared.methods.contains("only Kolari and Pynnonen's test is counted")
    );
    // With one event in each session all six count.
    let alone: Vec<Row> =
        rows.into_iter().filter(|row| *row.symbol.as_ref().unwrap() == symbol(SYMBOLS[day_of(row) / 5 % 5])).collect();
    let alone = of(&alone);
    assert!(alone.days.as_ref().unwrap().groups.iter().all(|group| adjusted(&group.tests[0]) == [true; 6]));
    assert!(!text::table(&alone).contains("in parentheses"));
}

/// Windows with fewer returns have fewer ranks. Corrado's test of 1989 weighs them less, and is not the one that is told.
#[test]
fn the_rank_test_is_that_for_windows_of_unequal_length() {
    let rows: Vec<Row> = planted(2, 300, 0.0).into_iter().filter(|row| day_of(row).is_multiple_of(25)).collect();
    let mut returns = without_benchmark(2);
    let events: Vec<u64> = rows.iter().map(session_of).collect();
    for (ticker, every) in [("AAPL", 3), ("MSFT", 4)] {
        let own = returns.by_symbol.get_mut(&symbol(ticker)).unwrap();
        own.retain(|session, _| session % every != 0 || events.contains(&(session - 1)));
    }
    let asked = Settings { days: 1, ..quick(Horizon::Minutes5) };
    let findings = study_with(&rows, &asked, Some(&returns), Joined::default());
    let expected = |label: &str| -> Tests {
        let of = |row: &Row| {
            let (own, session) = (&returns.by_symbol[row.symbol.as_ref().unwrap()], session_of(row));
            let pick =
                |range: std::ops::Range<u64>| -> Vec<Option<f64>> { range.map(|at| own.get(&at).copied()).collect() };
            let (estimation, event) = (pick(session - 130..session - 10), pick(session + 1..session + 2));
            let of_event =
                EventReturns { estimation, event, estimation_factors: Vec::new(), event_factors: Vec::new() };
            abnormal_returns(&of_event, Model::MeanAdjusted, &Options { minimum_estimation: 60, ..Options::default() })
        };
        let own: Vec<_> = rows.iter().filter(|row| row.label == Some(label)).map(|row| of(row).unwrap()).collect();
        Study::new(own).unwrap().tests(0..=0, EventDates::Common).unwrap()
    };
    for group in &findings.days.as_ref().unwrap().groups {
        let (found, expected) = (&group.tests[0].corrado, expected(group.label));
        let statistic = found.value().unwrap().statistic;
        assert!((statistic - expected.corrado_zivney.unwrap().statistic).abs() < 1e-9, "{found:?}");
        assert!((statistic - expected.corrado.unwrap().statistic).abs() > 1e-6, "{found:?}");
    }
}
