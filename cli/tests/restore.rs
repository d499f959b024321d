//! A backup that is taken while a replay is being written, restored after the topics have gone on, as docs/running.md
//! says: with the topics read again, the tables are those from before, row for row.
//!
//! The servers are this test's own, because the groups' offsets are moved with Kafka's own tool.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use support::servers::Servers;
use support::{Installation, Process, succeeded, wait_until};

const ROLES: [&str; 3] = ["sentiment", "join", "indicators"];
/// The groups whose commits say what is in the tables.
const GROUPS: [&str; 3] = ["tapewire-joiner", "tapewire-archive", "tapewire-indicators"];
const DAYS: [&str; 4] = ["2025-06-02", "2025-06-03", "2025-06-04", "2025-06-05"];
const ARTICLES: u64 = 120;

/// Articles about two companies on the last days, and minute bars of all days for these and the benchmark.
fn market(folder: &Path) -> (PathBuf, PathBuf) {
    let (news, bars) = (folder.join("news.jsonl"), folder.join("bars.csv"));
    let at = |day: &str, minute: u64| format!("{day}T{:02}:{:02}:00Z", 13 + (30 + minute) / 60, (30 + minute) % 60);
    let article = |n: u64| {
        let (day, symbol) = (DAYS[2 + n as usize % 2], ["AAA", "BBB"][n as usize / 2 % 2]);
        let at = at(day, 3 * n);
        format!(
            r#"{{"id":"a{n}","title":"Profit doubled in quarter {n}","published_at":"{at}","symbols":["{symbol}"]}}"#
        )
    };
    std::fs::write(&news, (0..ARTICLES).map(article).collect::<Vec<_>>().join("\n")).unwrap();
    let mut csv = "symbol,start,open,high,low,close,volume\n".to_owned();
    for (number, symbol) in ["AAA", "BBB", "SPY"].into_iter().enumerate() {
        for day in DAYS {
            csv.extend((0..390).map(|minute| {
                // Prices that differ from minute to minute, so that the market model is defined.
                let close = 10.0 + ((minute * (7 + number as u64)) % 13) as f64 / 10.0;
                format!("{symbol},{},10,12,9,{close},100\n", at(day, minute))
            }));
        }
    }
    std::fs::write(&bars, csv).unwrap();
    (news, bars)
}

struct Market {
    place: Installation,
    news: PathBuf,
    bars: PathBuf,
}

impl Market {
    fn replay(&self, run: &str) -> std::process::Child {
        let mut replay = self.place.tapewire();
        replay.args(["replay", "--send-only", "--run", run, "--news"]).arg(&self.news).arg("--bars").arg(&self.bars);
        replay.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until a replay has ended, whose account has to add up, and until its bars have indicators.
    fn finished(&self, run: &str, replay: std::process::Child) {
        let output: Output = replay.wait_with_output().unwrap();
        succeeded(output);
        let bars = 3 * 390 * DAYS.len() as u64;
        let written = format!("SELECT count() FROM indicators FINAL WHERE run = '{run}'");
        wait_until("every bar has indicators", || self.place.count(&written) == bars);
    }

    /// All rows, with their versions and their positions in the topics.
    fn content(&self) -> String {
        let tables = ["articles", "mentions", "bars", "impact", "indicators", "bars_1m_state", "latest_bar_state"];
        let dump = |table: &str| {
            let key = self.place.query(&format!(
                "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
            ));
            let rows = self.place.query(&format!("SELECT * FROM {table} FINAL ORDER BY {key} FORMAT TSVWithNames"));
            assert!(rows.lines().count() > 1, "{table} is empty: {rows}");
            format!("{table}\n{rows}\n")
        };
        tables.map(dump).concat() + &self.place.query("SELECT * FROM report ORDER BY ALL FORMAT TSV")
    }

    fn roles(&self) -> Vec<Process> {
        ROLES.map(|role| self.place.role(role)).into()
    }

    /// A statement that needs no database.
    fn succeeds(&self, statement: &str) {
        let said = self.place.query(statement);
        assert!(!said.contains("DB::Exception"), "{statement}: {said}");
    }
}

/// Restores a database from the backup with its name.
fn restore(servers: &Servers, name: &str) {
    // Without a database in the address: it is gone.
    let restored = std::process::Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--data-binary", &format!("RESTORE DATABASE {name} FROM File('{name}')")])
        .arg(format!("{}/", servers.clickhouse))
        .output();
    let restored = succeeded(restored.unwrap());
    assert!(restored.contains("RESTORED"), "{restored}");
}

/// Moves the groups whose commits say what is in the tables to the beginning of the topics with this prefix.
fn read_again_from_the_beginning(servers: &Servers, prefix: &str) {
    for group in GROUPS {
        let group = format!("{prefix}{group}");
        let moved = servers.stack(&[
            "tool",
            "groups",
            "--group",
            &group,
            "--all-topics",
            "--reset-offsets",
            "--to-earliest",
            "--execute",
        ]);
        assert!(moved.contains(prefix) && !moved.contains("Error"), "{moved}");
    }
}

#[test]
fn a_restored_backup_and_the_topics_read_again_give_the_same_rows() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: restore: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (news, bars) = market(folder.path());
    let servers = Servers::start(folder.path().join("servers"), 23_000, &[]);
    let mut place = Installation::on("restore", &servers.brokers, &servers.clickhouse);
    place.set("TAPEWIRE_MODEL", "tapewire-minilm-sentiment");
    // Small batches, so that the backup is taken in the middle of the work.
    place.set("TAPEWIRE_SENTIMENT_BATCH_TOKENS", "128");
    let market = Market { place, news, bars };
    let place = &market.place;
    let name = place.database().to_owned();

    let roles = market.roles();
    let first = market.replay("first");
    wait_until("mentions are being written", || place.count("SELECT count() FROM mentions") >= 10);
    market.succeeds(&format!("BACKUP DATABASE {name} TO File('{name}')"));
    market.finished("first", first);
    market.finished("second", market.replay("second"));
    let complete = market.content();
    roles.into_iter().for_each(Process::stop);

    market.succeeds(&format!("DROP DATABASE {name} SYNC"));
    restore(&servers, &name);
    assert_eq!(place.count("SELECT count() FROM articles WHERE run = 'second'"), 0, "the backup is older");
    let rows = ["mentions", "impact FINAL WHERE status != 'final'"]
        .map(|of| place.query(&format!("SELECT count() FROM {of}")));
    println!("the backup has {} mentions and {} joined rows that are not final", rows[0], rows[1]);

    // `tapewire` takes it for the database that the topics are read into, and the tables for complete.
    succeeded(place.tapewire().arg("migrate").output().unwrap());
    read_again_from_the_beginning(&servers, &format!("{name}-"));
    let roles = market.roles();
    let count = |table: &str| place.count(&format!("SELECT uniqExact(run, article_id) FROM {table}"));
    wait_until("all articles are joined again", || ["articles", "impact"].map(count) == [2 * ARTICLES; 2]);
    wait_until("the tables are as before", || market.content() == complete);
    market.succeeds(&format!("RESTORE TABLE {name}.impact FROM File('{name}') SETTINGS allow_non_empty_tables = true"));
    assert!(market.content() == complete, "a second restore of the joined rows replaces no newer row");
    // Later records continue, and the account of their replay adds up.
    market.finished("third", market.replay("third"));
    let rows = |run: &str| {
        let columns = "* EXCEPT (run, version, scored_at)";
        place.query(&format!("SELECT {columns} FROM impact FINAL WHERE run = '{run}' ORDER BY symbol, article_id"))
    };
    assert_eq!(rows("third"), rows("first"));
    roles.into_iter().for_each(Process::stop);
}
