//! Massive over HTTP. One call is one request: retries are the caller's.

use super::MassiveConfig;
use super::{parse, reference};
use crate::providers::http::{Credentials, HttpClient};
use crate::providers::{
    Account, ActionList, ActionsRequest, BarWidth, BarsRequest, Cursor, NewsRequest, Page, ProviderError,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use tapewire_core::{Article, Bar, CorporateAction};

/// A client of the REST interface.
pub(super) struct RestClient {
    http: HttpClient,
    news_page_size: u32,
}

impl RestClient {
    pub fn new(account: &Account, config: &MassiveConfig) -> Result<Self, ProviderError> {
        let base = ("rest_url", config.rest_url.as_str());
        let credentials = Credentials::Bearer(account.key.clone());
        let http = HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())?;
        Ok(Self { http, news_page_size: config.news_page_size })
    }

    /// One page of news.
    pub async fn news(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let url = match request {
            NewsRequest::Since(since) => self.news_url(*since),
            NewsRequest::Next(cursor) => self.http.named_url(&cursor.0)?,
        };
        let body = self.http.get_json(&url).await?;
        parse::news_page(self.http.provider(), url.path(), &body, self.http.clock().now())
    }

    /// One page of a symbol's bars.
    pub async fn bars(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        let url = match cursor {
            None => self.bars_url(request),
            Some(cursor) => self.http.named_url(&cursor.0)?,
        };
        let body = self.http.get_json(&url).await?;
        let (symbol, now) = (&request.symbol, self.http.clock().now());
        let page = parse::bars_page(self.http.provider(), url.path(), &body, symbol, request.width, now)?;
        // Without the range, so that an unreadable bar has the same origin whichever gap it was fetched for.
        Ok(Page { origin: request.origin(&format!("/v2/aggs/ticker/{symbol}")), ..page })
    }

    /// One page of splits or dividends.
    pub async fn actions(
        &self,
        request: &ActionsRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page<CorporateAction>, ProviderError> {
        let url = match cursor {
            None => self.actions_url(request),
            Some(cursor) => self.http.named_url(&cursor.0)?,
        };
        let body = self.http.get_json(&url).await?;
        reference::actions_page(self.http.provider(), url.path(), &body, request, self.http.clock().now())
    }

    /// The URL of the first page of news published at or after `since`, oldest first.
    fn news_url(&self, since: Timestamp) -> Url {
        let mut url = self.http.url(&["v2", "reference", "news"]);
        url.query_pairs_mut()
            // Whole seconds, rounded down, are what the provider itself writes.
            .append_pair("published_utc.gte", &seconds_down(since).to_string())
            .append_pair("order", "asc")
            .append_pair("sort", "published_utc")
            .append_pair("limit", &self.news_page_size.to_string());
        url
    }

    /// Of one ticker, or of all there are: a month of all is a page of splits and a few of dividends.
    fn actions_url(&self, request: &ActionsRequest) -> Url {
        let date = match request.list {
            ActionList::Splits => "execution_date",
            ActionList::Dividends => "ex_dividend_date",
        };
        let mut url = self.http.url(&["v3", "reference", request.list.name()]);
        let mut query = url.query_pairs_mut();
        if let [symbol] = request.symbols.as_slice() {
            query.append_pair("ticker", symbol.as_str());
        }
        query
            .append_pair(&format!("{date}.gte"), &request.from.to_string())
            .append_pair(&format!("{date}.lte"), &request.to.to_string())
            .append_pair("order", "asc")
            .append_pair("sort", date)
            .append_pair("limit", "1000");
        drop(query);
        url
    }

    fn bars_url(&self, request: &BarsRequest) -> Url {
        let BarsRequest { symbol, width, from, to } = request;
        let milliseconds = |at: &Timestamp| at.as_millisecond().to_string();
        // A bar of a day starts at midnight in New York, which is on the same date in UTC.
        let date = |at: &Timestamp| at.to_zoned(TimeZone::UTC).date().to_string();
        let (timespan, from, to) = match width {
            BarWidth::Minute => ("minute", milliseconds(from), milliseconds(to)),
            BarWidth::Day => ("day", date(from), date(to)),
        };
        let mut url = self.http.url(&["v2", "aggs", "ticker", symbol.as_str(), "range", "1", timespan, &from, &to]);
        // As printed, as the websocket has them: both are one bar by its key. What is adjusted today is not tomorrow.
        url.query_pairs_mut().append_pair("adjusted", "false").append_pair("sort", "asc").append_pair("limit", "50000");
        url
    }
}

fn seconds_down(at: Timestamp) -> Timestamp {
    let seconds = at.as_microsecond().div_euclid(1_000_000);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::ApiKey;
    use tapewire_core::Symbol;
    use tapewire_runtime::Clock;

    #[test]
    fn urls_are_the_providers() {
        let account = Account {
            name: "massive".into(),
            settings: serde_json::Map::new(),
            key: ApiKey::default(),
            clock: Clock::wall(),
        };
        let config = MassiveConfig { rest_url: "https://api.massive.com/".into(), ..MassiveConfig::default() };
        let client = RestClient::new(&account, &config).unwrap();
        let from: Timestamp = "2025-06-02T13:30:00.9Z".parse().unwrap();
        assert_eq!(
            client.news_url(from).as_str(),
            "https://api.massive.com/v2/reference/news?published_utc.gte=2025-06-02T13%3A30%3A00Z&order=asc&sort=published_utc&limit=1000"
        );
        let symbol = Symbol::new("BRK.B").unwrap();
        assert_eq!(
            client.bars_url(&BarsRequest::minutes(&symbol, from, from)).as_str(),
            "https://api.massive.com/v2/aggs/ticker/BRK.B/range/1/minute/1748871000900/1748871000900?adjusted=false&sort=asc&limit=50000"
        );
        let to: Timestamp = "2026-06-01T23:59:59.999999Z".parse().unwrap();
        assert_eq!(
            client.bars_url(&BarsRequest::days(&symbol, from, to)).as_str(),
            "https://api.massive.com/v2/aggs/ticker/BRK.B/range/1/day/2025-06-02/2026-06-01?adjusted=false&sort=asc&limit=50000"
        );
        let request = |list, tickers: &[&str]| ActionsRequest {
            list,
            symbols: tickers.iter().map(|ticker| Symbol::new(ticker).unwrap()).collect(),
            from: jiff::civil::date(2025, 5, 3),
            to: jiff::civil::date(2025, 6, 9),
        };
        assert_eq!(
            client.actions_url(&request(ActionList::Dividends, &["BRK.B"])).as_str(),
            "https://api.massive.com/v3/reference/dividends?ticker=BRK.B&ex_dividend_date.gte=2025-05-03&ex_dividend_date.lte=2025-06-09&order=asc&sort=ex_dividend_date&limit=1000"
        );
        assert_eq!(
            client.actions_url(&request(ActionList::Splits, &["AAPL", "SPY"])).as_str(),
            "https://api.massive.com/v3/reference/splits?execution_date.gte=2025-05-03&execution_date.lte=2025-06-09&order=asc&sort=execution_date&limit=1000"
        );
        let preferred = client.bars_url(&BarsRequest::minutes(&Symbol::new("BCpC").unwrap(), from, from));
        assert!(preferred.path().starts_with("/v2/aggs/ticker/BCpC/range/"), "{preferred}");
    }
}
