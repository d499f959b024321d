//! The schema on a real ClickHouse: `TAPEWIRE_CLICKHOUSE_URL` names it (`make stack` starts one).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use clickhouse::Client;
use std::sync::atomic::{AtomicU32, Ordering};
use tapewire_bus::Shutdown;
use tapewire_core::{Bar, Run, Symbol};
use tapewire_joiner::JoinerError;
use tapewire_joiner::tables::rows::BarRow;
use tapewire_joiner::tables::{ClickHouseConfig, Writer, migrate};

/// A database of its own for one test, or `None` with a line that says so.
fn database(name: &str) -> Option<ClickHouseConfig> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Ok(url) = std::env::var("TAPEWIRE_CLICKHOUSE_URL") else {
        println!("skipped: {name}: TAPEWIRE_CLICKHOUSE_URL is not set");
        return None;
    };
    let database = format!("test_{name}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Some(ClickHouseConfig { url, database, ..ClickHouseConfig::default() })
}

async fn drop_database(config: &ClickHouseConfig) {
    config.client().query(&format!("DROP DATABASE `{}`", config.database)).execute().await.unwrap();
}

async fn text(client: &Client, query: &str) -> String {
    let bytes = client.query(query).fetch_bytes("TSV").unwrap().collect().await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap().trim_end().replace('\t', " ")
}

#[tokio::test]
async fn migrating_is_safe_twice_and_by_two_at_once() {
    let Some(config) = database("twice") else { return };
    let (one, two) = tokio::join!(migrate(&config), migrate(&config));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.version, two.version), (3, 3));
    assert!(!one.applied.is_empty() || !two.applied.is_empty());
    assert!(migrate(&config).await.unwrap().applied.is_empty(), "a third run has nothing to do");
    let ledger = text(&config.client(), "SELECT version, name FROM schema_migrations FINAL ORDER BY version").await;
    assert_eq!(ledger, "1 0001_facts\n2 0002_read_models\n3 0003_windows");
    drop_database(&config).await;
}

#[tokio::test]
async fn an_edited_or_newer_migration_is_refused() {
    let Some(config) = database("edited") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    let newer = "INSERT INTO schema_migrations (version, name, checksum) VALUES (9000, '9000_future', 'x')";
    client.query(newer).execute().await.unwrap();
    let error = migrate(&config).await.unwrap_err();
    assert!(matches!(error, JoinerError::NewerSchema { version: 9000, .. }), "{error}");
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
    let Some(config) = database("bars") else { return };
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
async fn what_is_wrong_with_the_server_is_named() {
    let Some(config) = database("missing") else { return };
    let row = [bar("2025-06-02T13:30:00Z", "2025-06-02T13:31:00Z", 11.0, 1.0)];
    let error = Writer::new(&config, Shutdown::new()).insert("bars", &row).await.unwrap_err();
    assert!(error.to_string().contains("tapewire migrate"), "{error}");

    let nowhere = ClickHouseConfig { url: "http://127.0.0.1:1".into(), ..config };
    let shutdown = Shutdown::new();
    shutdown.cancel();
    let error = Writer::new(&nowhere, shutdown).insert("bars", &row).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("127.0.0.1:1"), "{error}");
}
