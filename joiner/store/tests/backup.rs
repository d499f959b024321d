//! Backups of the database, on a real ClickHouse that may write them: `TAPEWIRE_CLICKHOUSE_URL` names it (`make stack`
//! starts one).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::SignedDuration;
use support::{drop_database, text};
use tapewire_core::Run;
use tapewire_runtime::Shutdown;
use tapewire_store::retention::{Days, RetentionConfig, changes};
use tapewire_store::rows::BarRow;
use tapewire_store::{ClickHouseConfig, Writer, check_version, installation_id, migrate};
use tapewire_testkit::{at, clickhouse};

/// Minute bars, one after the other.
fn bars(from: i64, count: i64, price: f64) -> Vec<BarRow> {
    let start = |minute: i64| at("2025-06-02T13:30:00Z") + SignedDuration::from_mins(minute);
    let bar = |minute: i64| BarRow::new(&Run::live(), &tapewire_testkit::bar("AAA", start(minute), price));
    (from..from + count).map(bar).collect()
}

async fn server(config: &ClickHouseConfig, statement: &str) {
    let server = ClickHouseConfig { database: "default".into(), ..config.clone() }.client();
    server.query(statement).execute().await.unwrap();
}

async fn back_up(config: &ClickHouseConfig) {
    server(config, &format!("BACKUP DATABASE `{0}` TO File('{0}')", config.database)).await;
}

#[tokio::test]
async fn a_restored_database_is_the_same_installation_and_goes_on() {
    let Some(config) = clickhouse("restored") else { return };
    // A TTL is restored, too.
    let retention = RetentionConfig { trades: Days::new(30), ..RetentionConfig::default() };
    let config = ClickHouseConfig { retention, ..config };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let (before, after) = (bars(0, 10, 10.0), bars(10, 10, 20.0));
    writer.insert("bars", &before).await.unwrap();
    let id = installation_id(&config).await.unwrap();
    let rows = async || {
        let all = [
            "SELECT * FROM bars FINAL ORDER BY start",
            "SELECT * FROM bars_1m ORDER BY start",
            "SELECT * FROM latest_price",
        ];
        let mut found = String::new();
        for sql in all {
            found += &text(&client, sql).await;
        }
        found
    };
    let backed_up = rows().await;
    back_up(&config).await;
    writer.insert("bars", &after).await.unwrap();
    let complete = rows().await;

    drop_database(&config).await;
    server(&config, &format!("RESTORE DATABASE `{0}` FROM File('{0}')", config.database)).await;
    check_version(&config).await.unwrap();
    assert_eq!(installation_id(&config).await.unwrap(), id);
    assert_eq!(rows().await, backed_up);
    let again = migrate(&config).await.unwrap();
    assert!(again.applied.is_empty() && again.retention.is_empty(), "{again:?}");
    assert_eq!(changes(&config).await.unwrap(), []);
    // The same batch as before: a restored table does not know it, and does not drop it as a repetition.
    writer.insert("bars", &after).await.unwrap();
    assert_eq!(rows().await, complete, "views go on, too");
    drop_database(&config).await;
}

/// Where topics are read again without the records before them, rows of their first weeks are made of fewer sessions,
/// and their versions are those of the rows in the backup. A second restore puts these back, and no older version.
#[tokio::test]
async fn of_rows_of_one_version_those_of_a_second_restore_count() {
    let Some(config) = clickhouse("second_restore") else { return };
    migrate(&config).await.unwrap();
    let client = config.client();
    let insert = async |id: &str, version: u64, beta: &str| {
        let sql = format!(
            "INSERT INTO impact (run, symbol, provider, article_id, version, beta) \
             VALUES ('live', 'AAA', 'p', '{id}', {version}, {beta})"
        );
        client.query(&sql).execute().await.unwrap();
    };
    insert("same", 5, "1.5").await;
    insert("open", 5, "1.5").await;
    back_up(&config).await;
    insert("same", 5, "NULL").await;
    insert("open", 6, "2.5").await;
    let found = "SELECT article_id, version, beta FROM impact FINAL ORDER BY article_id";
    assert_eq!(text(&client, found).await, "open 6 2.5\nsame 5 \\N");
    let again = "SETTINGS allow_non_empty_tables = true";
    server(&config, &format!("RESTORE TABLE `{0}`.impact FROM File('{0}') {again}", config.database)).await;
    assert_eq!(text(&client, found).await, "open 6 2.5\nsame 5 1.5");
    client.query("OPTIMIZE TABLE impact FINAL").execute().await.unwrap();
    assert_eq!(text(&client, found).await, "open 6 2.5\nsame 5 1.5");
    drop_database(&config).await;
}
