//! The list of tickers of Massive: `GET /v3/reference/tickers`, page by page.

use super::Listing;
use crate::IngestError;
use crate::providers::http::{Credentials, HttpClient};
use crate::providers::items::read_object;
use crate::providers::massive::MassiveConfig;
use crate::providers::pages::PageGuard;
use crate::providers::registry::Account;
use crate::providers::{Cursor, Page, ProviderError, ProvidersConfig, Secrets};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;
use tapewire_core::instrument::Kind;
use tapewire_core::{Instrument, Symbol};
use tapewire_runtime::Clock;

/// Name of the source, and of the account in the settings.
pub(super) const MASSIVE: &str = "massive";

const PATH: [&str; 3] = ["v3", "reference", "tickers"];

/// Most attempts for one page. The list is fetched once a day, so waiting is no problem.
const ATTEMPTS: u32 = 5;

/// The wait before a page is asked for again, if the answer does not say how long. Massive's smallest plan has five
/// requests a minute.
const WAIT: Duration = Duration::from_secs(15);

/// Fetches the list of all shares, funds and other securities that are listed today.
///
/// # Errors
/// [`IngestError::Config`] and any [`ProviderError`].
pub async fn fetch_massive(providers: &ProvidersConfig, clock: &Clock) -> Result<Listing, IngestError> {
    let (provider, account) = providers.find(MASSIVE, clock)?;
    if provider.kind != MASSIVE {
        let reason = format!(
            "instruments.sources: `massive` needs an account of kind `massive`, but providers.massive has kind `{}`",
            provider.kind
        );
        return Err(IngestError::Config(reason));
    }
    Ok(Secrets::of(&account).cleaned(fetch(&account).await)?)
}

async fn fetch(account: &Account) -> Result<Listing, ProviderError> {
    let config: MassiveConfig = account.settings()?;
    let credentials = Credentials::Bearer(account.key.clone());
    let base = ("rest_url", config.rest_url.as_str());
    let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())?;
    let mut url = http.url(&PATH);
    url.query_pairs_mut()
        .append_pair("market", "stocks")
        .append_pair("active", "true")
        .append_pair("order", "asc")
        .append_pair("sort", "ticker")
        .append_pair("limit", "1000");
    let (mut listing, mut guard) = (Listing::default(), PageGuard::default());
    loop {
        let page = page(&http, &url).await?;
        let next = guard.next(http.provider(), &page, |instrument| instrument.symbol.clone())?;
        listing.instruments.extend(page.items);
        listing.rejects.extend(page.rejects);
        match next {
            Some(cursor) => url = http.named_url(&cursor.0)?,
            None => return Ok(listing),
        }
    }
}

/// Fetches one page. After a failure that a retry can cure it waits and tries again, at most [`ATTEMPTS`] times in all.
async fn page(http: &HttpClient, url: &reqwest::Url) -> Result<Page<Instrument>, ProviderError> {
    let mut attempt = 1;
    loop {
        match http.get_json(url).await {
            Ok(body) => return read(http.provider(), &body),
            Err(error) if error.is_retryable() && attempt < ATTEMPTS => {
                http.clock().sleep(error.retry_after().unwrap_or(WAIT)).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// As received: `{"results":[{"ticker":"A",...}],"status":"OK","next_url":"https://..."}`
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    results: Vec<&'a RawValue>,
    next_url: Option<String>,
}

/// As received: `{"ticker":"A","name":"Agilent Technologies Inc.","market":"stocks","locale":"us",
/// "primary_exchange":"XNYS","type":"CS","active":true,"cik":"0001090872","composite_figi":"BBG000C2V3D6"}`
#[derive(Deserialize)]
struct Ticker {
    ticker: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    primary_exchange: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    cik: Option<String>,
    #[serde(default)]
    composite_figi: Option<String>,
}

fn read(provider: &str, body: &[u8]) -> Result<Page<Instrument>, ProviderError> {
    let path = format!("/{}", PATH.join("/"));
    let unreadable = |reason| ProviderError::Unreadable { provider: provider.to_owned(), path: path.clone(), reason };
    let text = String::from_utf8_lossy(body);
    let Answer { results, next_url } = read_object(&text).map_err(unreadable)?;
    Ok(Page::read(&path, next_url.map(Cursor), results, |raw| Ok((instrument(raw)?, None))))
}

fn instrument(raw: &str) -> Result<Instrument, String> {
    let item: Ticker = read_object(raw)?;
    let symbol = Symbol::new(&item.ticker).map_err(|error| error.to_string())?;
    let text = |value: Option<String>| value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let name = text(item.name).ok_or_else(|| format!("{symbol} has no name"))?;
    Ok(Instrument {
        kind: kind(item.kind.as_deref().unwrap_or_default()),
        exchange: text(item.primary_exchange).unwrap_or_default(),
        cik: item.cik.and_then(|cik| cik.trim().parse().ok()),
        figi: text(item.composite_figi),
        ..Instrument::new(symbol, name)
    })
}

/// The kind that a code of Massive's stands for.
fn kind(code: &str) -> Kind {
    match code {
        "CS" | "OS" => Kind::Stock,
        "PFD" => Kind::Preferred,
        "ADRC" | "ADRP" | "GDR" | "NYRS" => Kind::DepositaryReceipt,
        "ETF" | "ETN" | "ETV" | "ETS" | "FUND" => Kind::Fund,
        "WARRANT" | "ADRW" => Kind::Warrant,
        "RIGHT" | "ADRR" => Kind::Right,
        "UNIT" => Kind::Unit,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::{Query, State};
    use axum::http::{HeaderMap, StatusCode};
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    const FIRST: &str = r#"{"results":[
        {"ticker":"A","name":"Agilent Technologies Inc.","market":"stocks","locale":"us","primary_exchange":"XNYS",
         "type":"CS","active":true,"cik":"0001090872","composite_figi":"BBG000C2V3D6"},
        {"ticker":"BCpC","name":"Brunswick Corporation 6.375%","type":"PFD","primary_exchange":"XNYS"},
        {"ticker":"NONAME","type":"CS"}],"status":"OK","next_url":"HERE?cursor=two"}"#;
    const SECOND: &str = r#"{"results":[{"ticker":"SPY","name":"SPDR S&P 500 ETF Trust","type":"ETF"}],"status":"OK"}"#;

    /// Answers the second page only when it is asked for the second time.
    async fn answer(
        State((address, asked)): State<(String, Arc<AtomicU32>)>,
        Query(query): Query<HashMap<String, String>>,
        headers: HeaderMap,
    ) -> (StatusCode, String) {
        if headers.get("authorization").is_none_or(|key| key != "Bearer k3y") {
            return (StatusCode::UNAUTHORIZED, String::new());
        }
        if !query.contains_key("cursor") {
            let wanted = [("market", "stocks"), ("active", "true"), ("limit", "1000")];
            assert!(wanted.iter().all(|(name, value)| query.get(*name).is_some_and(|own| own == value)), "{query:?}");
            return (StatusCode::OK, FIRST.replace("HERE", &format!("{address}/v3/reference/tickers")));
        }
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => (StatusCode::TOO_MANY_REQUESTS, String::new()),
            _ => (StatusCode::OK, SECOND.to_owned()),
        }
    }

    #[tokio::test]
    async fn every_page_of_the_list_is_read_and_a_refusal_for_the_rate_is_waited_out() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = (address.clone(), Arc::new(AtomicU32::new(0)));
        let routes = axum::Router::new().route("/v3/reference/tickers", axum::routing::get(answer)).with_state(state);
        tokio::spawn(async { axum::serve(listener, routes).await });
        let mut providers = ProvidersConfig::default();
        providers.set(MASSIVE, "rest_url", address);
        providers.entry(MASSIVE).api_key = crate::providers::ApiKey::new("k3y");
        let clock = Clock::accelerated("2025-06-04T12:00:00Z".parse().unwrap(), 1000.0);
        let listing = fetch_massive(&providers, &clock).await.unwrap();
        let found: Vec<_> = listing.instruments.iter().map(|one| (one.symbol.as_str(), &*one.name, one.kind)).collect();
        assert_eq!(
            found,
            [
                ("A", "Agilent Technologies Inc.", Kind::Stock),
                ("BCpC", "Brunswick Corporation 6.375%", Kind::Preferred),
                ("SPY", "SPDR S&P 500 ETF Trust", Kind::Fund),
            ]
        );
        let first = &listing.instruments[0];
        assert_eq!(
            (first.cik, first.figi.as_deref(), &*first.exchange),
            (Some(1_090_872), Some("BBG000C2V3D6"), "XNYS")
        );
        assert!(listing.rejects.len() == 1 && listing.rejects[0].reason.contains("NONAME has no name"));
    }
}
