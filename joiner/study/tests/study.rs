//! What a study says of rows that were made with an effect, with none, and with what only looks like one.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tapewire_core::exchange::Calendar;
use tapewire_core::impact::{Phase, Quality, Reason, Status};
use tapewire_core::{Horizon, Impact, Mention, Probabilities, Run, Sentiment, Unscored};
use tapewire_study::filters::SplitBy;
use tapewire_study::sentence::Verdict;
use tapewire_study::{Outcome, Row, Settings, ValueOrReason, html, study, text};
use tapewire_testkit::{Dice, mention};

/// Random, with mean 0 and variance 1.
fn noise(dice: &mut Dice) -> f64 {
    (dice.uniform() - 0.5) * 12_f64.sqrt()
}

/// Minutes after the open of a session from 1 July 2024.
fn moment(day: usize, minutes: i64) -> Timestamp {
    let first = Calendar::xnys().on(jiff::civil::date(2024, 7, 1)).unwrap().index;
    Calendar::xnys().sessions()[first + day].open + SignedDuration::from_mins(minutes)
}

/// A joined row with an outcome at 5 minutes.
fn row(symbol: &str, id: &str, day: usize, minutes: i64, score: f64, outcome: f64) -> Impact {
    let entry_at = moment(day, minutes);
    let mut mention: Mention = mention(symbol, entry_at - SignedDuration::from_secs(30));
    mention.article_id = id.to_owned();
    // One word of each row's own, so that no two tell one story.
    mention.title = format!("{symbol} report {}", id.replace('-', "of"));
    let (positive, negative) = (0.5 + score / 2.0, 0.5 - score / 2.0);
    let probabilities = Probabilities { positive, neutral: 0.0, negative };
    mention.sentiment = Ok(Sentiment { probabilities, model: "m".into(), model_revision: "1".into(), windows: 1 });
    let mut returns = [None; Horizon::COUNT];
    returns[1] = Some(outcome);
    Impact {
        run: Run::named("study"),
        version: 1,
        mention: mention.into(),
        status: Status::Final,
        phase: Phase::Session,
        bar_width_s: Some(60),
        price_before: None,
        price_before_at: None,
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

fn settings() -> Settings {
    Settings { permutations: 999, ..Settings::default() }
}

/// `days` days of five events; `of_day` gives what the scores and the outcomes of a day share.
fn rows(seed: u64, days: usize, effect: f64, of_day: impl Fn(f64) -> (f64, f64)) -> Vec<Impact> {
    let mut dice = Dice(seed);
    let mut rows = Vec::new();
    for day in 0..days {
        let (score_of_day, outcome_of_day) = of_day(noise(&mut dice));
        for which in 0..5 {
            let score = (0.3 * noise(&mut dice) + score_of_day).clamp(-1.0, 1.0);
            let outcome = 0.002 * (noise(&mut dice) + effect * score) + outcome_of_day;
            let symbol = ["AAPL", "MSFT", "NVDA", "AMZN", "TSLA"][which];
            rows.push(row(symbol, &format!("{day}-{which}"), day, 10, score, outcome));
        }
    }
    rows
}

#[test]
fn an_effect_is_found_with_its_sign() {
    for (effect, said) in [(3.0, "followed by higher abnormal returns at 5m (rank IC +"), (-3.0, "followed by lower")] {
        let rows = rows(1, 30, effect, |_| (0.0, 0.0));
        let findings = study(&rows, &settings());
        assert_eq!(findings.verdict, Verdict::Found, "{}", findings.sentence);
        assert!(findings.sentence.contains(said), "{}", findings.sentence);
        let ic = findings.horizons[1].rank_ic.value().unwrap();
        let scores: Vec<f64> = rows.iter().map(|row| row.mention.probabilities().unwrap().score()).collect();
        let outcomes: Vec<f64> = rows.iter().map(|row| row.abnormal[1].unwrap()).collect();
        let expected = tapewire_statistics::rank_ic(&scores, &outcomes).unwrap();
        assert!((ic.estimate - expected).abs() < 1e-12, "{} instead of {expected}", ic.estimate);
        assert!((ic.low..=ic.high).contains(&expected));
        assert_eq!((ic.n, findings.horizons[1].days, findings.horizons[1].symbols), (150, 30, 5));
        assert_eq!(study(&rows, &settings()), findings, "the same again");
    }
}

/// With scores that say nothing, the verdict is `Found` no more often than the level accepts.
#[test]
fn chance_is_rarely_called_found() {
    let found = (0..200).filter(|seed| {
        let rows = rows(1000 + seed, 20, 0.0, |_| (0.0, 0.0));
        study(&rows, &Settings { permutations: 199, ..settings() }).verdict == Verdict::Found
    });
    // 5 % of 200 is 10; the correction for seven tests leaves far fewer.
    let found = found.count();
    assert!(found <= 5, "{found} of 200");
}

/// On good days there is good news and prices rise; within a day the scores say nothing.
#[test]
fn what_days_have_in_common_is_not_found_for_articles() {
    let rows = rows(3, 40, 0.0, |day| (0.3 * day, 0.01 * day));
    let findings = study(&rows, &settings());
    let ic = findings.horizons[1].rank_ic.value().unwrap();
    assert!(ic.p_adjusted.unwrap() < 0.05, "{ic:?}");
    assert_eq!(findings.verdict, Verdict::NotFound, "{}", findings.sentence);
    assert!(findings.sentence.contains("scores shuffled within each day do as well"), "{}", findings.sentence);
}

/// With one article a day nothing can be shuffled, and with a second one on few days no shuffle can find anything. That is no
/// evidence against an effect.
#[test]
fn what_can_not_be_checked_by_shuffling_is_not_called_chance() {
    let with_second = |days: usize, permutations: usize, split_by: Option<SplitBy>| {
        let of_day = |row: &Impact| {
            row.mention.article_id.split_once('-').map(|(day, which)| (day.parse().unwrap(), which.parse().unwrap()))
        };
        let rows: Vec<Impact> = rows(7, 60, 4.0, |_| (0.0, 0.0))
            .into_iter()
            .filter(|row| {
                of_day(row).is_some_and(|(day, which): (usize, usize)| which == day % 4 || which == 4 && day < days)
            })
            .collect();
        study(&rows, &Settings { permutations, split_by, ..settings() })
    };
    let one = with_second(0, 999, None);
    assert_eq!(one.verdict, Verdict::NothingCanBeSaid);
    let reason = "can't be checked by shuffling scores within days: not enough data: 0 days with two articles";
    assert!(
        one.sentence.starts_with("Nothing can be said: at 5m the rank correlation differs from 0"),
        "{}",
        one.sentence
    );
    assert!(one.sentence.contains(reason) && one.sentence.contains("Also different from chance"), "{}", one.sentence);
    let few = with_second(4, 999, None);
    let permutation = few.horizons[1].permutation.value().unwrap();
    assert_eq!(few.verdict, Verdict::NothingCanBeSaid, "{}", few.sentence);
    assert!(
        (permutation.smallest_p - 0.125).abs() < 1e-9 && permutation.p >= permutation.smallest_p,
        "{permutation:?}"
    );
    let reason = "the smallest adjusted permutation p that the articles of these days can give is 0.125, above 0.05.";
    assert!(few.sentence.contains(reason), "{}", few.sentence);
    assert!(text::table(&few).contains("perm. p is at least 0.125 at 5m, whatever the scores are"));
    assert!(html::page(&few, &html::Source::default()).contains("at least 0.125</span>"));
    assert_eq!(serde_json::to_value(&few).unwrap()["verdict"], "nothing_can_be_said");
    let many = with_second(40, 999, None);
    assert_eq!(many.verdict, Verdict::Found, "{}", many.sentence);
    assert!(!text::table(&many).contains("whatever the scores are"));
    // Shuffles that are too few for the number of tests find nothing, either.
    let parts = with_second(40, 19, Some(SplitBy::Label));
    assert_eq!(parts.verdict, Verdict::NothingCanBeSaid, "{}", parts.sentence);
    assert!(parts.sentence.contains("19 shuffles can give is 0."), "{}", parts.sentence);
    assert!(parts.sentence.contains("above 0.05; raise --permutations."), "{}", parts.sentence);
}

#[test]
fn too_little_and_constant_data_give_a_reason() {
    let few = study(&rows(4, 5, 3.0, |_| (0.0, 0.0)), &settings());
    assert_eq!(few.verdict, Verdict::NothingCanBeSaid);
    assert_eq!(
        few.sentence,
        "Nothing can be said: no horizon has 30 events on 10 days (the most is 25 events on 5 days, at 5m)."
    );
    assert_eq!(few.tests, 0);
    let mut constant = rows(5, 20, 0.0, |_| (0.0, 0.0));
    for row in &mut constant {
        let probabilities = Probabilities { positive: 0.2, neutral: 0.7, negative: 0.1 };
        Arc::make_mut(&mut row.mention).sentiment.as_mut().unwrap().probabilities = probabilities;
    }
    let constant = study(&constant, &settings());
    assert_eq!(constant.verdict, Verdict::NothingCanBeSaid);
    assert!(constant.sentence.contains("all scores are equal"), "{}", constant.sentence);
    assert!(constant.horizons[1].neutral.value().is_some(), "a mean needs no scores that differ");
    for findings in [&few, &constant] {
        assert!(matches!(findings.horizons[1].spread, ValueOrReason::NotKnown(_)));
        let (table, page) = (text::table(findings), html::page(findings, &html::Source::default()));
        assert!(!table.contains("NaN") && !page.contains("NaN") && page.contains("not enough data"), "{table}");
    }
    let nothing = study::<Impact>(&[], &Settings { outcome: Outcome::Raw, ..settings() });
    assert_eq!(nothing.sentence, "Nothing can be said: no mention is an event.");
    let mut without = rows(4, 2, 0.0, |_| (0.0, 0.0));
    without.iter_mut().for_each(|row| row.abnormal = [None; Horizon::COUNT]);
    let without =
        |horizons: &[Horizon]| study(&without, &Settings { horizons: horizons.to_vec(), ..settings() }).sentence;
    let said = "Nothing can be said: none of 10 events has an abnormal return at";
    assert_eq!(without(&Horizon::ALL), format!("{said} any horizon."));
    assert_eq!(without(&[Horizon::Minutes1, Horizon::Close]), format!("{said} 1m, close."));
}

#[test]
fn every_row_is_an_event_or_has_one_reason() {
    let mut rows = vec![
        row("AAPL", "first", 0, 10, 0.5, 0.01),
        // The same headline two days later, and four days later.
        row("AAPL", "again", 2, 10, 0.5, 0.01),
        row("AAPL", "news", 5, 10, 0.5, 0.01),
        // Of another company, and within the five minutes of the first.
        row("MSFT", "first", 0, 10, 0.5, 0.01),
        row("AAPL", "soon", 0, 14, 0.5, 0.01),
        row("AAPL", "after", 0, 15, 0.5, 0.01),
        row("NVDA", "away", 0, 10, 0.5, 0.01),
        row("TSLA", "void", 0, 10, 0.5, 0.01),
    ];
    for (place, title) in [(0, "Apple wins"), (1, "APPLE: wins!"), (2, "Apple wins"), (3, "Apple wins")] {
        Arc::make_mut(&mut rows[place].mention).title = title.into();
    }
    rows[6].status = Status::NotJoined(Reason::NoBars);
    rows[6].entry_at = None;
    Arc::make_mut(&mut rows[7].mention).sentiment = Err(Unscored::EmptyText);
    let findings = study(&rows, &settings());
    let left: Vec<(&str, usize)> = findings.left_out.iter().map(|left| (left.reason, left.rows)).collect();
    assert_eq!((findings.rows, findings.events), (8, 5));
    assert_eq!(left.iter().map(|(_, rows)| rows).sum::<usize>() + findings.events, findings.rows);
    for reason in [("repeated", 1), ("no_bars", 1), ("empty_text", 1)] {
        assert!(left.contains(&reason), "{left:?}");
    }
    let around = "1  no_bars: no bar of the symbol in the sessions around the news";
    assert!(text::table(&findings).contains(around), "{}", text::table(&findings));
    let five = &findings.horizons[1];
    assert_eq!(
        (five.n, five.overlapping, five.without_outcome),
        (4, 1, 0),
        "14 minutes after the open is not over at 15"
    );
    assert_eq!(findings.horizons[0].without_outcome, 5);
    let said = "at 5m, of 5 events 1 overlap an earlier one of their company and 0 have no abnormal return";
    assert!(text::table(&findings).contains(said), "{}", text::table(&findings));
}

/// Without titles nobody can tell that a story is told again, and the methods do not say that it counts once.
#[test]
fn the_methods_say_which_events_have_no_title() {
    const ONCE: &str = "in the same or in other words, counts once, the first time.";
    let mut rows = rows(6, 12, 1.0, |_| (0.0, 0.0));
    assert!(study(&rows, &settings()).methods.contains(&format!("{ONCE} At each horizon")));
    Arc::make_mut(&mut rows[7].mention).title.clear();
    let some = study(&rows, &settings()).methods;
    let own = "1 of the 60 events have no title, and each counts as a story of its own.";
    assert!(some.contains(&format!("{ONCE} {own} At each horizon")), "{some}");
    rows.iter_mut().for_each(|row| Arc::make_mut(&mut row.mention).title.clear());
    let none = study(&rows, &settings()).methods;
    assert!(none.contains("The rows have no titles, so a company's story that is told again counts each time."));
    assert!(!none.contains(ONCE), "{none}");
}

/// Stars or per cents order events as scores do, but no probability follows from them.
#[test]
fn scores_beyond_one_imply_no_probability() {
    let rows = rows(6, 30, 1.0, |_| (0.0, 0.0));
    let scaled = |factor: f64| -> Vec<Row> {
        let of = |row: Row| Row { score: row.score.map(|score| score * factor), ..row };
        rows.iter().map(|row| of(Row::from(row))).collect()
    };
    let (own, hundred) = (study(&scaled(1.0), &settings()), study(&scaled(100.0), &settings()));
    assert!(own.panels.calibration.value().is_some());
    let ValueOrReason::NotKnown(reason) = &hundred.panels.calibration else {
        panic!("{:?}", hundred.panels.calibration)
    };
    assert!(reason.contains("but must be from -1 to 1 to imply a probability"), "{reason}");
    assert_eq!(hundred.horizons[1].rank_ic, own.horizons[1].rank_ic, "the order is the same");
    assert!(html::page(&hundred, &html::Source::default()).contains("to imply a probability"));
}
