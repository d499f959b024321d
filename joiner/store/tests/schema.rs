//! The schema on a real ClickHouse: `TAPEWIRE_CLICKHOUSE_URL` names it (`make stack` starts one).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use support::{drop_database, migrated_to, text};
use tapewire_core::impact::{MissingBars, Phase, Quality, Reason, Status};
use tapewire_core::{Bar, Horizon, Impact, Mention, Probabilities, Run, Sentiment, Symbol, Unscored};
use tapewire_runtime::Shutdown;
use tapewire_store::rows::{BarRow, ImpactRow, MentionRow};
use tapewire_store::{ClickHouseConfig, StoreError, Writer, check_version, installation_id, migrate, newest_version};
use tapewire_testkit::clickhouse;

#[tokio::test]
async fn migrating_is_safe_twice_and_by_two_at_once() {
    let Some(config) = clickhouse("twice") else { return };
    let (one, two) = tokio::join!(migrate(&config), migrate(&config));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.version, two.version), (newest_version(), newest_version()));
    assert!(!one.applied.is_empty() || !two.applied.is_empty());
    assert!(migrate(&config).await.unwrap().applied.is_empty(), "a third run has nothing to do");
    let ledger = text(&config.client(), "SELECT version, name FROM schema_migrations FINAL ORDER BY version").await;
    assert_eq!(
        ledger,
        "1 0001_facts\n2 0002_read_models\n3 0003_windows\n4 0004_novelty\n5 0005_provider\n6 0006_dead_letters_by_run\n\
         7 0007_actions\n8 0008_asked_as\n9 0009_withdrawn\n10 0010_instruments\n\
         11 0011_information_coefficient\n12 0012_stories\n13 0013_indicators\n14 0014_symbols_found\n15 0015_alerts\n\
         16 0016_bar_views"
    );
    assert_eq!(installation_id(&config).await.unwrap().len(), 36, "one id, whoever wrote it");
    check_version(&config).await.unwrap();
    drop_database(&config).await;
}

#[tokio::test]
async fn an_edited_or_newer_migration_is_refused() {
    let Some(config) = clickhouse("edited") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    let newer = "INSERT INTO schema_migrations (version, name, checksum) VALUES (9000, '9000_future', 'x')";
    client.query(newer).execute().await.unwrap();
    let error = migrate(&config).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { version: 9000, .. }), "{error}");
    let error = check_version(&config).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { version: 9000, .. }), "{error}");
    client.query("DELETE FROM schema_migrations WHERE version > 5").execute().await.unwrap();
    let error = check_version(&config).await.unwrap_err();
    assert!(
        matches!(error, StoreError::OlderSchema { version: 5, wanted, .. } if wanted == newest_version()),
        "{error}"
    );
    client.query("TRUNCATE TABLE schema_migrations").execute().await.unwrap();
    let edited = "INSERT INTO schema_migrations (version, name, checksum) VALUES (1, '0001_facts', 'other')";
    client.query(edited).execute().await.unwrap();
    let error = migrate(&config).await.unwrap_err();
    assert!(error.to_string().contains("0001_facts"), "{error}");
    drop_database(&config).await;
}

fn bar(start: &str, received: &str, close: f64, volume: f64) -> BarRow {
    let bar = Bar {
        symbol: Symbol::new("AAPL").unwrap(),
        start: start.parse().unwrap(),
        width_s: 60,
        open: 10.0,
        high: close.max(10.0),
        low: 9.0,
        close,
        volume,
        vwap: None,
        trades: Some(3),
        received_at: received.parse().unwrap(),
    };
    BarRow::new(&Run::live(), &bar)
}

#[tokio::test]
async fn a_bar_sent_again_corrects_and_never_doubles() {
    let Some(config) = clickhouse("bars") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    let writer = Writer::new(&config, Shutdown::new());
    let first = [
        bar("2025-06-02T13:30:00Z", "2025-06-02T13:31:00Z", 11.0, 100.0),
        bar("2025-06-02T13:31:00Z", "2025-06-02T13:32:00Z", 12.0, 50.0),
    ];
    writer.insert("bars", &first).await.unwrap();
    writer.insert("bars", &first).await.unwrap();
    assert_eq!(text(&client, "SELECT count() FROM bars").await, "2", "a repeated batch is recognised");
    let reordered = [first[1].clone(), first[0].clone()];
    writer.insert("bars", &reordered).await.unwrap();
    let corrected = [bar("2025-06-02T13:31:00Z", "2025-06-02T13:40:00Z", 13.0, 75.0)];
    writer.insert("bars", &corrected).await.unwrap();
    // An old version that comes late changes nothing.
    writer.insert("bars", &first).await.unwrap();

    assert_eq!(text(&client, "SELECT count(), sum(volume) FROM bars FINAL").await, "2 175");
    assert_eq!(text(&client, "SELECT count(), sum(volume), max(close) FROM bars_1m").await, "2 175 13");
    assert_eq!(text(&client, "SELECT open, high, low, close, volume FROM bars_5m").await, "10 13 9 13 175");
    assert_eq!(text(&client, "SELECT price, at FROM latest_price").await, "13 2025-06-02 13:32:00.000000");
    drop_database(&config).await;
}

#[tokio::test]
async fn one_insert_may_have_bars_of_any_number_of_months() {
    let Some(config) = clickhouse("months") else { return };
    migrate(&config).await.unwrap();
    let writer = Writer::new(&config, Shutdown::new());
    let first = bar("2000-01-03T05:00:00Z", "2025-06-02T00:00:00Z", 11.0, 1.0);
    for width_s in [60, 86_400] {
        let day = |number: i64| BarRow { width_s, start: first.start + number * 86_400_000_000, ..first.clone() };
        writer.insert("bars", &(0..5_000).map(day).collect::<Vec<_>>()).await.unwrap();
    }
    let months = "SELECT count(), uniqExact(toYYYYMM(start)), (SELECT count() FROM bars_1m) FROM bars FINAL";
    assert_eq!(text(&config.client(), months).await, "10000 165 5000");
    drop_database(&config).await;
}

/// A replay that is sent again has the same times of receipt.
#[tokio::test]
async fn of_two_versions_received_at_once_every_view_has_the_one_written_later() {
    let Some(config) = clickhouse("bars_again") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let sent = |close: f64| {
        let starts = ["2025-06-02T13:30:00Z", "2025-06-02T13:31:00Z", "2025-06-02T13:35:00Z"];
        starts.map(|start| bar(start, "2025-06-02T13:36:00Z", close, close))
    };
    for close in [11.0, 13.0, 12.0] {
        writer.insert("bars", &sent(close)).await.unwrap();
        let (close, both) = (close.to_string(), (close * 2.0).to_string());
        assert_eq!(text(&client, "SELECT groupUniqArray(close) FROM bars FINAL").await, format!("[{close}]"));
        assert_eq!(text(&client, "SELECT price FROM latest_price").await, close);
        let wide = text(&client, "SELECT high, close, volume FROM bars_5m ORDER BY start").await;
        assert_eq!(wide, format!("{close} {close} {both}\n{close} {close} {close}"));
    }
    drop_database(&config).await;
}

/// A bar of `width_s` seconds.
fn wide(width_s: u32, start: &str, received: &str, close: f64) -> BarRow {
    BarRow { width_s, ..bar(start, received, close, 1.0) }
}

#[tokio::test]
async fn a_daily_bar_is_not_newer_than_the_minutes_of_its_day() {
    let Some(config) = clickhouse("daily") else { return };
    // Some bars are there before the view is, and some come after it.
    migrated_to(&config, 15).await;
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let latest = async || text(&client, "SELECT price, at FROM latest_price").await;
    let minute = bar("2025-06-02T23:59:00Z", "2025-06-03T00:00:00Z", 101.3, 1.0);
    let day = wide(86_400, "2025-06-02T04:00:00Z", "2025-06-02T20:15:00Z", 100.0);
    writer.insert("bars", &[minute, day.clone()]).await.unwrap();
    assert_eq!(latest().await, "100 2025-06-03 04:00:00.000000", "as it was before");
    migrate(&config).await.unwrap();
    assert_eq!(latest().await, "101.3 2025-06-03 00:00:00.000000");
    // A correction of the day, its week, and the day before change nothing.
    let corrected = BarRow { close: 100.5, received_at: day.received_at + 40_000_000_000, ..day };
    let week = wide(604_800, "2025-06-02T04:00:00Z", "2025-06-06T20:15:00Z", 99.0);
    let before = wide(86_400, "2025-06-01T04:00:00Z", "2025-06-03T09:00:00Z", 98.0);
    writer.insert("bars", &[corrected, week, before]).await.unwrap();
    assert_eq!(latest().await, "101.3 2025-06-03 00:00:00.000000");
    // The next day's bar is newer, and its price is that of the moment when it was received.
    let next = wide(86_400, "2025-06-03T04:00:00Z", "2025-06-03T20:15:00Z", 103.0);
    writer.insert("bars", &[next]).await.unwrap();
    assert_eq!(latest().await, "103 2025-06-03 20:15:00.000000");
    writer.insert("bars", &[bar("2025-06-03T20:20:00Z", "2025-06-03T20:21:00Z", 102.0, 1.0)]).await.unwrap();
    assert_eq!(latest().await, "102 2025-06-03 20:21:00.000000");
    // Read much later, a day ends when it is over.
    let old = wide(86_400, "2025-06-04T04:00:00Z", "2025-08-01T00:00:00Z", 104.0);
    writer.insert("bars", &[old]).await.unwrap();
    assert_eq!(latest().await, "104 2025-06-05 04:00:00.000000");
    drop_database(&config).await;
}

/// `(run, symbol, available_at in microseconds, (provider, article_id), title)`.
type Mentioned = (&'static str, &'static str, i64, (&'static str, String), String);

/// Titles of few words, close together in time, so that many are alike and some are published at once.
fn mentions() -> Vec<Mentioned> {
    const WORDS: [&str; 9] = ["Acme", "ÖLPREIS", "gains", "as", "profit", "Q3", "2025", "jumps", "--"];
    const DAY: u64 = 86_400_000_000;
    let mut state = 7u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let article = |number: u64| {
        let at = 1_750_000_000_000_000 + draw(60) * DAY / 20 + draw(3) * 100_000;
        let title: Vec<&str> = (0..draw(6)).map(|_| WORDS[draw(9) as usize]).collect();
        let run = ["live", "r"][draw(2) as usize];
        // Both providers use the same ids.
        let id = (["one", "two"][(number / 150) as usize], format!("id{:03}", number % 150));
        (run, ["A", "B"][draw(2) as usize], at.cast_signed(), id, title.join(", "))
    };
    (0..300).map(article).collect()
}

/// Novelty and story by their definition (`0004_novelty.sql`, `0005_provider.sql`): `of` is compared with each mention.
fn novelty_and_story(of: &Mentioned, all: &[Mentioned]) -> (Option<f64>, String) {
    let key = |(.., (provider, id), _): &Mentioned| format!("{provider}/{id}");
    let words = |(.., title): &Mentioned| -> BTreeSet<String> {
        let lower = title.to_lowercase();
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let alike = |other: &Mentioned| {
        let (one, two) = (words(of), words(other));
        one.intersection(&two).count() as f64 / one.union(&two).count() as f64
    };
    let earlier = |other: &&Mentioned| {
        (other.0, other.1) == (of.0, of.1) && (other.2, &other.3) < (of.2, &of.3) && of.2 - other.2 < 86_400_000_000
    };
    let earlier: Vec<&Mentioned> = all.iter().filter(earlier).collect();
    let first = earlier.iter().filter(|other| alike(other) >= 0.5).min_by_key(|other| (other.2, other.3.clone()));
    let story = key(first.copied().unwrap_or(of));
    let novelty = 1.0 - earlier.iter().map(|other| alike(other)).fold(0.0, f64::max);
    ((!words(of).is_empty()).then_some(novelty), story)
}

#[tokio::test]
async fn novelty_is_what_its_definition_says_however_often_mentions_are_written() {
    let Some(config) = clickhouse("novelty") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    let all = mentions();
    let values = |mentions: &mut dyn Iterator<Item = &Mentioned>| {
        let row = |(run, symbol, at, (provider, id), title): &Mentioned| {
            format!("('{run}', '{symbol}', '{provider}', '{id}', '{title}', fromUnixTimestamp64Micro({at}), 1)")
        };
        mentions.map(row).collect::<Vec<_>>().join(", ")
    };
    for rows in [values(&mut all.iter()), values(&mut all.iter().rev())] {
        let insert = "INSERT INTO mentions (run, symbol, provider, article_id, title, available_at, seq) VALUES ";
        client.query(&format!("{insert}{rows}")).execute().await.unwrap();
    }
    let found =
        text(&client, "SELECT concat(provider, '/', article_id) AS key, novelty, story FROM novelty ORDER BY key")
            .await;
    assert_eq!(found.lines().count(), all.len());
    let mut stories = 0;
    for (line, mention) in found.lines().zip(&all) {
        let [key, novelty, story] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (expected, first) = novelty_and_story(mention, &all);
        let own_key = format!("{}/{}", mention.3.0, mention.3.1);
        assert_eq!((key, story), (own_key.as_str(), first.as_str()), "{mention:?}");
        match expected {
            None => assert_eq!(novelty, "\\N", "{mention:?}"),
            Some(expected) => assert!((novelty.parse::<f64>().unwrap() - expected).abs() < 1e-12, "{mention:?}"),
        }
        stories += usize::from(first != own_key);
    }
    assert!(stories > 20, "{stories} of {} continue a story: too few for a test", all.len());
    drop_database(&config).await;
}

/// A joined row whose values all differ, so that a value in the wrong column is noticed. Horizon n (from 1) has the
/// returns n / 10 and n / 100.
fn impact(sentiment: Result<Sentiment, Unscored>, status: Status) -> Impact {
    let at = |second: i64| jiff::Timestamp::from_microsecond(1_750_000_000_000_000 + second * 1_000_000 + 7).unwrap();
    let steps = |part: f64| std::array::from_fn(|n| Some((n + 1) as f64 / part));
    let mention = Mention {
        article_id: "a".into(),
        article_revision: 9,
        symbol: Some(Symbol::new("AAPL").unwrap()),
        title: "title".into(),
        provider: "massive".into(),
        publisher: "publisher".into(),
        url: "url".into(),
        published_at: at(1),
        received_at: at(2),
        scored_at: at(3),
        relevance: Some(0.25),
        symbol_found: false,
        asked_as: Some("Apple".into()),
        sentiment,
    };
    Impact {
        run: Run::named("r"),
        version: 77,
        mention: mention.into(),
        status,
        phase: Phase::AfterHours,
        bar_width_s: Some(60),
        price_before: Some(1.5),
        price_before_at: Some(at(0)),
        entry_at: Some(at(60)),
        entry_price: Some(1.75),
        returns: steps(10.0),
        abnormal: steps(100.0),
        alpha: Some(0.5),
        beta: Some(1.25),
        volume_ratio: Some(3.0),
        close_is_official: Some(true),
        next_close_is_official: Some(false),
        missing_bars: Some(MissingBars { all: 7, near_entry: 2, near_horizons: 3 }),
        quality: Quality {
            stale: true,
            halted: false,
            gap: true,
            late: false,
            no_open: true,
            adjusted: false,
            possible_split: true,
        },
    }
}

#[tokio::test]
async fn every_value_of_a_joined_row_is_in_its_column() {
    let Some(config) = clickhouse("columns") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let sentiment = Sentiment {
        probabilities: Probabilities { positive: 0.5, neutral: 0.375, negative: 0.125 },
        model: "m".into(),
        model_revision: "rev".into(),
        windows: 2,
    };
    let scored = impact(Ok(sentiment), Status::Final);
    let mut unscored = impact(Err(Unscored::ModelFailed), Status::NotJoined(Reason::TooLate));
    Arc::make_mut(&mut unscored.mention).symbol = None;
    unscored.entry_at = None;
    writer.insert("impact", &[ImpactRow::new(&scored), ImpactRow::new(&unscored)]).await.unwrap();
    let rows = [&scored, &unscored].map(|impact| MentionRow::new(&impact.run, &impact.mention, 5));
    writer.insert("mentions", &rows).await.unwrap();

    let mention = "run, symbol, provider, article_id, title, publisher, url, toUnixTimestamp64Micro(published_at) % 100000000, \
        toUnixTimestamp64Micro(received_at) % 100000000, toUnixTimestamp64Micro(scored_at) % 100000000, \
        toUnixTimestamp64Micro(available_at) % 100000000, relevance, asked_as, p_positive, p_neutral, p_negative, score, label, \
        model, model_revision, unscored";
    let joined = "version, status, reason, phase, bar_width_s, price_before, \
        toUnixTimestamp64Micro(price_before_at) % 100000000, toUnixTimestamp64Micro(entry_at) % 100000000, entry_price, \
        alpha, beta, volume_ratio, close_is_official, next_close_is_official, missing_bars, missing_near_entry, \
        missing_near_horizons, flag_stale, flag_halted, flag_gap, flag_no_open, flag_adjusted, \
        flag_possible_split, flag_late";
    let known = "r AAPL massive a title publisher url 1000007 2000007 3000007 3000007 0.25 Apple";
    let first = format!("{known} 0.5 0.375 0.125 0.375 positive m rev ");
    let second = format!("{} \\N \\N \\N \\N    model_failed", known.replace("AAPL", ""));
    assert_eq!(
        text(&client, &format!("SELECT {mention}, {joined} FROM impact ORDER BY symbol DESC")).await,
        format!(
            "{first} 77 final  after_hours 60 1.5 7 60000007 1.75 0.5 1.25 3 true false 7 2 3 true false true true false true false\n\
            {second} 77 not_joined too_late after_hours 60 1.5 7 \\N 1.75 0.5 1.25 3 true false 7 2 3 true false true true false true false"
        )
    );
    assert_eq!(
        text(&client, &format!("SELECT {mention}, article_revision, windows, seq FROM mentions ORDER BY symbol DESC"))
            .await,
        format!("{first} 9 2 5\n{second} 9 \\N 5")
    );
    let steps =
        text(&client, "SELECT step, horizon, minutes, ret, ar FROM impact_by_horizon WHERE symbol != '' ORDER BY step")
            .await;
    let expected = Horizon::ALL.iter().zip(1..).map(|(horizon, n)| {
        let minutes = horizon.minutes().map_or("\\N".to_owned(), |minutes| minutes.to_string());
        format!("{n} {} {minutes} {} {}", horizon.name(), f64::from(n) / 10.0, f64::from(n) / 100.0)
    });
    assert_eq!(steps.lines().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    drop_database(&config).await;
}

#[tokio::test]
async fn comments_of_columns_name_every_value_that_the_code_writes() {
    let Some(config) = clickhouse("comments") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    // As an earlier build left it, which had fewer values.
    client.query("ALTER TABLE impact COMMENT COLUMN reason 'why not joined: no_symbol'").execute().await.unwrap();
    migrate(&config).await.unwrap();
    for (table, column, names) in [
        ("impact", "status", Status::NAMES),
        ("impact", "reason", Reason::NAMES),
        ("impact", "phase", Phase::NAMES),
        ("impact", "unscored", Unscored::NAMES),
        ("mentions", "unscored", Unscored::NAMES),
    ] {
        let of_column = format!("database = currentDatabase() AND table = '{table}' AND name = '{column}'");
        let comment = text(&client, &format!("SELECT comment FROM system.columns WHERE {of_column}")).await;
        let values = comment.rsplit(": ").find(|part| part.contains(names[0])).unwrap_or_default();
        let values: Vec<&str> = values.split(';').next().unwrap_or_default().split(", ").collect();
        assert_eq!(values, names, "{table}.{column}: {comment}");
    }
    drop_database(&config).await;
}

/// `migrate` adds a column that this build has and the database lacks, with the type that its value is written as.
#[tokio::test]
async fn missing_columns_are_added_and_shown() {
    let Some(config) = clickhouse("missing_columns") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let row = [ImpactRow::new(&impact(Err(Unscored::EmptyText), Status::Open))];
    writer.insert("impact", &row).await.unwrap();
    let expected = text(&client, "SELECT * FROM impact FINAL FORMAT JSONEachRow").await;
    let not_in_a_key = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'impact' \
        AND NOT is_in_sorting_key AND name != 'version'";
    for column in text(&client, not_in_a_key).await.lines() {
        client.query(&format!("ALTER TABLE impact DROP COLUMN {column}")).execute().await.unwrap();
    }
    let error = Writer::new(&config, Shutdown::new()).insert("impact", &row).await.unwrap_err();
    assert!(error.to_string().contains("tapewire migrate"), "{error}");

    assert_eq!(migrate(&config).await.unwrap().applied, [""; 0]);
    let mut again = impact(Err(Unscored::EmptyText), Status::Open);
    again.version += 1;
    Writer::new(&config, Shutdown::new()).insert("impact", &[ImpactRow::new(&again)]).await.unwrap();
    let columns = |json: &str| -> serde_json::Value {
        let mut columns: serde_json::Value = serde_json::from_str(json).unwrap();
        columns.as_object_mut().unwrap().remove("version");
        columns
    };
    let found = text(&client, "SELECT * FROM impact FINAL FORMAT JSONEachRow").await;
    assert_eq!(columns(&found), columns(&expected));
    let reported = text(&client, "SELECT status, asked_as, ret_1m, flag_gap FROM report").await;
    assert_eq!(reported, "open Apple 0.1 true");
    drop_database(&config).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_named() {
    let Some(config) = clickhouse("missing") else { return };
    let row = [bar("2025-06-02T13:30:00Z", "2025-06-02T13:31:00Z", 11.0, 1.0)];
    let error = Writer::new(&config, Shutdown::new()).insert("bars", &row).await.unwrap_err();
    assert!(error.to_string().contains("tapewire migrate"), "{error}");

    let nowhere = ClickHouseConfig { url: "http://127.0.0.1:1".into(), ..config };
    let shutdown = Shutdown::new();
    shutdown.cancel();
    let error = Writer::new(&nowhere, shutdown).insert("bars", &row).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("127.0.0.1:1"), "{error}");
}
