//! What the tests on a real ClickHouse share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use clickhouse::Client;
use sha2::{Digest as _, Sha256};
use tapewire_store::ClickHouseConfig;

pub async fn drop_database(config: &ClickHouseConfig) {
    config.client().query(&format!("DROP DATABASE `{}`", config.database)).execute().await.unwrap();
}

pub async fn text(client: &Client, query: &str) -> String {
    let bytes = client.query(query).fetch_bytes("TSV").unwrap().collect().await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap().trim_end().replace('\t', " ")
}

/// A migration's name, and its statements as `migrate` runs them.
pub struct Migration {
    pub name: String,
    pub statements: Vec<String>,
    checksum: String,
}

/// All migrations, read from their files.
pub fn migrations() -> Vec<Migration> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let sql = std::fs::read_to_string(path).unwrap();
        let is_code = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
        Migration {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            statements: sql.split(";\n").filter(|s| s.lines().any(is_code)).map(str::to_owned).collect(),
            checksum: hex::encode(Sha256::digest(&sql)),
        }
    };
    files.iter().map(read).collect()
}

/// Runs a statement. An error by which `migrate` knows that the statement was run before is ignored.
pub async fn run(client: &Client, statement: &str) {
    if let Err(error) = client.query(statement).execute().await {
        let text = error.to_string();
        assert!(["Code: 57.", "Code: 60.", "Code: 705."].iter().any(|code| text.contains(code)), "{statement}: {text}");
    }
}

/// Creates the database as a build that knew the first `count` migrations left it.
pub async fn migrated_to(config: &ClickHouseConfig, count: usize) {
    let server = ClickHouseConfig { database: "default".into(), ..config.clone() }.client();
    server.query(&format!("CREATE DATABASE `{}`", config.database)).execute().await.unwrap();
    let client = config.client();
    let ledger = "CREATE TABLE schema_migrations (version UInt32, name String, checksum String, \
        applied_at DateTime('UTC') DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY version";
    client.query(ledger).execute().await.unwrap();
    for (migration, version) in migrations().iter().zip(1..=count) {
        for statement in &migration.statements {
            run(&client, statement).await;
        }
        let (name, checksum) = (&migration.name, &migration.checksum);
        let record = format!(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ({version}, '{name}', '{checksum}')"
        );
        client.query(&record).execute().await.unwrap();
    }
}
