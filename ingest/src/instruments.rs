//! Reference data: which instruments there are, and the names of their issuers.
//!
//! The SEC publishes a list of all tickers with the legal names of their issuers; no key is needed. The list has
//! neither dates nor kinds of instruments: it says what a ticker stands for on the day of the list.

mod massive;
mod publish;

pub use massive::fetch_massive;
pub(crate) use publish::STAGE;
pub use publish::run;

use crate::IngestError;
use crate::providers::http::{Credentials, HttpClient};
use crate::providers::items::read_object;
use crate::providers::{ApiKey, ProviderError, Reject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;
use tapewire_core::instrument::Kind;
use tapewire_core::{Instrument, Symbol};
use tapewire_runtime::Clock;

/// Name of the source in errors and metrics.
const SEC: &str = "sec";

/// The path of the list below the configured address.
const PATH: [&str; 2] = ["files", "company_tickers_exchange.json"];

/// The lists of instruments: which ticker stands for which company.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct InstrumentsConfig {
    /// The lists that the role `news` sends to the topic `instruments`: "builtin" is the list of this build, "sec" the
    /// list of the SEC (it needs `sec_user_agent`), "massive" the list of tickers of the account `providers.massive`.
    /// If a ticker is in several lists, the last of these lists counts.
    pub sources: Vec<String>,
    /// How often the lists of the SEC and of Massive are fetched.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub every: Duration,
    /// Address of the SEC, from which `tapewire instruments` and the source "sec" get the list of tickers.
    pub sec_url: String,
    /// Your name and mail address, which the SEC wants in every request.
    #[schemars(example = &"Example Research admin@example.com")]
    pub sec_user_agent: Option<String>,
    /// Longest wait for an answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for InstrumentsConfig {
    fn default() -> Self {
        Self {
            sources: vec![publish::BUILT_IN.into()],
            every: Duration::from_secs(24 * 3600),
            sec_url: "https://www.sec.gov".into(),
            sec_user_agent: None,
            request_timeout: Duration::from_secs(60),
        }
    }
}

impl InstrumentsConfig {
    /// Refuses settings that can't be used.
    ///
    /// # Errors
    /// [`IngestError::Config`].
    pub fn check(&self) -> Result<(), IngestError> {
        let known = [publish::BUILT_IN, SEC, massive::MASSIVE];
        if let Some(other) = self.sources.iter().find(|name| !known.contains(&name.as_str())) {
            let reason = format!("there is no source `{other}`; there are: {}", known.join(", "));
            return Err(IngestError::Config(format!("instruments.sources: {reason}")));
        }
        if self.every.is_zero() {
            return Err(IngestError::Config("instruments.every must not be zero".into()));
        }
        if self.sources.iter().any(|name| name == SEC) { self.who().map(drop) } else { Ok(()) }
    }

    /// The provider accounts whose lists are used.
    pub fn accounts(&self) -> impl Iterator<Item = &String> {
        self.sources.iter().filter(|name| *name == massive::MASSIVE)
    }

    fn who(&self) -> Result<&str, IngestError> {
        self.sec_user_agent.as_deref().filter(|who| who.contains('@')).ok_or_else(|| {
            IngestError::Config(
                "the SEC refuses requests that do not say who asks; set instruments.sec_user_agent to your name and mail \
                 address"
                    .into(),
            )
        })
    }
}

/// A list of instruments, and the rows of it that could not be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// The instruments in the source's order; the SEC has the largest companies first.
    pub instruments: Vec<Instrument>,
    /// Rows that are not instruments.
    pub rejects: Vec<Reject>,
}

/// Fetches the list of the SEC with one request.
///
/// # Errors
/// [`IngestError::Config`] if the settings do not say who asks; any [`ProviderError`].
pub async fn fetch_sec(config: &InstrumentsConfig, clock: Clock) -> Result<Listing, IngestError> {
    let who = config.who()?;
    // This is not a secret, but the key's header is the only one that the client can set.
    let credentials = Credentials::Header("user-agent", ApiKey::new(who));
    let base = ("instruments.sec_url", config.sec_url.as_str());
    let http = HttpClient::new(SEC, base, config.request_timeout, credentials, clock)?;
    let body = http.get_json(&http.url(&PATH)).await?;
    Ok(read_sec(&body)?)
}

/// As received, with the columns named once:
/// `{"fields":["cik","name","ticker","exchange"],"data":[[320193,"Apple Inc.","AAPL","Nasdaq"]]}`
#[derive(Deserialize)]
struct Table<'a> {
    fields: Vec<String>,
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// Reads the list of the SEC.
///
/// # Errors
/// [`ProviderError::Unreadable`] if the body is not the list. A row that can't be read is rejected alone.
pub fn read_sec(body: &[u8]) -> Result<Listing, ProviderError> {
    let unreadable = |reason: String| ProviderError::Unreadable { provider: SEC.into(), path: PATH.join("/"), reason };
    let text = String::from_utf8_lossy(body);
    let table: Table<'_> = read_object(&text).map_err(unreadable)?;
    let column = |name: &str| {
        let found = table.fields.iter().position(|field| field == name);
        found.ok_or_else(|| unreadable(format!("it has no column {name}, but {}", table.fields.join(", "))))
    };
    let columns = [column("cik")?, column("name")?, column("ticker")?, column("exchange")?];
    let mut listing = Listing::default();
    for raw in &table.data {
        match row(raw.get(), columns) {
            Ok(instrument) => listing.instruments.push(instrument),
            Err(reason) => listing.rejects.push(Reject::new(raw.get(), reason)),
        }
    }
    Ok(listing)
}

fn row(raw: &str, [cik, name, ticker, exchange]: [usize; 4]) -> Result<Instrument, String> {
    let row: Vec<Value> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let text = |at: usize| row.get(at).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let symbol = Symbol::new(text(ticker).ok_or("it has no ticker")?).map_err(|error| error.to_string())?;
    let name = text(name).ok_or_else(|| format!("{symbol} has no name"))?;
    Ok(Instrument {
        kind: kind(&symbol),
        exchange: text(exchange).unwrap_or_default().to_owned(),
        cik: row.get(cik).and_then(Value::as_u64),
        ..Instrument::new(symbol, name)
    })
}

/// The kind of an instrument, as far as its ticker shows.
fn kind(symbol: &Symbol) -> Kind {
    let ticker = symbol.as_str();
    match ticker.split('.').nth(1) {
        Some("WS") => Kind::Warrant,
        Some("U") => Kind::Unit,
        _ if ticker.contains('p') => Kind::Preferred,
        _ if ticker.contains('r') => Kind::Right,
        _ => Kind::Other,
    }
}

/// Instruments as the CSV file that the setting `sentiment.instruments` names.
///
/// # Errors
/// Writing to memory does not fail; the error is only the type that the library returns.
pub fn to_csv(instruments: &[Instrument]) -> Result<Vec<u8>, csv::Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["symbol", "name", "kind", "exchange", "cik", "figi", "valid_from", "valid_to"])?;
    let or_empty = |value: Option<String>| value.unwrap_or_default();
    for one in instruments {
        let cik = or_empty(one.cik.map(|cik| cik.to_string()));
        let [from, to] = [one.valid_from, one.valid_to].map(|day| or_empty(day.map(|day| day.to_string())));
        let (kind, figi) = (one.kind.as_str(), one.figi.as_deref().unwrap_or_default());
        csv.write_record([one.symbol.as_str(), &one.name, kind, &one.exchange, &cik, figi, &from, &to])?;
    }
    csv.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"fields":["cik","name","ticker","exchange"],"data":[
        [320193,"Apple Inc.","AAPL","Nasdaq"],[14930,"BRUNSWICK CORP","BC-PC","NYSE"],
        [1,"No ticker",null,"OTC"],[1067983,"BERKSHIRE HATHAWAY INC","BRK-B",null]]}"#;

    #[test]
    fn rows_become_instruments_and_an_unreadable_row_is_rejected_alone() {
        let Listing { instruments, rejects } = read_sec(BODY).unwrap();
        let found: Vec<(&str, &str, Kind, &str, Option<u64>)> = instruments
            .iter()
            .map(|i| (i.symbol.as_str(), i.name.as_str(), i.kind, i.exchange.as_str(), i.cik))
            .collect();
        assert_eq!(
            found,
            [
                ("AAPL", "Apple Inc.", Kind::Other, "Nasdaq", Some(320_193)),
                ("BCpC", "BRUNSWICK CORP", Kind::Preferred, "NYSE", Some(14_930)),
                ("BRK.B", "BERKSHIRE HATHAWAY INC", Kind::Other, "", Some(1_067_983)),
            ]
        );
        assert_eq!(rejects.len(), 1);
        let csv = String::from_utf8(to_csv(&instruments).unwrap()).unwrap();
        assert_eq!(csv.lines().nth(2), Some("BCpC,BRUNSWICK CORP,preferred,NYSE,14930,,,"));
    }

    #[test]
    fn a_body_that_is_not_the_list_is_refused_with_the_reason() {
        for (body, part) in [(&b"<html>"[..], "sec"), (br#"{"fields":["cik"],"data":[]}"#, "no column name")] {
            let error = read_sec(body).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn a_missing_user_agent_is_refused_before_the_request() {
        let error = fetch_sec(&InstrumentsConfig::default(), Clock::wall()).await.unwrap_err();
        assert!(error.to_string().contains("instruments.sec_user_agent"), "{error}");
    }

    #[tokio::test]
    async fn the_request_says_who_asks() {
        use axum::http::HeaderMap;
        let answer = |headers: HeaderMap| async move {
            match headers.get("user-agent").is_some_and(|who| who == "Example admin@example.com") {
                true => (axum::http::StatusCode::OK, BODY),
                false => (axum::http::StatusCode::FORBIDDEN, &b"Undeclared Automated Tool"[..]),
            }
        };
        let routes = axum::Router::new().route("/files/company_tickers_exchange.json", axum::routing::get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sec_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, routes).await });
        let config = InstrumentsConfig {
            sec_url,
            sec_user_agent: Some("Example admin@example.com".into()),
            ..InstrumentsConfig::default()
        };
        assert_eq!(fetch_sec(&config, Clock::wall()).await.unwrap().instruments.len(), 3);
        let other = InstrumentsConfig { sec_user_agent: Some("x@y.example".into()), ..config };
        assert!(fetch_sec(&other, Clock::wall()).await.unwrap_err().to_string().contains("Undeclared"));
    }
}
