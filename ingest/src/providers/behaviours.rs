//! What every stream does when something goes wrong, in the same way for all providers: docs/sources.md has the table.

use super::testing::{Answered, Server, Step, Stream};
use super::{ApiKey, PriceSource, ProviderError, ProvidersConfig, Subscription};
use std::sync::Arc;
use tapewire_runtime::Clock;
use tapewire_testkit::symbol;

/// A provider with a stream.
struct Case {
    kind: &'static str,
    /// Empty if it needs none.
    key: &'static str,
    url_setting: &'static str,
    silence_setting: &'static str,
    symbol: &'static str,
    /// Path of the websocket.
    path: &'static str,
    /// What it says and hears until the subscription to bars, or to trades, stands.
    opening: &'static [&'static str],
}

/// In an opening: waits for a message.
const HEAR: &str = "";

const CASES: [Case; 7] = [
    Case {
        kind: "massive",
        key: "s3cret",
        url_setting: "websocket_url",
        silence_setting: "silence_timeout",
        symbol: "AAPL",
        path: "/",
        opening: &[
            r#"[{"ev":"status","status":"connected","message":"Connected Successfully"}]"#,
            HEAR,
            r#"[{"ev":"status","status":"auth_success","message":"authenticated"}]"#,
            HEAR,
            r#"[{"ev":"status","status":"success","message":"subscribed to: AM.AAPL"}]"#,
        ],
    },
    Case {
        kind: "alpaca",
        key: "PK1:s3cret",
        url_setting: "stream_url",
        silence_setting: "silence_timeout",
        symbol: "AAPL",
        path: "/v2/iex",
        opening: &[
            r#"[{"T":"success","msg":"connected"}]"#,
            HEAR,
            r#"[{"T":"success","msg":"authenticated"}]"#,
            HEAR,
            r#"[{"T":"subscription","trades":[],"bars":["AAPL"],"updatedBars":["AAPL"]}]"#,
        ],
    },
    Case {
        kind: "alpaca_crypto",
        key: "PK1:s3cret",
        url_setting: "stream_url",
        silence_setting: "silence_timeout",
        symbol: "X:BTCUSD",
        path: "/v1beta3/crypto/us",
        opening: &[
            r#"[{"T":"success","msg":"connected"}]"#,
            HEAR,
            r#"[{"T":"success","msg":"authenticated"}]"#,
            HEAR,
            r#"[{"T":"subscription","trades":[],"bars":["BTC/USD"],"updatedBars":["BTC/USD"]}]"#,
        ],
    },
    Case {
        kind: "finnhub",
        key: "s3cret",
        url_setting: "stream_url",
        silence_setting: "silence_timeout",
        symbol: "AAPL",
        path: "/",
        opening: &[HEAR],
    },
    Case {
        kind: "binance",
        key: "",
        url_setting: "stream_url",
        silence_setting: "silence_timeout",
        symbol: "X:BTCUSDT",
        path: "/",
        opening: &[HEAR, r#"{"result":null,"id":1}"#],
    },
    Case {
        kind: "coinbase",
        key: "",
        url_setting: "stream_url",
        silence_setting: "heartbeat_timeout",
        symbol: "X:BTCUSD",
        path: "/",
        opening: &[
            HEAR,
            HEAR,
            r#"{"channel":"subscriptions","sequence_num":0,"events":[{"subscriptions":{"heartbeats":["heartbeats"],"candles":["BTC-USD"]}}]}"#,
        ],
    },
    Case {
        kind: "kraken",
        key: "",
        url_setting: "stream_url",
        silence_setting: "heartbeat_timeout",
        symbol: "X:BTCUSD",
        path: "/",
        opening: &[
            HEAR,
            r#"{"method":"subscribe","result":{"channel":"ohlc","interval":1,"snapshot":false,"symbol":"BTC/USD"},"success":true}"#,
        ],
    },
];

impl Case {
    fn source(&self, url: &str) -> Arc<dyn PriceSource> {
        let mut providers = ProvidersConfig::default();
        for (setting, value) in [(self.url_setting, url), ("login_timeout", "2s"), (self.silence_setting, "600ms")] {
            providers.set(self.kind, setting, value);
        }
        providers.entry(self.kind).api_key = ApiKey::new(self.key);
        providers.price_source(self.kind, &Clock::wall()).unwrap()
    }

    fn subscription(&self) -> Subscription {
        let bars = self.kind != "finnhub";
        Subscription { symbols: vec![symbol(self.symbol)], bars, trades: !bars, halts: false }
    }

    fn script(&self, then: Step) -> Vec<Step> {
        let step = |said: &&str| if *said == HEAR { Step::Hear } else { Step::Say((*said).to_owned()) };
        self.opening.iter().map(step).chain([then]).collect()
    }
}

#[tokio::test]
async fn a_stream_that_is_silent_is_given_up_and_can_be_tried_again() {
    let silent = async |case: &Case| {
        let stream = Stream::start(vec![case.script(Step::Deafen)]).await;
        let mut connection = case.source(&stream.url()).connect(&case.subscription()).await.unwrap();
        let error = connection.next().await.unwrap_err();
        assert!(matches!(error, ProviderError::Silent { .. }) && error.is_retryable(), "{}: {error}", case.kind);
    };
    futures_util::future::join_all(CASES.iter().map(silent)).await;
}

#[tokio::test]
async fn each_connection_logs_in_and_subscribes_again() {
    for case in &CASES {
        let stream = Stream::start(vec![case.script(Step::Close), case.script(Step::Close)]).await;
        let source = case.source(&stream.url());
        for _ in 0..2 {
            let mut connection = source.connect(&case.subscription()).await.unwrap();
            assert!(connection.next().await.unwrap_err().is_retryable(), "{}", case.kind);
        }
        let heard = stream.received();
        let (first, second) = heard.split_at(heard.len() / 2);
        assert!(first == second && !first.is_empty(), "{}: {heard:?}", case.kind);
    }
}

#[tokio::test]
async fn a_refused_key_is_told_apart_from_too_many_connections_and_from_a_broken_network() {
    for case in &CASES {
        let answers = [401, 429, 503].map(|status| (case.path, Answered::status(status, "").with("retry-after", "7")));
        let server = Server::start(&answers).await;
        let source = case.source(&server.url().replace("http", "ws"));
        let at_the_door = async || source.connect(&case.subscription()).await.map(drop).unwrap_err();
        let refused = at_the_door().await;
        if case.key.is_empty() {
            assert!(matches!(refused, ProviderError::Refused { .. }) && refused.is_retryable(), "{refused}");
        } else {
            assert!(matches!(refused, ProviderError::NotAuthorized { .. }) && !refused.is_retryable(), "{refused}");
            let words = format!("{refused} {refused:?}");
            let variable = format!("TAPEWIRE_{}_API_KEY", case.kind.to_ascii_uppercase());
            assert!(words.contains(&variable) && !words.contains("s3cret"), "{words}");
        }
        let busy = at_the_door().await;
        assert!(
            busy.is_retryable() && busy.retry_after().is_some_and(|wait| wait.as_secs() == 7),
            "{}: {busy}",
            case.kind
        );
        assert!(at_the_door().await.is_retryable(), "{}", case.kind);
        let nobody = case.source("ws://127.0.0.1:1").connect(&case.subscription()).await.map(drop).unwrap_err();
        assert!(nobody.is_retryable() && !matches!(nobody, ProviderError::NotAuthorized { .. }), "{nobody}");
    }
}

#[tokio::test]
async fn a_stream_that_repeats_the_key_is_quoted_without_it() {
    for case in CASES.iter().filter(|case| !case.key.is_empty()) {
        let refusal = match case.kind {
            "massive" => r#"[{"ev":"status","status":"auth_failed","message":"key s3cret is not known"}]"#,
            "finnhub" => r#"{"type":"error","msg":"Invalid API key s3cret"}"#,
            _ => r#"[{"T":"error","code":402,"msg":"auth failed for s3cret"}]"#,
        };
        // Until the log-in was heard.
        let opening = case.script(Step::Close).into_iter().take(if case.opening[0] == HEAR { 1 } else { 2 });
        let stream = Stream::start(vec![opening.chain([Step::Say(refusal.to_owned())]).collect()]).await;
        let error = match case.source(&stream.url()).connect(&case.subscription()).await {
            Ok(mut connection) => connection.next().await.unwrap_err(),
            Err(error) => error,
        };
        let words = format!("{error} {error:?}");
        assert!(words.contains("[key]") && !words.contains("s3cret"), "{}: {words}", case.kind);
    }
}
