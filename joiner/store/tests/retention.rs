//! How long tables keep their rows, on a real ClickHouse: `TAPEWIRE_CLICKHOUSE_URL` names it (`make stack` starts one,
//! with a storage policy `tiered` that has a volume `cold`).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use support::{drop_database, text};
use tapewire_core::Run;
use tapewire_runtime::{Clock, Shutdown};
use tapewire_store::retention::{ColdConfig, Days, RetentionConfig, changes};
use tapewire_store::rows::BarRow;
use tapewire_store::{ClickHouseConfig, StoreError, Writer, migrate};
use tapewire_testkit::clickhouse;

fn days(number: u32) -> Option<Days> {
    Days::new(number)
}

/// Every table has a retention.
fn all(number: u32) -> RetentionConfig {
    let days = days(number);
    RetentionConfig { articles: days, mentions: days, bars: days, trades: days, indicators: days, dead_letters: days }
}

fn tiered() -> ColdConfig {
    ColdConfig { policy: Some("tiered".into()), after: Days::new(90).unwrap(), ..ColdConfig::default() }
}

/// A bar of `width_s` seconds that started this number of days ago.
fn bar(run: &str, width_s: u32, days_ago: i64) -> BarRow {
    let start = Clock::wall().now() - SignedDuration::from_hours(24 * days_ago);
    let row = tapewire_testkit::bar("AAA", start, 10.0);
    BarRow { width_s, ..BarRow::new(&Run::named(run), &row) }
}

fn micros(days_ago: i64) -> i64 {
    let at: Timestamp = Clock::wall().now() - SignedDuration::from_hours(24 * days_ago);
    at.as_microsecond()
}

/// Has ClickHouse remove what is to be removed, as it does by itself in the background. It refuses while it merges a
/// part.
async fn merged(config: &ClickHouseConfig, table: &str) {
    let merge = format!("OPTIMIZE TABLE {table} FINAL SETTINGS optimize_throw_if_noop = 1");
    wait_until("merged", async || config.client().query(&merge).execute().await.is_ok()).await;
}

async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("not true within a minute: {what}");
}

#[tokio::test]
async fn a_retention_is_applied_once_and_taken_away_again() {
    let Some(config) = clickhouse("retention") else { return };
    assert_eq!(migrate(&config).await.unwrap().retention, [""; 0], "by default all rows are kept");
    assert_eq!(changes(&config).await.unwrap(), []);
    for (retention, cold) in [
        (all(400), ColdConfig::default()),
        (all(500), ColdConfig::default()),
        (RetentionConfig { trades: days(30), ..all(500) }, tiered()),
        (RetentionConfig::default(), tiered()),
    ] {
        let set = ClickHouseConfig { retention, cold, ..config.clone() };
        let wanted = changes(&set).await.unwrap();
        assert!(!wanted.is_empty());
        let said = migrate(&set).await.unwrap().retention;
        assert_eq!(said, wanted.iter().map(|change| change.words.clone()).collect::<Vec<_>>());
        assert_eq!(changes(&set).await.unwrap(), [], "after {said:?}");
        assert_eq!(migrate(&set).await.unwrap().retention, [""; 0], "after {said:?}");
    }
    // Two processes at once.
    let (one, two) = tokio::join!(migrate(&config), migrate(&config));
    assert!(!one.unwrap().retention.is_empty() || !two.unwrap().retention.is_empty());
    assert_eq!(changes(&config).await.unwrap(), []);
    let with_ttl = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '% TTL %'";
    assert_eq!(text(&config.client(), with_ttl).await, "");
    drop_database(&config).await;
}

#[tokio::test]
async fn only_old_narrow_bars_of_the_live_run_are_removed() {
    let Some(config) = clickhouse("old_bars") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let rows = |days_ago: i64| {
        let of = |run: &'static str| [60, 86_400].map(|width_s| (run, width_s));
        [of("live"), of("replay")].concat().into_iter().map(move |(run, width_s)| bar(run, width_s, days_ago))
    };
    // A month begins at most 31 days before a bar of it.
    let before: Vec<BarRow> = [1, 399, 432, 3_000].into_iter().flat_map(rows).collect();
    writer.insert("bars", &before).await.unwrap();
    let set = ClickHouseConfig { retention: all(400), ..config.clone() };
    migrate(&set).await.unwrap();
    // Some are there before the setting and some come after it.
    writer.insert("bars", &rows(2_000).collect::<Vec<_>>()).await.unwrap();
    merged(&config, "bars").await;
    merged(&config, "bars_1m_state").await;
    let ages = "SELECT run, width_s, groupArray(age) FROM (
            SELECT run, width_s, intDiv(dateDiff('second', start, now64(6)), 86400) AS age FROM bars ORDER BY age)
        GROUP BY run, width_s ORDER BY run, width_s";
    assert_eq!(
        text(&client, ages).await,
        "live 60 [1,399]\nlive 86400 [1,399,432,2000,3000]\n\
         replay 60 [1,399,432,2000,3000]\nreplay 86400 [1,399,432,2000,3000]"
    );
    let ages = "SELECT run, arraySort(groupArray(intDiv(dateDiff('second', start, now64(6)), 86400)))
        FROM bars_1m GROUP BY run ORDER BY run";
    assert_eq!(text(&client, ages).await, "live [1,399]\nreplay [1,399,432,2000,3000]");
    // The newest price of a symbol is kept whatever becomes of its bars.
    assert_eq!(text(&client, "SELECT count() FROM latest_price").await, "2");
    drop_database(&config).await;
}

/// The other tables: those of news by the time of receipt, however old the news is.
#[tokio::test]
async fn every_table_keeps_what_it_should() {
    let Some(config) = clickhouse("old_rows") else { return };
    let set = ClickHouseConfig { retention: all(400), ..config.clone() };
    migrate(&set).await.unwrap();
    let client = config.client();
    let (young, old) = (micros(10), micros(450));
    let at = |micros: i64| format!("fromUnixTimestamp64Micro({micros})");
    for (table, time) in [("articles", "received_at"), ("mentions", "received_at"), ("impact", "received_at")] {
        // Published long ago and received now; received long ago; the same of a replay.
        for (id, run, received) in [("late", "live", young), ("old", "live", old), ("replayed", "replay", old)] {
            let (published, received) = (at(old), at(received));
            let insert = format!(
                "INSERT INTO {table} (run, provider, article_id, published_at, {time}) VALUES ('{run}', 'p', '{id}', \
                 {published}, {received})"
            );
            client.query(&insert).execute().await.unwrap();
        }
        merged(&config, table).await;
        let left = format!("SELECT arraySort(groupArray(article_id)) FROM {table}");
        assert_eq!(text(&client, &left).await, "['late','replayed']", "{table}");
    }
    for (run, id, micros) in
        [("live", "a", young), ("live", "b", old), ("", "c", old), ("", "d", 0), ("r", "e", old), ("live", "f", 0)]
    {
        let insert = format!("INSERT INTO dead_letters (run, id, at) VALUES ('{run}', '{id}', {})", at(micros));
        client.query(&insert).execute().await.unwrap();
    }
    merged(&config, "dead_letters").await;
    let left = "SELECT arraySort(groupArray(id)) FROM dead_letters";
    assert_eq!(text(&client, left).await, "['a','d','e','f']", "the time of a letter of 1970 is not known");
    for (run, symbol, micros) in [("live", "A", young), ("live", "B", old), ("r", "C", old)] {
        let at = at(micros);
        let trade = format!("INSERT INTO trades (run, symbol, at) VALUES ('{run}', '{symbol}', {at})");
        client.query(&trade).execute().await.unwrap();
        for width_s in [60, 86_400] {
            let indicators = format!(
                "INSERT INTO indicators (run, symbol, width_s, start) VALUES ('{run}', '{symbol}', {width_s}, {at})"
            );
            client.query(&indicators).execute().await.unwrap();
        }
    }
    merged(&config, "trades").await;
    merged(&config, "indicators").await;
    assert_eq!(text(&client, "SELECT arraySort(groupArray(symbol)) FROM trades").await, "['A','C']");
    let left = "SELECT arraySort(groupArray((toString(symbol), width_s))) FROM indicators";
    assert_eq!(text(&client, left).await, "[('A',60),('A',86400),('B',86400),('C',60),('C',86400)]");
    drop_database(&config).await;
}

#[tokio::test]
async fn a_ttl_of_the_operators_own_is_left_without_a_setting_for_its_table() {
    let Some(config) = clickhouse("own_ttl") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    client.query("ALTER TABLE trades MODIFY TTL toDateTime(at) + INTERVAL 10 YEAR").execute().await.unwrap();
    assert_eq!(changes(&config).await.unwrap(), []);
    assert_eq!(migrate(&config).await.unwrap().retention, [""; 0]);
    let has_it = "SELECT engine_full LIKE '%toIntervalYear(10)%' FROM system.tables \
        WHERE database = currentDatabase() AND name = 'trades'";
    assert_eq!(text(&client, has_it).await, "1");
    let retention = RetentionConfig { trades: days(30), ..RetentionConfig::default() };
    let set = ClickHouseConfig { retention, ..config.clone() };
    assert_eq!(migrate(&set).await.unwrap().retention, ["table trades: rows of the run live are kept for 30d"]);
    assert_eq!(text(&client, has_it).await, "0");
    drop_database(&config).await;
}

#[tokio::test]
async fn old_months_move_to_the_cold_volume_and_lose_no_row() {
    let Some(config) = clickhouse("cold") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let ages = [1, 85, 130, 3_000];
    let rows = |run: &'static str| ages.into_iter().map(move |days_ago| bar(run, 60, days_ago));
    writer.insert("bars", &rows("live").chain(rows("replay")).collect::<Vec<_>>()).await.unwrap();
    migrate(&ClickHouseConfig { cold: tiered(), ..config.clone() }).await.unwrap();
    let places = "SELECT disk_name, groupArray(age) FROM (
            SELECT DISTINCT disk_name, intDiv(dateDiff('second', bars.start, now64(6)), 86400) AS age
            FROM bars INNER JOIN system.parts ON parts.name = bars._part AND parts.table = 'bars' AND parts.active
                AND parts.database = currentDatabase() ORDER BY age)
        GROUP BY disk_name ORDER BY disk_name";
    // ClickHouse moves parts in the background.
    let moved = async || text(&client, places).await == "cold [130,3000]\ndefault [1,85]";
    wait_until("bars of months before the last three are on the disk `cold`", moved).await;
    assert_eq!(text(&client, "SELECT count() FROM bars FINAL").await, "8");
    drop_database(&config).await;
}

#[tokio::test]
async fn a_policy_or_a_volume_that_the_server_lacks_is_refused() {
    let Some(config) = clickhouse("no_policy") else { return };
    migrate(&config).await.unwrap();
    for (cold, said) in [
        (
            ColdConfig { policy: Some("nope".into()), ..tiered() },
            "clickhouse.cold.policy: the server has no storage policy `nope`, but default, tiered",
        ),
        (
            ColdConfig { volume: "ice".into(), ..tiered() },
            "clickhouse.cold.volume: policy `tiered` has no volume `ice`, but default, cold",
        ),
    ] {
        let set = ClickHouseConfig { cold, ..config.clone() };
        for error in [changes(&set).await.unwrap_err(), migrate(&set).await.unwrap_err()] {
            assert!(matches!(error, StoreError::Cold { .. }) && error.to_string().contains(said), "{error}");
        }
    }
    // The tables' policy can only be replaced by one with the same volumes.
    migrate(&ClickHouseConfig { cold: tiered(), ..config.clone() }).await.unwrap();
    let default = ColdConfig { policy: Some("default".into()), volume: "default".into(), ..tiered() };
    let error = migrate(&ClickHouseConfig { cold: default, ..config.clone() }).await.unwrap_err();
    assert!(error.to_string().contains("table bars can't take the storage policy `default`"), "{error}");
    drop_database(&config).await;
}
