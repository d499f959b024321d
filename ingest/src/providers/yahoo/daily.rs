//! Daily bars, splits and dividends in Yahoo's charts.
//!
//! Yahoo divides prices before a split by its ratio, and multiplies volumes. The chart lists the splits that it knows, so
//! that what was printed can be computed: the prices of a day times the ratios of all splits after it. A price that was
//! printed with more than four decimals is rounded to four.

use super::parse::{Charted, Events, Row, Split, bar, chart, rejected};
use crate::providers::{ActionList, ActionsRequest, BarsRequest, Page, ProviderError, Reject};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;
use tapewire_core::exchange::Calendar;
use tapewire_core::tape::ActionKind;
use tapewire_core::{Bar, CorporateAction, Symbol};

/// What Yahoo calls a day.
const INTERVAL: &str = "1d";

/// Reads the daily bars of the request as printed, oldest first. A bar starts at midnight in New York. That of the day under way
/// may be among them: its row has the time of the last trade. A day without a trade is left out.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is no chart. One of another symbol, width or currency, or with a split that can't be
/// read, is a reject of the page.
pub fn bars(
    provider: &str,
    path: &str,
    body: &[u8],
    request: &BarsRequest,
    received_at: Timestamp,
) -> Result<Page<Bar>, ProviderError> {
    let symbol = &request.symbol;
    let mut page = Page { items: Vec::new(), rejects: Vec::new(), origin: path.to_owned(), next: None };
    let (rows, splits) = match read(provider, path, body, symbol)? {
        Ok((Charted { rows, .. }, splits)) => (rows, splits),
        Err(reject) => return Ok(Page { rejects: vec![reject], ..page }),
    };
    // If a day is listed twice, the later row counts: it is newer.
    let mut bars = BTreeMap::new();
    // The answer reaches to now.
    let is_wanted = |at: i64| midnight(at).is_none_or(|(_, start)| (request.from..=request.to).contains(&start));
    for (at, row) in rows.into_iter().filter(|(at, _)| is_wanted(*at)) {
        match day(symbol, at, row, &splits, received_at) {
            Ok(None) => {}
            Ok(Some(bar)) => drop(bars.insert(bar.start, bar)),
            Err(reason) => page.rejects.push(rejected(symbol, at, row, reason)),
        }
    }
    page.items = bars.into_values().collect();
    Ok(page)
}

/// Reads the splits or dividends of `symbol` that are within the days of the request.
///
/// # Errors
/// As [`bars`].
pub fn actions(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
    request: &ActionsRequest,
    received_at: Timestamp,
) -> Result<Page<CorporateAction>, ProviderError> {
    let mut page = Page { items: Vec::new(), rejects: Vec::new(), origin: path.to_owned(), next: None };
    let (events, splits) = match read(provider, path, body, symbol)? {
        Ok((Charted { events, .. }, splits)) => (events, splits),
        Err(reject) => return Ok(Page { rejects: vec![reject], ..page }),
    };
    let days = request.from..=request.to;
    let found: Vec<(Date, ActionKind)> = match request.list {
        ActionList::Splits => splits.iter().map(|(&day, &(from, to))| (day, ActionKind::Split { from, to })).collect(),
        ActionList::Dividends => {
            page.rejects.extend(events.dividends.values().filter(|item| date_of(item.date).is_none()).map(|item| {
                let raw = serde_json::json!({"symbol": symbol.as_str(), "date": item.date, "dividend": item.amount});
                Reject::new(&raw.to_string(), "the date of a dividend is not plausible")
            }));
            dividends(&events, &splits)
        }
    };
    for (ex_date, kind) in found.into_iter().filter(|(day, _)| days.contains(day)) {
        // Yahoo has one action of a kind a day. Its amount is no part of the id: it is computed again after each split.
        let action = CorporateAction { symbol: symbol.clone(), ex_date, id: String::new(), kind, received_at };
        match action.fault() {
            None => page.items.push(action),
            Some(fault) => page.rejects.push(Reject::new(&serde_json::json!([symbol, ex_date]).to_string(), fault)),
        }
    }
    Ok(page)
}

/// Splits by ex-date: shares before, and after.
type Splits = BTreeMap<Date, (f64, f64)>;

/// The chart and its splits, or a reject if it is about something else or a split can't be read: without it no price before
/// it is known.
fn read(
    provider: &str,
    path: &str,
    body: &[u8],
    symbol: &Symbol,
) -> Result<Result<(Charted, Splits), Reject>, ProviderError> {
    let charted = match chart(provider, path, body, symbol, INTERVAL)? {
        Ok(charted) => charted,
        Err(reject) => return Ok(Err(reject)),
    };
    let split = |&Split { date, numerator, denominator }: &Split| {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        let is_sound = is_positive(numerator) && is_positive(denominator);
        date_of(date).filter(|_| is_sound).map(|day| (day, (denominator, numerator))).ok_or_else(|| {
            let raw = serde_json::json!({"symbol": symbol.as_str(), "date": date, "split": [numerator, denominator]});
            Reject::new(&raw.to_string(), "a split can't be read, so prices before it are not known")
        })
    };
    let splits: Result<Splits, Reject> = charted.events.splits.values().map(split).collect();
    Ok(splits.map(|splits| (charted, splits)))
}

/// Dividends as they were paid. Yahoo's are in shares of today, so splits since, also of the same day, are put back.
fn dividends(events: &Events, splits: &Splits) -> Vec<(Date, ActionKind)> {
    let paid = |day: Date, amount: f64| {
        let amount = amount * splits.range(day..).map(|(_, (from, to))| to / from).product::<f64>();
        ActionKind::Dividend { amount: (amount * 1e6).round() / 1e6, currency: "USD".to_owned() }
    };
    events
        .dividends
        .values()
        .filter_map(|item| Some((date_of(item.date)?, item.amount)))
        .map(|(day, amount)| (day, paid(day, amount)))
        .collect()
}

fn day(symbol: &Symbol, at: i64, row: Row, splits: &Splits, received_at: Timestamp) -> Result<Option<Bar>, String> {
    let (date, start) = midnight(at).ok_or("its time is not plausible")?;
    let Some(bar) = bar(symbol, start.as_second(), row, received_at)? else { return Ok(None) };
    let ratio: f64 = splits.iter().filter(|(day, _)| **day > date).map(|(_, (from, to))| to / from).product();
    #[allow(clippy::float_cmp, reason = "without a split it is exactly 1")]
    let is_split = ratio != 1.0;
    let price = |price: f64| if is_split { (price * ratio * 1e4).round() / 1e4 } else { price };
    let (open, high, low, close) = (price(bar.open), price(bar.high), price(bar.low), price(bar.close));
    let bar = Bar { width_s: Bar::DAY_S, open, high, low, close, volume: bar.volume / ratio, ..bar };
    bar.fault().map_or(Ok(Some(bar)), |fault| Err(fault.into()))
}

/// The day in New York, and when it began.
fn midnight(at: i64) -> Option<(Date, Timestamp)> {
    let date = date_of(at)?;
    Some((date, date.to_zoned(Calendar::xnys().time_zone().clone()).ok()?.timestamp()))
}

/// The day in New York.
fn date_of(at: i64) -> Option<Date> {
    let at = Timestamp::from_second(at).ok().filter(|&at| crate::epoch::is_plausible(at))?;
    Some(at.to_zoned(Calendar::xnys().time_zone().clone()).date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::{Answered, Server};
    use crate::providers::{PriceSource, ProvidersConfig};
    use jiff::civil::date;
    use std::sync::Arc;
    use tapewire_runtime::Clock;
    use tapewire_testkit::{at, symbol};

    const PATH: &str = "/v8/finance/chart/AAPL";

    /// Apple's split of 2020, as Yahoo shows it: Friday's bar with a quarter of its prices, Monday's as printed. The last row is
    /// that of the day under way.
    const SPLIT: &str = r#"{"chart":{"result":[{"meta":{"currency":"USD","symbol":"AAPL","dataGranularity":"1d"},
        "timestamp":[1598621400,1598880600,1598967000,1599073201],
        "events":{"dividends":{"1596807000":{"amount":0.205,"date":1596807000}},
          "splits":{"1598880600":{"date":1598880600,"numerator":4,"denominator":1,"splitRatio":"4:1"}}},
        "indicators":{"quote":[{"open":[126.01249694824219,127.58000183105469,null,137.58999633789062],
          "high":[126.44249725341797,131.0,null,137.97999572753906],"low":[124.57749938964844,126.0,null,127.0],
          "close":[124.80750274658203,129.0399932861328,null,131.39999389648438],
          "volume":[187151424,225702700,null,200119000]}],"adjclose":[{"adjclose":[122.1,126.2,null,128.5]}]}}],"error":null}}"#;

    async fn source(body: &str) -> (Server, Arc<dyn PriceSource>) {
        let server = Server::start(&[(PATH, Answered::ok(body))]).await;
        let mut providers = ProvidersConfig::default();
        providers.set("yahoo", "rest_url", server.url());
        let source = providers.price_source("yahoo", &Clock::accelerated(at("2020-09-02T19:00:00Z"), 1.0)).unwrap();
        (server, source)
    }

    #[tokio::test]
    async fn daily_bars_are_as_printed_over_a_split() {
        let (server, source) = source(SPLIT).await;
        let request = BarsRequest::days(&symbol("AAPL"), at("2020-08-01T00:00:00Z"), at("2020-09-02T23:59:59Z"));
        let page = source.bars_page(&request, None).await.unwrap();
        assert!(page.rejects.is_empty() && page.next.is_none(), "{page:?}");
        let found: Vec<(String, f64, f64, f64)> =
            page.items.iter().map(|bar| (bar.start.to_string(), bar.open, bar.close, bar.volume)).collect();
        let expected = [
            ("2020-08-28T04:00:00Z", 504.05, 499.23, 46_787_856.0),
            ("2020-08-31T04:00:00Z", 127.58, 129.04, 225_702_700.0),
            ("2020-09-02T04:00:00Z", 137.59, 131.4, 200_119_000.0),
        ];
        assert_eq!(found, expected.map(|(start, open, close, volume)| (start.to_owned(), open, close, volume)));
        assert!(page.items.iter().all(|bar| bar.width_s == Bar::DAY_S && bar.fault().is_none()));
        // The splits until today are needed, whatever the last day is.
        let earlier = BarsRequest { to: at("2020-08-29T00:00:00Z"), ..request };
        let earlier = source.bars_page(&earlier, None).await.unwrap().items;
        assert_eq!((earlier.len(), earlier[0].close), (1, 499.23));
        let now = at("2020-09-02T19:00:00Z").as_second();
        for asked in server.requests() {
            let period2 =
                asked.query.split("period2=").nth(1).unwrap().split('&').next().unwrap().parse::<i64>().unwrap();
            assert!((now..now + 60).contains(&period2), "{asked:?}");
            assert!(asked.query.contains("interval=1d&period1=1596240000"), "{asked:?}");
            assert!(asked.query.contains("events=div%2Csplit"), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn splits_and_dividends_are_those_that_the_chart_lists() {
        let (_server, source) = source(SPLIT).await;
        let listed = async |list, from, to| {
            let request = ActionsRequest { list, symbols: vec![symbol("AAPL")], from, to };
            let page = source.actions_page(&request, None).await.unwrap();
            assert!(page.rejects.is_empty() && page.next.is_none(), "{page:?}");
            page.items.into_iter().map(|action| (action.ex_date, action.kind)).collect::<Vec<_>>()
        };
        let (august, monday) = (date(2020, 8, 1), date(2020, 8, 31));
        let split = ActionKind::Split { from: 1.0, to: 4.0 };
        assert_eq!(listed(ActionList::Splits, august, monday).await, [(monday, split)]);
        let paid = ActionKind::Dividend { amount: 0.82, currency: "USD".into() };
        assert_eq!(listed(ActionList::Dividends, august, monday).await, [(date(2020, 8, 7), paid)]);
        assert_eq!(listed(ActionList::Dividends, monday, monday).await, []);
    }

    #[tokio::test]
    async fn a_symbol_that_is_not_known_is_a_reject_and_the_others_follow() {
        let unknown = r#"{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found, symbol may be delisted"}}}"#;
        let answers = [
            ("/v8/finance/chart/GONE", Answered::status(404, unknown)),
            ("/v8/finance/chart/TORN", Answered::ok("{\"chart\":{\"result\":null,\"error\":null}}")),
            (PATH, Answered::ok(SPLIT)),
        ];
        let server = Server::start(&answers).await;
        let mut providers = ProvidersConfig::default();
        providers.set("yahoo", "rest_url", server.url());
        let source = providers.price_source("yahoo", &Clock::wall()).unwrap();
        let symbols = ["GONE", "TORN", "AAPL"].map(symbol).to_vec();
        let (from, to) = (date(2020, 8, 1), date(2020, 8, 31));
        let request = ActionsRequest { list: ActionList::Splits, symbols, from, to };
        let first = source.actions_page(&request, None).await.unwrap();
        assert_eq!((first.items.len(), first.rejects.len()), (0, 1), "so that nothing is taken for withdrawn");
        let torn = source.actions_page(&request, first.next.as_ref()).await.unwrap();
        assert_eq!((torn.items.len(), torn.rejects.len()), (0, 1), "an answer that can't be read");
        let last = source.actions_page(&request, torn.next.as_ref()).await.unwrap();
        assert_eq!((last.items.len(), last.next), (1, None));
        let days = BarsRequest::days(&symbol("GONE"), at("2020-08-01T00:00:00Z"), at("2020-08-31T00:00:00Z"));
        assert_eq!(source.bars_page(&days, None).await.unwrap().items, []);
    }

    #[test]
    fn without_a_split_that_can_be_read_no_price_before_it_is_known() {
        let request = BarsRequest::days(&symbol("AAPL"), at("2020-08-01T00:00:00Z"), at("2020-09-02T23:59:59Z"));
        let read = |body: &str| bars("yahoo", PATH, body.as_bytes(), &request, at("2020-09-02T19:00:00Z")).unwrap();
        for (from, to, reason) in [
            ("\"denominator\":1", "\"denominator\":0", "a split can't be read"),
            ("{\"date\":1598880600", "{\"date\":1", "a split can't be read"),
            ("\"1d\"", "\"1m\"", "of 1m and not of 1d"),
        ] {
            assert!(SPLIT.contains(from), "{from}");
            let page = read(&SPLIT.replacen(from, to, 1));
            assert!(page.items.is_empty() && page.rejects.len() == 1, "{page:?}");
            assert!(page.rejects[0].reason.contains(reason), "{:?}", page.rejects);
        }
        let torn = read(&SPLIT.replacen("126.44249725341797", "1", 1));
        assert!(torn.items.len() == 2 && torn.rejects.len() == 1, "a row costs only itself: {torn:?}");
        let later = BarsRequest { from: at("2020-08-30T00:00:00Z"), ..request.clone() };
        let body = SPLIT.replacen("126.44249725341797", "1", 1);
        let page = bars("yahoo", PATH, body.as_bytes(), &later, at("2020-09-02T19:00:00Z")).unwrap();
        assert!(page.items.len() == 2 && page.rejects.is_empty(), "a row of another day is nobody's: {page:?}");
        let undated = SPLIT.replacen("\"date\":1596807000", "\"date\":1", 1);
        let (from, to) = (date(2020, 8, 1), date(2020, 8, 31));
        let asked = ActionsRequest { list: ActionList::Dividends, symbols: vec![symbol("AAPL")], from, to };
        let (now, own) = (at("2020-09-02T19:00:00Z"), symbol("AAPL"));
        let page = actions("yahoo", PATH, undated.as_bytes(), &own, &asked, now).unwrap();
        assert_eq!((page.items.len(), page.rejects.len()), (0, 1), "so that the one sent before is not withdrawn");
    }
}
