//! Filters, parts, kinds of scores, and days after the entry.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::collections::{BTreeMap, HashMap};
use support::{Dice, SYMBOLS, first_session, planted, row, settings};
use tapewire_core::Horizon;
use tapewire_core::impact::Phase;
use tapewire_study::daily::Expected;
use tapewire_study::filters::{ScoreQuantiles, SplitBy};
use tapewire_study::panels::Joined;
use tapewire_study::unmatched::Why;
use tapewire_study::{
    DailyReturns, Filters, Findings, Novelty, Outcome, Row, ScoreAs, Settings, ValueOrReason, html, study, study_with,
    text,
};
use tapewire_testkit::symbol;

fn with(filters: Filters) -> Settings {
    Settings { filters, ..settings() }
}

fn removed(findings: &Findings) -> Vec<(usize, usize)> {
    findings.filters.iter().map(|filter| (filter.removed, filter.left)).collect()
}

#[test]
fn each_filter_says_what_it_removed() {
    let mut rows = planted(1, 40, 0.3);
    for (place, row) in rows.iter_mut().enumerate() {
        if place % 4 == 0 {
            row.phase = Some(Phase::PreMarket);
        }
        if place % 2 == 0 {
            row.relevance = Some(0.2);
        }
        if place % 10 == 9 {
            row.provider = "desk".into();
            row.publisher = "Desk".into();
        }
    }
    let day = |day: i8| Some(jiff::civil::date(2024, 7, day));
    for (filters, expected) in [
        (Filters { symbols: vec![symbol("AAPL"), symbol("MSFT")], ..Filters::default() }, 80),
        // The 4th is a holiday: 2, 3 and 5 July.
        (Filters { from: day(2), to: day(5), ..Filters::default() }, 15),
        (Filters { sources: vec!["desk".into()], ..Filters::default() }, 20),
        (Filters { publishers: vec!["Desk".into()], ..Filters::default() }, 20),
        (Filters { phases: vec![Phase::PreMarket], ..Filters::default() }, 50),
        (Filters { minimum_relevance: Some(0.5), ..Filters::default() }, 100),
        (Filters { score_quantiles: Some(ScoreQuantiles { of: 5, kept: vec![1, 5] }), ..Filters::default() }, 80),
    ] {
        let findings = study(&rows, &with(filters.clone()));
        assert_eq!(findings.events, expected, "{filters:?}");
        assert_eq!(removed(&findings).iter().map(|(removed, _)| removed).sum::<usize>(), 200 - expected, "{filters:?}");
        assert!(html::page(&findings, &html::Source::default()).contains("removed by: "), "{filters:?}");
        let said = format!("filter {}: ", findings.filters[0].filter);
        let (table, page) = (text::table(&findings), html::page(&findings, &html::Source::default()));
        assert!(table.contains(&said) && page.contains(&said), "{table}");
    }
    let labels = Filters { labels: vec!["negative"], symbols: vec![symbol("AAPL")], ..Filters::default() };
    let findings = study(&rows, &with(labels));
    assert_eq!(removed(&findings)[0], (160, 40));
    assert!(matches!(findings.horizons[1].positive, ValueOrReason::NotKnown(_)));
    assert_eq!(findings.events, findings.filters[1].left);
}

/// Events that filters removed have returns, so the sentence does not say that they have none.
#[test]
fn a_study_without_events_says_which_filter_removed_the_last() {
    let mut rows = planted(1, 40, 0.3);
    rows.iter_mut().for_each(|row| row.relevance = Some(0.2));
    let only = |filters: Filters| study(&rows, &with(filters)).sentence;
    let relevant = Filters { minimum_relevance: Some(0.9), ..Filters::default() };
    assert_eq!(
        only(relevant),
        "Nothing can be said: no event is left, filter relevance of at least 0.9 removed the last 200."
    );
    // Each of the two keeps events, and both together keep none.
    let together = Filters {
        from: Some(jiff::civil::date(2024, 8, 1)),
        to: Some(jiff::civil::date(2024, 7, 30)),
        ..Filters::default()
    };
    let said = only(together);
    assert!(
        said.starts_with("Nothing can be said: no event is left, filter to 2024-07-30 removed the last "),
        "{said}"
    );
}

#[test]
fn a_value_that_keeps_no_event_is_named_with_the_reason() {
    let mut rows = planted(1, 10, 0.0);
    let without_bars = |day: usize| {
        let row = row("GONE", &format!("gone{day}"), day, 20, 1.0, 0.0);
        Row { entry_at: None, reason: Some("no_bars"), ..row }
    };
    rows.extend((0..3).map(without_bars));
    let symbols = ["AAPL", "GONE", "APPL"].map(symbol).into();
    let filters = Filters { symbols, to: Some(jiff::civil::date(2024, 6, 1)), ..Filters::default() };
    let [gone, misspelled, day] = &filters.unmatched(&rows)[..] else { panic!("{:?}", filters.unmatched(&rows)) };
    assert_eq!((gone.flag, gone.value.as_str(), gone.is_all), ("--symbols", "GONE", false));
    assert_eq!(gone.why, Why::NoEvent(vec![("no bar of the symbol in the sessions around the news", 3)]));
    let Why::Absent(there) = &misspelled.why else { panic!("{misspelled:?}") };
    assert_eq!((misspelled.value.as_str(), there.len(), there.last().unwrap().as_str()), ("APPL", 6, "GONE"));
    assert_eq!((day.flag, day.value.as_str(), day.is_all), ("--to", "2024-06-01", true));
    let only = Filters { sources: vec!["desk".into()], ..Filters::default() };
    assert!(only.unmatched(&rows)[0].is_all && only.unmatched(&[]).is_empty());
    assert_eq!(Filters { labels: vec!["negative"], ..Filters::default() }.unmatched(&rows), []);
}

#[test]
fn only_the_horizons_that_were_asked_for_are_tested() {
    let rows = planted(2, 40, 0.3);
    let findings = study(&rows, &Settings { horizons: vec![Horizon::Minutes5, Horizon::Close], ..settings() });
    assert_eq!(findings.horizons.iter().map(|of| of.horizon).collect::<Vec<_>>(), ["5m", "close"]);
    let all = study(&rows, &settings());
    assert_eq!(findings.horizons[0], all.horizons[1], "no other horizon has data, so there are as many tests");
}

#[test]
fn a_repeated_headline_is_an_event_if_asked() {
    let mut rows = planted(3, 40, 0.0);
    let again: Vec<Row> = rows
        .iter()
        .take(50)
        .map(|row| {
            let at = jiff::SignedDuration::from_mins(30);
            Row {
                article_id: format!("{}-again", row.article_id),
                available_at: row.available_at + at,
                entry_at: row.entry_at.map(|entry| entry + at),
                ..row.clone()
            }
        })
        .collect();
    rows.extend(again);
    assert_eq!(study(&rows, &settings()).events, 200);
    let all = Filters { novelty: Novelty::All, ..Filters::default() };
    assert_eq!(study(&rows, &with(all)).events, 250);
    let split = study(&rows, &Settings { split_by: Some(SplitBy::Novelty), ..settings() });
    let parts: Vec<(&str, usize)> =
        split.split.as_ref().unwrap().parts.iter().map(|part| (part.name.as_str(), part.events)).collect();
    assert_eq!((split.events, parts), (250, vec![("first", 200), ("repeated", 50)]));
}

/// A part has the numbers of a study with that filter, except that p-values count the tests of all parts.
#[test]
fn a_part_is_a_study_of_its_events_and_all_tests_are_counted() {
    let mut rows = planted(4, 60, 0.5);
    // After news before the open, prices go the other way: over all events there is nothing.
    for row in rows.iter_mut().step_by(2) {
        row.phase = Some(Phase::PreMarket);
        row.abnormal[1] = row.abnormal[1].map(|outcome| -outcome);
    }
    let findings = study(&rows, &Settings { split_by: Some(SplitBy::Session), ..settings() });
    let split = findings.split.as_ref().unwrap();
    assert_eq!(split.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["pre", "regular"]);
    let alone = study(&rows, &with(Filters { phases: vec![Phase::PreMarket], ..Filters::default() }));
    let (part, own) = (&split.parts[0].horizons[1], &alone.horizons[1]);
    assert_eq!((part.n, part.days), (own.n, own.days));
    let (one, two) = (part.rank_ic.value().unwrap(), own.rank_ic.value().unwrap());
    assert_eq!((one.estimate, one.t, one.p, one.low), (two.estimate, two.t, two.p, two.low));
    assert!(one.p_adjusted > two.p_adjusted, "more tests were made");
    let all = findings.horizons.iter().chain(split.parts.iter().flat_map(|part| &part.horizons));
    let known = all.flat_map(|of| of.estimates()).filter(|(_, estimate)| estimate.value().is_some()).count();
    assert_eq!(findings.tests, known);
    assert!(findings.sentence.starts_with("No: the rank correlation of 5m"), "{}", findings.sentence);
    assert!(findings.sentence.contains("rank IC at 5m for pre (-0."), "{}", findings.sentence);
    let table = text::table(&findings);
    assert!(table.contains("session pre: 150 events of 5 companies"), "{table}");
    let symbols = study(&rows[..40], &Settings { split_by: Some(SplitBy::Symbol), ..settings() });
    assert!(
        text::table(&symbols).contains("not enough data by symbol (number of events): AAPL (8), "),
        "{}",
        text::table(&symbols)
    );
}

#[test]
fn scores_are_compared_within_a_company_or_by_fifth() {
    // The companies' usual scores differ, and say nothing; within a company the score orders the outcomes.
    let mut rows = planted(5, 60, 0.5);
    for row in &mut rows {
        let usual = SYMBOLS.iter().position(|own| *own == row.symbol.as_ref().unwrap().as_str()).unwrap();
        row.score = row.score.map(|score| score + 10.0 * usual as f64);
    }
    rows.extend((0..9).map(|day| row("FEW", &format!("few{day}"), day, 20, f64::from(day as u32), 0.0)));
    let ic = |score: ScoreAs| study(&rows, &Settings { score, ..settings() });
    let (raw, within) = (ic(ScoreAs::Raw), ic(ScoreAs::ZScore));
    let value = |findings: &Findings| findings.horizons[1].rank_ic.value().unwrap().estimate;
    assert!(value(&within) > 0.4 && value(&raw) < 0.25, "{} and {}", value(&within), value(&raw));
    assert_eq!(removed(&within), [(9, 300)], "9 events are too few to know what is usual");
    let fifths = ic(ScoreAs::Quantile);
    assert_eq!(fifths.horizons[1].n, 309);
    assert!(fifths.examples.iter().all(|example| [-1.0, -0.5, 0.0, 0.5, 1.0].contains(&example.score)));
}

/// Returns of 250 sessions before the first event and of the days after it. On day 1 after each event `drift` is added,
/// in the direction of the score.
fn daily(rows: &[Row], drift: f64, seed: u64) -> DailyReturns {
    let mut dice = Dice(seed);
    let first = first_session() as u64;
    let mut benchmark = BTreeMap::new();
    let mut by_symbol: HashMap<_, BTreeMap<u64, f64>> = HashMap::new();
    for session in first - 250..first + 400 {
        let market = 0.01 * dice.normal();
        benchmark.insert(session, market);
        for ticker in SYMBOLS {
            by_symbol.entry(symbol(ticker)).or_default().insert(session, 0.0003 + 1.2 * market + 0.01 * dice.normal());
        }
    }
    for row in rows {
        let session =
            tapewire_core::exchange::Calendar::xnys().last_opened(row.entry_at.unwrap()).unwrap().index as u64;
        let returns = by_symbol.get_mut(row.symbol.as_ref().unwrap()).unwrap();
        *returns.get_mut(&(session + 1)).unwrap() += drift * row.score.unwrap().signum();
    }
    DailyReturns { by_symbol, benchmark: Some(benchmark), ..DailyReturns::default() }
}

/// Each company has an event every 25 sessions.
fn spread_out(days: usize) -> Vec<Row> {
    planted(6, days, 0.0)
        .into_iter()
        .filter(|row| row.article_id.split('-').next().unwrap().parse::<usize>().unwrap() % 25 == 0)
        .collect()
}

#[test]
fn a_drift_after_the_entry_is_found_on_its_day() {
    let rows = spread_out(300);
    let asked = Settings { days: 20, ..settings() };
    let findings = study_with(&rows, &asked, Some(&daily(&rows, 0.02, 7)), Joined::default());
    let days = findings.days.as_ref().unwrap();
    assert_eq!((days.n, days.overlapping, days.without_history, days.without_outcome), (60, 0, 0, 0));
    assert_eq!(days.rank_ics.iter().map(|ic| ic.day).collect::<Vec<_>>(), [1, 2, 3, 5, 10, 20]);
    for (group, sign) in days.groups.iter().zip([1.0, -1.0]) {
        assert_eq!(group.curve.len(), 20);
        let first = group.curve[0];
        assert!((first.low.unwrap()..=first.high.unwrap()).contains(&(sign * 0.02)), "{first:?}");
        assert!((first.aar - first.caar).abs() < 1e-15);
        assert!((group.curve[3].caar - group.curve[2].caar - group.curve[3].aar).abs() < 1e-12);
        for test in group.tests[0].each() {
            let test = test.value().unwrap();
            assert!(test.statistic * sign > 2.0 && test.p_adjusted.is_none_or(|p| p < 0.05), "{test:?}");
        }
    }
    // The events share sessions, so of the six tests of each day one counts.
    let counted = days.rank_ics.len() + 2 * 6;
    assert_eq!(findings.tests, counted + study(&rows, &settings()).tests);
    assert!(
        findings.sentence.contains("Also different from chance after correction: rank IC at day 1 (+"),
        "{}",
        findings.sentence
    );
    let (table, page) = (text::table(&findings), html::page(&findings, &html::Source::default()));
    assert!(table.contains("Kolari-Pynnonen") && page.contains("<h2>Days after the entry</h2>"), "{table}");
}

/// Rows of one's own may have no abnormal returns. Days are compared with the benchmark all the same.
#[test]
fn days_use_the_benchmark_whatever_returns_the_rows_have() {
    let rows = spread_out(300);
    let returns = daily(&rows, 0.02, 7);
    let of = |outcome: Outcome, returns: &DailyReturns| {
        let asked = Settings { days: 5, outcome, ..settings() };
        study_with(&rows, &asked, Some(returns), Joined::default())
    };
    let (raw, abnormal) = (of(Outcome::Raw, &returns), of(Outcome::Abnormal, &returns));
    assert_eq!(raw.days, abnormal.days);
    assert_eq!(raw.days.as_ref().unwrap().expected, Expected::MarketModel);
    assert!(raw.methods.contains("Abnormal returns are those less what a market model expects"), "{}", raw.methods);
    let without = of(Outcome::Raw, &DailyReturns { benchmark: None, ..returns });
    assert_eq!(without.days.unwrap().expected, Expected::MeanAdjusted);
}

/// Events that no market model can be of are not said to have too short a history.
#[test]
fn events_of_the_benchmark_and_of_other_markets_are_left_out_by_name() {
    let rows = spread_out(300);
    let mut returns = daily(&rows, 0.0, 7);
    let benchmark = returns.benchmark.clone().unwrap();
    returns.by_symbol.insert(symbol("AAPL"), benchmark);
    returns.by_symbol.remove(&symbol("MSFT"));
    returns.of_other_markets.insert(symbol("MSFT"));
    returns.by_symbol.remove(&symbol("NVDA"));
    let findings = study_with(&rows, &Settings { days: 5, ..settings() }, Some(&returns), Joined::default());
    let days = findings.days.as_ref().unwrap();
    assert_eq!((days.n, days.without_model, days.without_history), (24, 24, 12), "{days:?}");
    let said = ", 24 without a model of expected returns (of the benchmark itself, of another market, or";
    assert!(text::table(&findings).contains(said) && html::page(&findings, &html::Source::default()).contains(said));
}

/// The tests of days have fewer events than the mean beside them, so both have their number and mean, in the text, the page
/// and the JSON.
#[test]
fn the_tests_of_days_have_their_own_n_and_mean() {
    let day_of = |row: &Row| row.article_id.split('-').next().unwrap().parse::<usize>().unwrap();
    let is_of_day = |row: &Row| *row.symbol.as_ref().unwrap() == symbol(SYMBOLS[day_of(row) % SYMBOLS.len()]);
    let rows: Vec<Row> = planted(1, 300, 0.0).into_iter().filter(is_of_day).collect();
    let asked = Settings { days: 5, ..settings() };
    let findings = study_with(&rows, &asked, Some(&daily(&rows, 0.0, 101)), Joined::default());
    let days = findings.days.as_ref().unwrap();
    let (table, page) = (text::table(&findings), html::page(&findings, &html::Source::default()));
    let json = serde_json::to_value(days).unwrap();
    let mut differ = 0;
    for (place, group) in days.groups.iter().enumerate() {
        for (number, tests) in group.tests.iter().enumerate() {
            let mean = group.curve.iter().find(|mean| mean.day == tests.day).unwrap();
            let own = [(mean.n, Some(mean.caar)), (tests.n, tests.caar)]
                .map(|(n, caar)| (n.to_string(), text::basis_points(caar.unwrap())));
            differ += usize::from(own[0] != own[1]);
            let is_line = |line: &&str| {
                let (before, after) = line.split_once(" | ").unwrap_or_default();
                let starts = |part: &str, of: &(String, String)| {
                    part.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(&format!("{} {} ", of.0, of.1))
                };
                before.strip_prefix(&format!("1 to {:<3}", tests.day)).is_some_and(|before| starts(before, &own[0]))
                    && starts(after, &own[1])
            };
            assert!(table.lines().any(|line| is_line(&line)), "{own:?} {table}");
            assert!(page.contains(&format!("<td>{}</td><td>{}</td>", own[1].0, own[1].1)), "{own:?}");
            assert_eq!(json["groups"][place]["tests"][number]["n"], tests.n);
        }
    }
    assert!(differ > 0 && table.contains("n tested") && page.contains("<th>CAAR tested</th>"), "{table}");
}

/// Events of 300 sessions in a row, each of another company, share most of their days, and a factor moves all companies.
#[test]
fn days_that_are_shared_with_neighbouring_sessions_find_nothing_by_chance() {
    let (mut rejected, mut known) = (0, 0);
    for seed in 0..25 {
        let day_of = |row: &Row| row.article_id.split('-').next().unwrap().parse::<usize>().unwrap();
        let is_of_day = |row: &Row| *row.symbol.as_ref().unwrap() == symbol(SYMBOLS[day_of(row) % SYMBOLS.len()]);
        let rows: Vec<Row> = planted(seed, 300, 0.0).into_iter().filter(is_of_day).collect();
        let mut returns = daily(&rows, 0.0, seed + 100);
        let mut dice = Dice(seed + 200);
        let factor: BTreeMap<u64, f64> =
            returns.benchmark.iter().flatten().map(|(at, _)| (*at, 0.01 * dice.normal())).collect();
        for own in returns.by_symbol.values_mut() {
            own.iter_mut().for_each(|(at, value)| *value += factor[at]);
        }
        let asked = Settings { days: 5, permutations: 99, bootstraps: 99, ..Settings::default() };
        let findings = study_with(&rows, &asked, Some(&returns), Joined::default()).days.unwrap();
        assert_eq!((findings.n, findings.overlapping), (300, 0));
        for group in &findings.groups {
            let (mean, tests) = (&group.curve[4], group.tests.last().unwrap());
            assert_eq!((mean.day, tests.day), (5, 5));
            assert!(mean.n > 2 * tests.n && tests.n > 10, "{} {}", mean.n, tests.n);
            rejected += u32::from(!(mean.low.unwrap()..=mean.high.unwrap()).contains(&0.0));
            rejected += u32::from(tests.cross_sectional.value().unwrap().p < 0.05);
            known += 2;
        }
    }
    // Of 100 tests of 5 %, more than 12 are significant by chance once in a thousand times.
    assert!(known == 100 && rejected <= 12, "{rejected} of {known}");
    // With few sessions, the mean is known and its interval is not.
    let rows = planted(1, 40, 0.0);
    let asked = Settings { days: 3, ..settings() };
    let days = study_with(&rows, &asked, Some(&daily(&rows, 0.0, 3)), Joined::default()).days.unwrap();
    assert!(days.groups.iter().all(|group| group.curve[0].low.is_some() && group.curve[2].low.is_none()));
    assert!(
        matches!(&days.rank_ics[2].rank_ic, ValueOrReason::NotKnown(why) if why.contains("blocks of days")),
        "{days:?}"
    );
}

#[test]
fn without_a_drift_none_is_found_and_days_that_overlap_do_not_count() {
    let rows = spread_out(300);
    let findings =
        study_with(&rows, &Settings { days: 20, ..settings() }, Some(&daily(&rows, 0.0, 8)), Joined::default());
    let days = findings.days.unwrap();
    let p = days
        .groups
        .iter()
        .flat_map(|group| &group.tests)
        .map(|tests| tests.kolari_pynnonen.value().unwrap().p_adjusted.unwrap());
    assert!(p.min_by(f64::total_cmp).unwrap() > 0.05);
    // Each company has an event on each of 40 days. With 5 days studied, every fifth counts; with 20, the first and the
    // 21st.
    let rows = planted(9, 40, 0.0);
    let n = |days: usize, daily: &DailyReturns| {
        study_with(&rows, &Settings { days, ..settings() }, Some(daily), Joined::default()).days.unwrap()
    };
    let mut returns = daily(&rows, 0.0, 10);
    let (five, twenty) = (n(5, &returns), n(20, &returns));
    assert_eq!(((five.n, five.overlapping), (twenty.n, twenty.overlapping)), ((40, 160), (10, 190)));
    // Without returns before the events, or on the day after, there is nothing to compare.
    let first = first_session() as u64;
    returns.by_symbol.get_mut(&symbol("AAPL")).unwrap().retain(|session, _| *session > first - 60);
    returns.by_symbol.remove(&symbol("MSFT"));
    let fewer = n(5, &returns);
    assert_eq!(fewer.without_history, 40 + 11, "MSFT's events, and the first of AAPL, have fewer than 60 returns");
    assert!(matches!(n(1, &DailyReturns::default()).groups[0].tests[0].patell, ValueOrReason::NotKnown(_)));
}
