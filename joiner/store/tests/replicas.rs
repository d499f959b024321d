//! Tables that two ClickHouse servers have, one of which is killed now and then. The servers and their keeper are this
//! test's own; it needs `TAPEWIRE_CLICKHOUSE_URL` only to know that servers are wanted.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::SignedDuration;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::text;
use tapewire_core::Run;
use tapewire_runtime::Shutdown;
use tapewire_store::replicas::copies;
use tapewire_store::retention::{ColdConfig, Days, RetentionConfig, changes};
use tapewire_store::rows::BarRow;
use tapewire_store::{
    ClickHouseConfig, StoreError, Writer, check_version, drop_database, installation_id, migrate, newest_version,
};
use tapewire_testkit::at;

const PORTS: [(&str, &str); 5] = [
    ("TAPEWIRE_CLICKHOUSE_HTTP_PORT", "22123"),
    ("TAPEWIRE_CLICKHOUSE_TCP_PORT", "22000"),
    ("TAPEWIRE_CLICKHOUSE_2_HTTP_PORT", "22124"),
    ("TAPEWIRE_CLICKHOUSE_2_TCP_PORT", "22001"),
    ("TAPEWIRE_KEEPER_PORT", "22181"),
];
const SERVICES: [&str; 6] = ["--service", "keeper", "--service", "clickhouse", "--service", "clickhouse-2"];
const ONE: &str = "http://127.0.0.1:22123";
const TWO: &str = "http://127.0.0.1:22124";

/// The servers, by their names in `stack`.
struct Servers {
    folder: tempfile::TempDir,
}

impl Servers {
    fn start() -> Self {
        let servers = Self { folder: tempfile::tempdir().unwrap() };
        servers.up();
        servers
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        command.args(["-m", "stack"]).args(arguments).current_dir(root).envs(PORTS);
        command.env("TAPEWIRE_STACK_DIR", self.folder.path()).env("TAPEWIRE_STACK_REPLICAS", "1");
        command
    }

    fn stack(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts those that do not run, and waits until they answer.
    fn up(&self) {
        self.stack(&[&["up"], &SERVICES[..]].concat());
    }

    fn kill(&self, server: &str) {
        self.stack(&["kill", server]);
    }

    /// The settings of the user that may only read.
    fn reader(&self, config: &ClickHouseConfig) -> ClickHouseConfig {
        let password = std::fs::read_to_string(self.folder.path().join("clickhouse/bi.password")).unwrap();
        ClickHouseConfig { user: "bi".into(), password, ..config.clone() }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.command(&[&["down"], &SERVICES[..]].concat()).output();
    }
}

/// Settings that name both servers, and ask `first`.
fn config(database: &str, first: &str) -> ClickHouseConfig {
    let second = if first == ONE { TWO } else { ONE };
    ClickHouseConfig {
        url: first.into(),
        replicas: vec![second.into()],
        database: database.into(),
        ..ClickHouseConfig::default()
    }
}

/// The same database, on each of the servers alone.
fn each(config: &ClickHouseConfig) -> [ClickHouseConfig; 2] {
    [config.only(0), config.only(1)]
}

/// Minute bars, one after the other.
fn bars(from: i64, count: i64, price: f64) -> Vec<BarRow> {
    let bar = |minute: i64| {
        let start = at("2025-06-02T13:30:00Z") + SignedDuration::from_mins(minute);
        BarRow::new(&Run::live(), &tapewire_testkit::bar("AAA", start, price))
    };
    (from..from + count).map(bar).collect()
}

async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not true within two minutes: {what}");
}

/// What both servers answer, once they answer the same.
async fn of_both(config: &ClickHouseConfig, sql: &str) -> String {
    let clients = each(config).map(|server| server.client());
    let mut found = String::new();
    wait_until(&format!("both servers answer the same: {sql}"), async || {
        found = text(&clients[0], sql).await;
        found == text(&clients[1], sql).await
    })
    .await;
    found
}

/// So that rows which came twice are there twice.
async fn without_merges(config: &ClickHouseConfig, table: &str) {
    for server in each(config) {
        server.client().query(&format!("SYSTEM STOP MERGES {table}")).execute().await.unwrap();
    }
}

/// How many servers the keeper knows that have the bars and are there.
const ACTIVE: &str =
    "SELECT active_replicas FROM system.replicas WHERE database = currentDatabase() AND table = 'bars'";

async fn second_has_all_tables(config: &ClickHouseConfig) {
    let tables = "SELECT count() FROM system.tables WHERE database = currentDatabase()";
    let expected = text(&config.only(0).client(), tables).await;
    wait_until("the second server has all tables", async || text(&config.only(1).client(), tables).await == expected)
        .await;
}

/// What a reader sees of the bars.
const VIEWS: [&str; 5] = [
    "SELECT count(), sum(close) FROM bars FINAL",
    "SELECT count(), sum(volume) FROM bars_1m",
    "SELECT count(), sum(volume), min(low), max(high) FROM bars_5m",
    "SELECT symbol, price, at FROM latest_price",
    "SELECT symbol, width_s, count() FROM bars FINAL GROUP BY ALL ORDER BY ALL",
];

async fn views(config: &ClickHouseConfig) -> Vec<String> {
    let mut found = Vec::new();
    for sql in VIEWS {
        found.push(of_both(config, sql).await);
    }
    found
}

/// The schema, as far as it does not say that tables are replicated.
async fn schema(config: &ClickHouseConfig) -> String {
    let client = config.client();
    let own = format!("replaceAll(as_select, '{}', 'own')", config.database);
    let tables = format!(
        "SELECT name, replaceOne(engine, 'Replicated', ''), partition_key, sorting_key, storage_policy, {own},
            extract(engine_full, ' TTL (.*) SETTINGS '),
            toUInt32OrZero(extract(engine_full, 'replicated_deduplication_window = ([0-9]+)'))
        FROM system.tables WHERE database = currentDatabase() ORDER BY name"
    );
    let columns = "SELECT table, position, name, type, default_kind, default_expression, comment FROM system.columns
        WHERE database = currentDatabase() ORDER BY table, position";
    format!("{}\n{}", text(&client, &tables).await, text(&client, columns).await)
}

/// Migrations give both servers the tables of a plain database, whoever runs them, and however often.
async fn migrations() {
    let days = Days::new(400);
    let kept = |config| ClickHouseConfig {
        retention: RetentionConfig { trades: days, mentions: days, ..RetentionConfig::default() },
        cold: ColdConfig { policy: Some("tiered".into()), ..ColdConfig::default() },
        ..config
    };
    let (one, two) = (kept(config("migrations", ONE)), kept(config("migrations", TWO)));
    let (first, second) = tokio::join!(migrate(&one), migrate(&two));
    assert_eq!([first.unwrap().version, second.unwrap().version], [newest_version(); 2]);
    for config in [&one, &two] {
        let again = migrate(config).await.unwrap();
        assert!(again.applied.is_empty() && again.retention.is_empty(), "{again:?}");
        check_version(config).await.unwrap();
    }
    assert_eq!(installation_id(&one.only(0)).await.unwrap(), installation_id(&one.only(1)).await.unwrap());
    assert_eq!(of_both(&one, "SELECT uniqExact(id) FROM installation").await, "1", "both wrote the same id");
    let plain = kept(ClickHouseConfig { database: "plain".into(), ..config("plain", ONE).only(0) });
    migrate(&plain).await.unwrap();
    let expected = schema(&plain).await;
    for server in each(&one) {
        let found = schema(&server).await;
        for (found, expected) in found.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{}", server.url);
        }
        assert_eq!(found.lines().count(), expected.lines().count());
        assert_eq!(changes(&server).await.unwrap(), []);
        let engines = "SELECT name FROM system.tables
            WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND engine NOT LIKE 'Replicated%'";
        assert_eq!(text(&server.client(), engines).await, "", "{} has tables of its own", server.url);
    }
    // A database that one server has cannot be asked on two.
    let both = ClickHouseConfig { replicas: vec![TWO.into()], ..plain.clone() };
    let error = check_version(&both).await.unwrap_err();
    assert!(matches!(error, StoreError::NotReplicated { .. }), "{error}");
    let error = migrate(&both).await.unwrap_err();
    assert!(matches!(error, StoreError::NotReplicated { .. }), "{error}");
    for config in [&both, &one] {
        drop_database(config).await.unwrap();
        for server in each(config) {
            let gone = ClickHouseConfig { database: "default".into(), ..server }.client();
            let left = format!("SELECT count() FROM system.databases WHERE name = '{}'", config.database);
            assert_eq!(text(&gone, &left).await, "0");
        }
    }
}

/// A batch whose answer was lost is sent to the other server.
async fn repetitions() {
    let (one, two) = (config("repetitions", ONE), config("repetitions", TWO));
    migrate(&one).await.unwrap();
    without_merges(&one, "bars").await;
    let writers = [&one, &two].map(|config| Writer::new(config, Shutdown::new()));
    let rows = bars(0, 10, 10.0);
    writers[0].insert("bars", &rows).await.unwrap();
    // A row that was acknowledged is on both servers, without waiting.
    for server in each(&one) {
        assert_eq!(text(&server.client(), "SELECT count() FROM bars").await, "10", "{}", server.url);
    }
    let expected = views(&one).await;
    for writer in [&writers[1], &writers[0], &writers[1]] {
        writer.insert("bars", &rows).await.unwrap();
    }
    let (first, second) = tokio::join!(writers[0].insert("bars", &rows), writers[1].insert("bars", &rows));
    first.and(second).unwrap();
    assert_eq!(of_both(&one, "SELECT count() FROM bars").await, "10");
    assert_eq!(views(&one).await, expected);
    // At once, and for the first time.
    let others = bars(0, 5, 11.0);
    let (first, second) = tokio::join!(writers[0].insert("bars", &others), writers[1].insert("bars", &others));
    first.and(second).unwrap();
    assert_eq!(of_both(&one, "SELECT count() FROM bars").await, "15");
    // Another batch of the same rows is no repetition: this is counted, too.
    let reversed: Vec<BarRow> = others.into_iter().rev().collect();
    writers[1].insert("bars", &reversed).await.unwrap();
    assert_eq!(of_both(&one, "SELECT count() FROM bars").await, "20");
    assert_eq!(of_both(&one, "SELECT count() FROM bars FINAL").await, "10");
    drop_database(&one).await.unwrap();
}

/// A server that is lost with its disk, and another one in its place, as docs/running.md says.
async fn replaced(servers: &Servers) {
    let config = config("replaced", ONE);
    migrate(&config).await.unwrap();
    Writer::new(&config, Shutdown::new()).insert("bars", &bars(0, 10, 10.0)).await.unwrap();
    let expected = views(&config).await;
    servers.kill("clickhouse-2");
    std::fs::remove_dir_all(servers.folder.path().join("clickhouse-2")).unwrap();
    let left = config.only(0).client();
    wait_until("the keeper knows that a server is away", async || text(&left, ACTIVE).await == "1").await;
    for forget in [
        "SYSTEM DROP REPLICA 'two' FROM DATABASE replaced",
        "SYSTEM DROP DATABASE REPLICA '1|two' FROM DATABASE replaced",
    ] {
        left.query(forget).execute().await.unwrap();
    }
    servers.up();
    assert!(migrate(&config).await.unwrap().applied.is_empty());
    second_has_all_tables(&config).await;
    let has_fetched_all =
        async || copies(&config.only(1)).await.is_ok_and(|copies| copies.queued + copies.read_only == 0);
    wait_until("the new server has fetched all", has_fetched_all).await;
    assert_eq!(copies(&config.only(1)).await.unwrap().tables, copies(&config.only(0)).await.unwrap().tables);
    assert_eq!(views(&config).await, expected);
    drop_database(&config).await.unwrap();
}

/// While one server is away, rows can be read, and none counts as written; when it is back, those that waited are
/// written once. Each of the servers is away in turn.
async fn one_away(servers: &Servers) {
    let all = config("one_away", ONE);
    migrate(&all).await.unwrap();
    without_merges(&all, "bars").await;
    let live = "SELECT count() FROM bars WHERE run = 'live'";
    let mut rows = 0;
    for (away, minute, name, url) in [(1, 0, "clickhouse-2", TWO), (0, 100, "clickhouse", ONE)] {
        // The one that is away is the first in these settings.
        let config = config("one_away", url);
        let left = all.only(1 - away);
        servers.kill(name);
        wait_until("the keeper knows that a server is away", async || text(&left.client(), ACTIVE).await == "1").await;
        let insert = "INSERT INTO bars (run, symbol, start, open) VALUES ('refused', 'AAA', now(), 1)";
        let refused = config.client().query(insert).execute().await.unwrap_err().to_string();
        assert!(refused.contains("Code: 285."), "there are too few servers for the row: {refused}");
        assert_eq!(config.asked(), left.url, "the other server was asked");
        assert_eq!(text(&config.client(), live).await, rows.to_string());

        let waiting = {
            let (writer, rows) = (Writer::new(&config, Shutdown::new()), bars(minute, 7, 10.0));
            tokio::spawn(async move { writer.insert("bars", &rows).await })
        };
        // Whoever knows that a server is lost takes it out of the settings, and goes on.
        Writer::new(&left, Shutdown::new()).insert("bars", &bars(minute + 50, 3, 10.0)).await.unwrap();
        let begin = at("2025-06-02T13:30:00Z") + SignedDuration::from_mins(minute + 50);
        let written =
            format!("SELECT count() FROM bars_1m WHERE start >= fromUnixTimestamp64Micro({})", begin.as_microsecond());
        assert_eq!(text(&left.client(), &written).await, "3");
        assert!(!waiting.is_finished(), "rows are acknowledged while a server is away");
        servers.up();
        without_merges(&all, "bars").await;
        waiting.await.unwrap().unwrap();
        rows += 10;
        wait_until("the server has what it missed", async || of_both(&all, live).await == rows.to_string()).await;
    }
    assert_eq!(of_both(&all, "SELECT count(), sum(close) FROM bars FINAL WHERE run = 'live'").await, "20 200");
    views(&all).await;
    drop_database(&all).await.unwrap();
}

/// The dashboards' user reads from either server and writes to none.
async fn reader(servers: &Servers) {
    let config = config("reader", ONE);
    migrate(&config).await.unwrap();
    Writer::new(&config, Shutdown::new()).insert("bars", &bars(0, 1, 10.0)).await.unwrap();
    for server in each(&servers.reader(&config)) {
        let client = server.client();
        assert_eq!(text(&client, "SELECT count() FROM bars_1m").await, "1");
        for refused in [
            "INSERT INTO halts (run, symbol) VALUES ('live', 'AAA')",
            "ALTER TABLE bars DELETE WHERE true",
            "DROP TABLE bars",
            "TRUNCATE TABLE bars",
            "CREATE TABLE more (a UInt8) ENGINE = ReplicatedMergeTree ORDER BY a",
            "SYSTEM STOP FETCHES bars",
            "SYSTEM DROP REPLICA 'two' FROM DATABASE reader",
        ] {
            let error = client.query(refused).execute().await.unwrap_err().to_string();
            assert!(
                error.contains("ACCESS_DENIED") || error.contains("READONLY"),
                "{}: {refused}: {error}",
                server.url
            );
        }
    }
    assert_eq!(of_both(&config, "SELECT count() FROM bars").await, "1");
    drop_database(&config).await.unwrap();
}

/// A backup of a database on one server, restored into one on two, as docs/running.md says; then one of that.
async fn from_one_to_two() {
    let plain = config("single", ONE).only(0);
    migrate(&plain).await.unwrap();
    Writer::new(&plain, Shutdown::new()).insert("bars", &bars(0, 10, 10.0)).await.unwrap();
    let id = installation_id(&plain).await.unwrap();
    let mut expected = Vec::new();
    for sql in VIEWS {
        expected.push(text(&plain.client(), sql).await);
    }
    let server = async |place: usize, statement: &str| {
        let server = ClickHouseConfig { database: "default".into(), ..config("single", ONE).only(place) };
        server.client().query(statement).execute().await.unwrap();
    };
    server(0, "BACKUP DATABASE single TO File('single')").await;
    drop_database(&plain).await.unwrap();

    let both = config("single", ONE);
    migrate(&both).await.unwrap();
    let restore = "RESTORE DATABASE single FROM File('single') SETTINGS allow_different_database_def = true,
        allow_different_table_def = true, allow_non_empty_tables = true";
    server(0, restore).await;
    assert!(migrate(&both).await.unwrap().applied.is_empty());
    assert_eq!(views(&both).await, expected);
    assert_eq!(of_both(&both, "SELECT toString(id) FROM installation ORDER BY made_at, id LIMIT 1").await, id);
    // Rows go on, and what is in the backup is not recognised as a repetition.
    Writer::new(&both, Shutdown::new()).insert("bars", &bars(0, 10, 12.0)).await.unwrap();
    assert_eq!(of_both(&both, "SELECT groupUniqArray(close) FROM bars FINAL").await, "[12]");

    server(0, "BACKUP DATABASE single TO File('both')").await;
    let expected = views(&both).await;
    drop_database(&both).await.unwrap();
    server(0, "RESTORE DATABASE single FROM File('both')").await;
    assert!(migrate(&both).await.unwrap().applied.is_empty(), "the second server gets its database from `migrate`");
    second_has_all_tables(&both).await;
    assert_eq!(views(&both).await, expected);
    assert_eq!(installation_id(&both).await.unwrap(), id);
    drop_database(&both).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_have_the_same_rows_and_either_may_be_lost() {
    if std::env::var("TAPEWIRE_CLICKHOUSE_URL").is_err() {
        println!("skipped: replicas: TAPEWIRE_CLICKHOUSE_URL is not set, so servers are not wanted");
        return;
    }
    let servers = Servers::start();
    migrations().await;
    repetitions().await;
    reader(&servers).await;
    from_one_to_two().await;
    one_away(&servers).await;
    replaced(&servers).await;
}
