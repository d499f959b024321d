//! Checks before a command starts its work, so that a fault is reported at once and not halfway through.

use crate::config::Config;
use crate::exit::{self, UsageError};
use crate::roles::Role;
use std::time::Duration;
use tapewire_bus::binding::{self, BoundDatabase};
use tapewire_bus::{Topics, avro};
use tapewire_runtime::http::{HttpConfig, Token};
use tapewire_runtime::{Backoff, Shutdown};
use tapewire_store::{StoreError, check_version, installation_id, server_time_zone};
use tokio::net::TcpListener;

/// Longest wait for ClickHouse to answer the queries of these checks.
const STORE_TIMEOUT: Duration = Duration::from_secs(8);

/// Refuses sources whose provider needs a key that is not set.
///
/// # Errors
/// Names the variable and the setting.
pub fn keys(config: &Config, roles: &[Role]) -> anyhow::Result<()> {
    let of = |role: Role, sources: &[String]| if roles.contains(&role) { sources.to_vec() } else { Vec::new() };
    if roles.contains(&Role::News) {
        config.instruments.accounts().try_for_each(|name| config.providers.check_key(name))?;
    }
    of(Role::News, &config.news.sources).iter().try_for_each(|name| config.providers.check_news(name))?;
    of(Role::Prices, &config.prices.sources).iter().try_for_each(|name| config.providers.check_key(name))?;
    Ok(())
}

/// Refuses an empty token. Warns if everyone who can reach the address may ask.
///
/// # Errors
/// Names the setting and its variable.
pub fn token(http: &HttpConfig, listener: &TcpListener) -> anyhow::Result<()> {
    if http.token == Some(Token::new("")) {
        let problem = "the token is empty: write one into the file that http.token_file names, or into the variable \
                       TAPEWIRE_HTTP_TOKEN; without these two, clients need no token";
        return Err(UsageError(problem.into()).into());
    }
    let address = listener.local_addr()?;
    if http.token.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "everyone who can reach this address may ask; http.token_file makes clients need a token");
    }
    Ok(())
}

/// Refuses topics and tables that are missing, of another version, or not of one installation, and schemas that are not
/// registered.
///
/// # Errors
/// The first fault that is found; exit code 3 if a server does not answer.
pub async fn servers(config: &Config, with_tables: bool) -> anyhow::Result<()> {
    Topics::new(&config.kafka).check().await?;
    avro::check(&config.kafka).await?;
    if with_tables {
        in_time(config, check_version(&config.clickhouse)).await?;
        binding::check(&config.kafka, &database(config).await?).await?;
    }
    Ok(())
}

/// As [`servers`], but waits for servers that do not answer. `false` if the process was asked to stop meanwhile.
///
/// # Errors
/// A fault that waiting can't fix.
pub async fn wait_for_servers(config: &Config, with_tables: bool, shutdown: &Shutdown) -> anyhow::Result<bool> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        let wait = match shutdown.run_until_cancelled(servers(config, with_tables)).await {
            None => return Ok(false),
            Some(Ok(())) => return Ok(true),
            Some(Err(error)) if exit::code(&error) == exit::UNREACHABLE => {
                let wait = backoff.next_wait();
                tracing::warn!(error = exit::text(&error), wait_s = wait.as_secs_f64(), "waiting for the servers");
                wait
            }
            Some(Err(error)) => return Err(error),
        };
        if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return Ok(false);
        }
    }
}

/// The database of the settings, in the form in which topics name the database that they are read into.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub async fn database(config: &Config) -> Result<BoundDatabase, StoreError> {
    let id = in_time(config, installation_id(&config.clickhouse)).await?;
    let name = format!("database {} at {}", config.clickhouse.database, config.clickhouse.url);
    Ok(BoundDatabase { id, name })
}

/// The time zone of ClickHouse's server; needs no database.
///
/// # Errors
/// [`StoreError::Unreachable`], also after some seconds of silence.
pub async fn time_zone(config: &Config) -> Result<String, StoreError> {
    in_time(config, server_time_zone(&config.clickhouse)).await
}

async fn in_time<T>(config: &Config, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = || StoreError::Unreachable {
        url: config.clickhouse.url.clone(),
        reason: format!("no answer within {} s", STORE_TIMEOUT.as_secs()),
    };
    tokio::time::timeout(STORE_TIMEOUT, answer).await.map_err(|_| late())?
}
