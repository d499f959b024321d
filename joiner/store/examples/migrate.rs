//! Brings the tables of one database to this build's version, without Kafka: `migrate URL DATABASE`.
//!
//! The dashboard's tests make their database with it. An installation uses `tapewire migrate`.

use std::process::ExitCode;
use tapewire_runtime::chain;
use tapewire_store::{ClickHouseConfig, migrate};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, database] = arguments.as_slice() else {
        eprintln!("usage: migrate URL DATABASE");
        return ExitCode::from(2);
    };
    let config = ClickHouseConfig { url: url.clone(), database: database.clone(), ..ClickHouseConfig::default() };
    match migrate(&config).await {
        Ok(done) => {
            println!("database {database}: at version {}", done.version);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", chain(&error));
            ExitCode::FAILURE
        }
    }
}
