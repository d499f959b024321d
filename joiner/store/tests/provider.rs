//! Migration 5 on a real ClickHouse: the keys of articles, mentions and impact get the provider, and nothing is lost,
//! whatever interrupts the migration.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use clickhouse::Client;
use std::sync::Arc;
use std::time::Duration;
use support::{drop_database, migrated_to, migrations, run, text};
use tapewire_store::{ClickHouseConfig, migrate, newest_version};
use tapewire_testkit::clickhouse;

/// Rows of every table as version 4 has it. Some articles, mentions and joined rows are there in two versions; one
/// mention in three names no company.
const ROWS: [&str; 7] = [
    "INSERT INTO articles (run, article_id, revision, provider, publisher, title, symbols, keywords, published_at,
        received_at, seq)
    SELECT if(number % 5 = 0, 'replay', 'live'), concat('id', toString(number % 150)), number, 'massive', 'Wire',
        concat('profit ', toString(number % 7), ' of ', toString(number % 11)), ['AAA'], ['k'],
        toDateTime64('2025-06-02 13:00:00', 6, 'UTC') + number * 30,
        toDateTime64('2025-06-02 13:00:01', 6, 'UTC') + number * 30, 1000 + number
    FROM numbers(200)",
    "INSERT INTO mentions (run, symbol, article_id, article_revision, title, provider, publisher, published_at,
        received_at, scored_at, available_at, relevance, p_positive, p_neutral, p_negative, score, label, model,
        model_revision, windows, unscored, seq)
    SELECT if(number % 5 = 0, 'replay', 'live'), ['AAA', 'BBB', ''][number % 3 + 1],
        concat('id', toString(number % 150)), number, concat('profit ', toString(number % 7), ' of ', toString(number % 11)),
        'massive', 'Wire', toDateTime64('2025-06-02 13:00:00', 6, 'UTC') + number % 150 * 30, received_at, received_at,
        toDateTime64('2025-06-02 13:00:01', 6, 'UTC') + number % 150 * 30 AS received_at, 0.5, 0.6, 0.3, 0.1, 0.5, 'positive',
        'm', 'r', 1, '', 1000 + number
    FROM numbers(200)",
    "INSERT INTO impact (run, symbol, article_id, version, status, reason, phase, title, provider, publisher,
        published_at, received_at, scored_at, available_at, score, label, entry_at, entry_price, ret_1m, ret_5m,
        ret_close, ar_5m, flag_gap)
    SELECT if(number % 5 = 0, 'replay', 'live'), ['AAA', 'BBB', ''][number % 3 + 1],
        concat('id', toString(number % 150)), 70000000000 + number, if(number % 3 = 2, 'not_joined', 'final'),
        if(number % 3 = 2, 'no_symbol', ''), 'session', concat('profit ', toString(number % 7)), 'massive', 'Wire',
        received_at, received_at, received_at, toDateTime64('2025-06-02 13:00:01', 6, 'UTC') + number * 30 AS received_at,
        0.5, 'positive', received_at + 60, 100 + number, 0.001 * number, if(number % 2 = 0, 0.002 * number, NULL),
        0.003, 0.004, number % 4 = 0
    FROM numbers(200)",
    "INSERT INTO bars (run, symbol, width_s, start, open, high, low, close, volume, received_at)
    SELECT 'live', 'AAA', 60, toDateTime64('2025-06-02 13:00:00', 6, 'UTC') + number * 60 AS at, 1, 2, 1, 2, 100, at
    FROM numbers(50)",
    "INSERT INTO trades (run, symbol, at, id, sequence, price, size, received_at)
    SELECT 'live', 'AAA', toDateTime64('2025-06-02 13:00:00', 6, 'UTC') + number AS moment, toString(number), number, 1, 1, moment
    FROM numbers(50)",
    "INSERT INTO halts (run, symbol, at, halted, reason, received_at)
    VALUES ('live', 'AAA', '2025-06-02 13:00:00', true, 'LULD', '2025-06-02 13:00:00')",
    "INSERT INTO dead_letters VALUES (0, 1, 'joiner', 'topic bars', 'not a bar', 'x', '2025-06-02 13:00:00')",
];

/// A database of version 4 with rows in every table.
async fn version_4(config: &ClickHouseConfig) {
    migrated_to(config, 4).await;
    for rows in ROWS {
        // One insert would collapse the two versions of a row.
        for numbers in ["numbers(150)", "numbers(150, 50)"] {
            config.client().query(&rows.replace("numbers(200)", numbers)).execute().await.unwrap();
        }
    }
}

/// Everything a reader of version 4 sees, without positions in topics. `impact` names a table with the columns that
/// table `impact` had then; `story` is the expression for the key of a story's first article.
async fn content(client: &Client, impact: &str, story: &str) -> Vec<(&'static str, String)> {
    const REPORT: &str = "run, published_at, available_at, symbol, article_id, title, publisher, url, score, label, \
        relevance, status, reason, phase, entry_at, entry_price, ret_1m, ret_5m, ret_15m, ret_30m, ret_60m, ret_close, \
        ret_next_open, ret_next_close, ar_1m, ar_5m, ar_15m, ar_30m, ar_60m, ar_close, ar_next_open, ar_next_close, \
        volume_ratio, flag_stale, flag_halted, flag_gap, flag_late";
    let novelty = format!("run, symbol, article_id, available_at, novelty, {story}");
    // As they were then: later migrations add columns.
    let columns = |table: String, version: &str| {
        let query = format!(
            "SELECT arrayStringConcat(groupArray(name), ', ') FROM (SELECT name FROM system.columns \
            WHERE database = currentDatabase() AND table = '{table}' AND name != '{version}' ORDER BY position)"
        );
        async move { text(client, &query).await }
    };
    let mentions = columns(impact.replace("impact", "mentions"), "seq").await;
    let impact = columns(impact.to_owned(), "version").await;
    let mut found = Vec::new();
    for (table, columns) in [
        ("articles FINAL", "* EXCEPT (seq, symbols_found)"),
        ("mentions FINAL", mentions.as_str()),
        ("impact FINAL", impact.as_str()),
        ("bars FINAL", "*"),
        ("trades FINAL", "*"),
        ("halts FINAL", "*"),
        ("dead_letters FINAL", "kafka_partition, kafka_offset, stage, origin, reason, bytes, at"),
        ("report", REPORT),
        ("news_by_minute", "*"),
        ("latest_price", "*"),
        ("bars_5m", "*"),
        ("novelty", novelty.as_str()),
    ] {
        found.push((table, text(client, &format!("SELECT {columns} FROM {table} ORDER BY ALL")).await));
    }
    found
}

/// Fails with the first line that differs.
fn assert_same(found: &[(&'static str, String)], expected: &[(&'static str, String)], when: &str) {
    for ((table, found), (_, expected)) in found.iter().zip(expected) {
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{when}: {table}");
        }
        assert_eq!(found.lines().count(), expected.lines().count(), "{when}: rows of {table}");
    }
}

async fn before(client: &Client) -> Vec<(&'static str, String)> {
    let content = content(client, "impact", "concat('massive/', story)").await;
    for (table, rows) in &content {
        assert!(!rows.is_empty(), "{table}");
    }
    content
}

async fn after(client: &Client) -> Vec<(&'static str, String)> {
    content(client, "impact_before_0005", "story").await
}

/// The names of tables and views, to check that none is left over.
async fn tables(client: &Client) -> String {
    text(client, "SELECT name, engine, sorting_key FROM system.tables WHERE database = currentDatabase() ORDER BY name")
        .await
}

#[tokio::test]
async fn every_row_is_kept_and_named_by_its_provider() {
    let Some(config) = clickhouse("provider") else { return };
    version_4(&config).await;
    let client = config.client();
    let expected = before(&client).await;
    let applied = migrate(&config).await.unwrap().applied;
    assert_eq!(applied.first().copied(), Some("0005_provider"), "{applied:?}");
    assert_same(&after(&client).await, &expected, "migrated");
    assert_eq!(text(&client, "SELECT count() FROM articles_before_0005").await, "200", "the old rows are left alone");
    let tables = tables(&client).await;
    for line in [
        "articles ReplacingMergeTree run, provider, article_id",
        "mentions ReplacingMergeTree run, symbol, provider, article_id",
        "impact ReplacingMergeTree run, symbol, provider, article_id",
    ] {
        assert!(tables.lines().any(|found| found == line), "{line}\n{tables}");
    }
    assert!(!tables.contains("_by_provider") && !tables.contains("report_"), "{tables}");

    assert_eq!(migrate(&config).await.unwrap().applied, [""; 0]);
    assert_same(&after(&client).await, &expected, "migrated again");

    // An edit comes through another partition of `news`, where positions are lower.
    let copy = |table: &str, replaced: &str| {
        format!("INSERT INTO {table} SELECT * REPLACE ({replaced}) FROM {table} FINAL WHERE article_id = 'id7'")
    };
    client.query(&copy("articles", "'edited' AS title, 3 AS seq")).execute().await.unwrap();
    let edited = text(&client, "SELECT title FROM articles FINAL WHERE article_id = 'id7'").await;
    assert_eq!(edited, "edited");
    // The same holds for mentions of no company; the others stay in their partition and keep their positions.
    let positions = "SELECT (SELECT groupUniqArray(0 = seq) FROM mentions WHERE symbol = ''), \
        (SELECT min(seq) >= 1000 FROM mentions WHERE symbol != ''), \
        (SELECT groupUniqArray(0 = version) FROM impact WHERE symbol = ''), \
        (SELECT min(version) >= 70000000000 FROM impact WHERE symbol != '')";
    assert_eq!(text(&client, positions).await, "[1] 1 [1] 1");
    // Another provider's article with the same id is another article.
    let count = "SELECT (SELECT count() FROM articles FINAL), (SELECT count() FROM mentions FINAL), \
        (SELECT count() FROM report), (SELECT sum(articles) FROM news_by_minute), (SELECT count() FROM novelty)";
    let (one, mentions) = (text(&client, count).await, "SELECT count() FROM mentions FINAL WHERE article_id = 'id7'");
    assert_eq!(text(&client, mentions).await, "1");
    for table in ["articles", "mentions", "impact"] {
        client.query(&copy(table, "'other' AS provider")).execute().await.unwrap();
    }
    let plus_one = |counts: &str| counts.split(' ').map(|n| n.parse::<u64>().unwrap() + 1).collect::<Vec<_>>();
    let two: Vec<u64> = text(&client, count).await.split(' ').map(|n| n.parse().unwrap()).collect();
    assert_eq!(two, plus_one(&one));
    drop_database(&config).await;
}

#[tokio::test]
async fn a_crash_after_any_statement_loses_nothing() {
    if clickhouse("").is_none() {
        return;
    }
    let migration = migrations().remove(4);
    // A server that stops during the exchange of two names has done the first half of it.
    let half = |statement: &String| {
        let renames = &statement[statement.find("\nRENAME TABLE")?..];
        Some(renames.split_once(", ")?.0.to_owned())
    };
    let mut crashes: Vec<Vec<String>> = Vec::new();
    for (n, statement) in migration.statements.iter().enumerate() {
        crashes.extend(half(statement).map(|half| [&migration.statements[..n], &[half]].concat()));
        crashes.push(migration.statements[..=n].to_vec());
    }
    assert_eq!(crashes.len(), migration.statements.len() + 3);
    let config = clickhouse("no_crash").unwrap();
    version_4(&config).await;
    let expected = Arc::new(before(&config.client()).await);
    drop_database(&config).await;
    for some in crashes.chunks(6) {
        let survived = some.iter().map(|done| {
            let (done, expected) = (done.clone(), Arc::clone(&expected));
            tokio::spawn(async move {
                let config = clickhouse("crash").unwrap();
                version_4(&config).await;
                let client = config.client();
                for statement in &done {
                    run(&client, statement).await;
                }
                migrate(&config).await.unwrap();
                assert_same(&after(&client).await, &expected, done.last().unwrap());
                assert!(!tables(&client).await.contains("_by_provider"), "{done:?}");
                drop_database(&config).await;
            })
        });
        for survived in survived.collect::<Vec<_>>() {
            survived.await.unwrap();
        }
    }
}

#[tokio::test]
async fn several_processes_may_migrate_at_once() {
    if clickhouse("").is_none() {
        return;
    }
    for (milliseconds, with_rows) in [(0, true), (15, true), (200, true), (0, false), (30, false)] {
        let config = clickhouse("together").unwrap();
        let client = config.client();
        let mut expected = Vec::new();
        if with_rows {
            version_4(&config).await;
            expected = before(&client).await;
        }
        let all: Vec<_> = (0..3)
            .map(|n| {
                let config = config.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(n * milliseconds)).await;
                    migrate(&config).await
                })
            })
            .collect();
        for one in all {
            assert_eq!(one.await.unwrap().unwrap().version, newest_version(), "{milliseconds} ms apart");
        }
        assert_same(&after(&client).await, &expected, &format!("{milliseconds} ms apart"));
        let tables = tables(&client).await;
        assert!(!tables.contains("_by_provider") && !tables.contains("report_"), "{milliseconds} ms apart: {tables}");
        // The views show what is written now.
        client.query(ROWS[1]).execute().await.unwrap();
        let articles =
            text(&client, "SELECT sum(articles) = (SELECT count() FROM mentions FINAL) FROM news_by_minute").await;
        assert_eq!(articles, "1", "{milliseconds} ms apart");
        drop_database(&config).await;
    }
}

#[tokio::test]
async fn old_tables_without_rows_are_dropped_when_nobody_can_need_them() {
    let Some(config) = clickhouse("leftovers") else { return };
    let client = config.client();
    let left = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_before_0005'";
    migrate(&config).await.unwrap();
    migrate(&config).await.unwrap();
    assert_eq!(text(&client, left).await, "3", "another process could still be migrating");
    client.query("INSERT INTO impact_before_0005 (run) VALUES ('live')").execute().await.unwrap();
    for statement in [
        "CREATE TABLE ledger AS schema_migrations",
        "INSERT INTO ledger SELECT version, name, checksum, now() - 7200 FROM schema_migrations",
        "EXCHANGE TABLES ledger AND schema_migrations",
    ] {
        client.query(statement).execute().await.unwrap();
    }
    migrate(&config).await.unwrap();
    assert_eq!(text(&client, left).await, "1", "rows are never dropped");
    drop_database(&config).await;
}

/// As `a_crash_after_any_statement_loses_nothing`, for the migration of the dead letters.
#[tokio::test]
async fn dead_letters_survive_a_crash_after_any_statement() {
    if clickhouse("").is_none() {
        return;
    }
    let statements = migrations().remove(5).statements;
    for done in 0..=statements.len() {
        let config = clickhouse("letters").unwrap();
        migrated_to(&config, 5).await;
        let client = config.client();
        let letter = |offset: u32, bytes: &str| {
            format!(
                "INSERT INTO dead_letters VALUES (0, {offset}, 'replay', 'bars.csv line 3', 'why', '{bytes}', '2025-06-02 13:00:00')"
            )
        };
        // The same line of a file, replayed twice, and another.
        for (offset, bytes) in [(1, "x"), (2, "x"), (3, "y")] {
            client.query(&letter(offset, bytes)).execute().await.unwrap();
        }
        for statement in &statements[..done] {
            run(&client, statement).await;
        }
        migrate(&config).await.unwrap();
        let rows = "SELECT run, stage, origin, reason, bytes, length(id) FROM dead_letters FINAL ORDER BY bytes";
        let expected = " replay bars.csv line 3 why x 64\n replay bars.csv line 3 why y 64";
        assert_eq!(text(&client, rows).await, expected, "after {done} statements");
        assert_eq!(text(&client, "SELECT count() FROM dead_letters_before_0006").await, "3");
        // A dead letter that is written now has the same id as its copy.
        let id = "SELECT id = lower(hex(SHA256(concat('replay', '\\0', 'bars.csv line 3', '\\0', 'why', '\\0', 'x')))) \
            FROM dead_letters FINAL WHERE bytes = 'x'";
        assert_eq!(text(&client, id).await, "1");
        drop_database(&config).await;
    }
}
