//! The REST interface as the provider's clients call it.

use super::*;
use serde_json::Value;

struct Served {
    url: String,
    http: reqwest::Client,
    shutdown: Shutdown,
}

impl Served {
    /// Wednesday, the exchange is open, and there are three sessions before.
    async fn start() -> Self {
        let clock = Clock::accelerated("2025-06-04T18:00:30Z".parse().unwrap(), 1.0);
        let config = SimulatorConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            history_sessions: 3,
            articles_per_hour: 5.0,
            ..SimulatorConfig::default()
        };
        let shutdown = Shutdown::new();
        let simulator = Simulator::new(config, clock, shutdown.clone());
        let listener = simulator.listen().await.unwrap();
        let (url, _) = urls(listener.local_addr().unwrap());
        tokio::spawn(simulator.serve(listener));
        Self { url, http: reqwest::Client::new(), shutdown }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let answer = self.http.get(url).bearer_auth("simulated").send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn ok(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn close(bar: &Value) -> f64 {
    bar["c"].as_f64().unwrap()
}

#[tokio::test]
async fn days_and_wider_bars_agree_with_the_minutes() {
    let served = Served::start().await;
    let minutes = served.ok("/v2/aggs/ticker/SPY/range/1/minute/2025-06-03/2025-06-03?limit=50000").await;
    let minutes = minutes["results"].as_array().unwrap().clone();
    assert_eq!(minutes.len(), 390);
    let five = served.ok("/v2/aggs/ticker/SPY/range/5/minute/2025-06-03/2025-06-03?limit=50000").await;
    assert_eq!((five["resultsCount"].as_u64(), close(&five["results"][77])), (Some(78), close(&minutes[389])));
    let days = served.ok("/v2/aggs/ticker/SPY/range/1/day/2025-06-02/2025-06-03").await;
    let day = &days["results"][1];
    assert_eq!((days["resultsCount"].as_u64(), close(day)), (Some(2), close(&minutes[389])));
    assert_eq!(day["o"], minutes[0]["o"]);
    // Midnight in New York.
    assert_eq!(day["t"], 1_748_923_200_000_i64);

    let grouped = served.ok("/v2/aggs/grouped/locale/us/market/stocks/2025-06-03").await;
    let spy = grouped["results"].as_array().unwrap().iter().find(|bar| bar["T"] == "SPY").unwrap();
    assert_eq!((grouped["resultsCount"].as_u64(), close(spy)), (Some(21), close(day)));
    let open_close = served.ok("/v1/open-close/SPY/2025-06-03").await;
    assert_eq!((&open_close["close"], &open_close["open"]), (&day["c"], &day["o"]));
    let previous = served.ok("/v2/aggs/ticker/SPY/prev").await;
    assert_eq!(previous["results"][0]["c"], day["c"]);
    assert_eq!(served.get("/v1/open-close/SPY/2025-06-07").await.0, 404, "a Saturday");
    assert_eq!(served.get("/v1/open-close/NOPE/2025-06-03").await.0, 404);
    assert_eq!(served.get("/v2/aggs/ticker/SPY/range/1/month/2025-06-02/2025-06-03").await.0, 400);
}

#[tokio::test]
async fn pages_of_bars_trades_and_tickers_hold_each_item_once() {
    let served = Served::start().await;
    for (first, key) in [
        ("/v2/aggs/ticker/SPY/range/5/minute/2025-06-03/2025-06-03?limit=20", "t"),
        ("/v2/aggs/ticker/SPY/range/5/minute/2025-06-03/2025-06-03?limit=20&sort=desc", "t"),
        ("/v3/trades/SPY?timestamp.gte=2025-06-03T14:00:00Z&timestamp.lt=2025-06-03T14:10:00Z&limit=13", "id"),
        ("/v3/reference/tickers?limit=5", "ticker"),
    ] {
        let (mut seen, mut next) = (Vec::new(), Some(first.to_owned()));
        while let Some(path) = next {
            let page = served.ok(&path).await;
            seen.extend(page["results"].as_array().unwrap().iter().map(|item| item[key].to_string()));
            next = page["next_url"].as_str().map(str::to_owned);
        }
        let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
        let expected = if first.contains("trades") {
            60
        } else if first.contains("tickers") {
            21
        } else {
            78
        };
        assert_eq!((seen.len(), distinct.len()), (expected, expected), "{first}");
    }
    let newest = served.ok("/v3/trades/SPY?limit=1").await;
    let last = served.ok("/v2/last/trade/SPY").await;
    assert_eq!(newest["results"][0]["price"], last["results"]["p"]);
}

#[tokio::test]
async fn snapshots_and_lists_have_the_providers_shapes() {
    let served = Served::start().await;
    let all = served.ok("/v2/snapshot/locale/us/markets/stocks/tickers?tickers=AAPL,SPY").await;
    assert_eq!(all["count"], 2);
    let spy = served.ok("/v2/snapshot/locale/us/markets/stocks/tickers/SPY").await;
    let previous = served.ok("/v2/aggs/ticker/SPY/prev").await;
    assert_eq!(spy["ticker"]["prevDay"]["c"], previous["results"][0]["c"]);
    let change = close(&spy["ticker"]["day"]) - close(&spy["ticker"]["prevDay"]);
    assert!((spy["ticker"]["todaysChange"].as_f64().unwrap() - change).abs() < 1e-9);
    for direction in ["gainers", "losers"] {
        let movers = served.ok(&format!("/v2/snapshot/locale/us/markets/stocks/{direction}")).await;
        let changes = movers["tickers"].as_array().unwrap().iter().map(|item| item["todaysChange"].as_f64().unwrap());
        assert!(changes.into_iter().all(|change| (change > 0.0) == (direction == "gainers")), "{movers}");
    }
    assert_eq!(served.ok("/v3/reference/tickers?search=apple").await["results"][0]["ticker"], "AAPL");
    assert_eq!(served.ok("/v3/reference/tickers/SPY").await["results"]["type"], "ETF");
    assert_eq!(served.ok("/v3/reference/tickers/types").await["count"], 2);
    assert_eq!(served.ok("/v3/reference/exchanges").await["results"][0]["mic"], "XNYS");
    assert_eq!(served.ok("/v1/marketstatus/now").await["market"], "open");
    let holidays = served.ok("/v1/marketstatus/upcoming").await;
    assert_eq!((&holidays[0]["date"], &holidays[0]["status"]), (&"2025-06-19".into(), &"closed".into()));
    assert_eq!(served.get("/v3/reference/tickers/NOPE").await.0, 404);
    let unauthorized = served.http.get(format!("{}/v1/marketstatus/now", served.url)).send().await.unwrap();
    assert_eq!(unauthorized.status().as_u16(), 401);
}
