//! Splits and dividends through the price feed: from the simulated provider, and from a source that changes its mind.

use crate::common::{Kafka, PARTITIONS, Provider, SIMULATED, symbol, time, until};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tapewire_bus::Topic;
use tapewire_core::record::Tape;
use tapewire_core::tape::ActionKind;
use tapewire_core::{ActionRecord, Bar, CorporateAction, Run};
use tapewire_ingest::feed::{PriceFeed, PriceFeedConfig, PricesConfig};
use tapewire_ingest::providers::{
    ActionList, ActionsRequest, BarsRequest, Cursor, Frame, Page, PriceConnection, PriceSource, ProviderError, Reject,
    Subscription,
};
use tapewire_ingest::simulate::{Faults, SimulatorConfig};
use tapewire_ingest::writer::WatermarkStream;
use tapewire_runtime::{Clock, Readiness, Shutdown};

/// The day before the simulated split.
const ORIGIN: &str = "2025-06-04T13:29:00Z";

fn split(ticker: &str, ex_date: &str, to: f64) -> CorporateAction {
    let kind = ActionKind::Split { from: 1.0, to };
    let received_at = Timestamp::UNIX_EPOCH;
    CorporateAction {
        symbol: symbol(ticker),
        ex_date: ex_date.parse().unwrap(),
        id: format!("1:{to}"),
        kind,
        received_at,
    }
}

/// What is on the topic, with its partition: `SHOP 2022-06-22 1:10 is 1 to 10`.
async fn sent(kafka: &Kafka) -> Vec<(i32, String, Timestamp)> {
    let records = kafka.read(Topic::Actions).await;
    let shown = |payload: &[u8]| {
        let CorporateAction { symbol, ex_date, id, kind, received_at } = ActionRecord::decode(payload).unwrap().body;
        let kind = match kind {
            ActionKind::Split { from, to } => format!("{from} to {to}"),
            ActionKind::Dividend { amount, currency } => format!("{amount} {currency}"),
        };
        (format!("{symbol} {ex_date} {id} is {kind}"), received_at)
    };
    records
        .iter()
        .map(|record| {
            let (text, received_at) = shown(&record.payload);
            (record.partition, text, received_at)
        })
        .collect()
}

/// The texts of [`sent`] by the time they were received, each version once.
async fn versions(kafka: &Kafka) -> Vec<String> {
    let mut all = sent(kafka).await;
    all.sort_by(|one, other| (one.2, &one.1).cmp(&(other.2, &other.1)));
    let mut versions: Vec<String> = Vec::new();
    for (_, text, _) in all {
        if !versions.contains(&text) {
            versions.push(text);
        }
    }
    versions
}

#[tokio::test]
async fn the_simulated_providers_actions_are_sent_before_its_bars_and_then_regularly() {
    for faults in [Faults::default(), Faults { rate_limit_every: 2, ..Faults::default() }] {
        let kafka = Kafka::start("actions").await;
        let simulator = SimulatorConfig { history_sessions: 2, faults, ..SimulatorConfig::default() };
        let provider = Provider::start(simulator, ORIGIN, 1200.0).await;
        let state = tempfile::tempdir().unwrap();
        let config = PricesConfig {
            symbols: ["WMT", "KO", "AAPL"].map(symbol).to_vec(),
            warmup: Duration::from_secs(24 * 3600),
            actions_every: Duration::from_secs(600),
            ..PricesConfig::default()
        };
        let source = provider.providers.price_source(SIMULATED, &provider.clock).unwrap();
        let (stream, producer) = (WatermarkStream::prices(0, 1, SIMULATED), kafka.producer.clone());
        let (config, clock) = (config.of(SIMULATED), provider.clock.clone());
        let feed = PriceFeed::new(config, source, stream, state.path(), producer, clock, Readiness::default()).unwrap();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(feed.run(shutdown.clone()));
        until(async || running.is_finished() || sent(&kafka).await.len() >= 6 && !kafka.bars().await.is_empty()).await;
        shutdown.cancel();
        running.await.unwrap().unwrap();

        let expected = ["WMT 2025-06-05 1:3 is 1 to 3".to_owned(), "KO 2025-06-06 CD 0.51 USD is 0.51 USD".to_owned()];
        let mut found = versions(&kafka).await;
        found.sort_by_key(|text| text.starts_with("KO"));
        assert_eq!(found, expected);
        let first = sent(&kafka).await.into_iter().map(|(_, _, received_at)| received_at).min().unwrap();
        if faults.rate_limit_every == 0 {
            assert!(kafka.bars().await.iter().all(|bar| first < bar.received_at), "known before any bar is here");
        }
        assert!(state.path().join(format!("actions-{SIMULATED}.json")).exists());
        provider.shutdown.cancel();
        kafka.clean().await;
    }
}

/// What a source shows of a list when it is asked for the n-th time.
type Show = Box<dyn Fn(usize, ActionList) -> Result<Vec<Page<CorporateAction>>, ProviderError> + Send + Sync>;

/// A source without bars, whose lists a test computes.
struct Scripted {
    show: Show,
    clock: Clock,
    /// How often each list has been asked for from its beginning.
    asked: Mutex<[usize; 2]>,
}

/// A connection on which nothing comes.
struct Quiet;

#[async_trait]
impl PriceConnection for Quiet {
    fn origin(&self) -> &str {
        "quiet"
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        std::future::pending().await
    }
}

#[async_trait]
impl PriceSource for Scripted {
    fn name(&self) -> &str {
        "desk"
    }

    fn check(&self, _: &Subscription) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn connect(&self, _: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        Ok(Box::new(Quiet))
    }

    async fn bars_page(&self, _: &BarsRequest, _: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        Ok(Page { items: Vec::new(), rejects: Vec::new(), origin: "/bars".into(), next: None })
    }

    async fn actions_page(
        &self,
        request: &ActionsRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page<CorporateAction>, ProviderError> {
        assert!(request.from < Date::constant(2022, 6, 1) && request.to > Date::constant(2022, 6, 26), "{request:?}");
        let number: usize = cursor.map_or(0, |cursor| cursor.0.parse().unwrap());
        let at = usize::from(request.list == ActionList::Dividends);
        let time = {
            let mut asked = self.asked.lock().unwrap();
            asked[at] += usize::from(cursor.is_none());
            asked[at] - 1
        };
        let mut pages = (self.show)(time, request.list)?;
        let next = (number + 1 < pages.len()).then(|| Cursor((number + 1).to_string()));
        let mut page = pages.swap_remove(number);
        page.items.iter_mut().for_each(|action| action.received_at = self.clock.now());
        Ok(Page { next, ..page })
    }
}

fn pages(pages: &[&[CorporateAction]]) -> Vec<Page<CorporateAction>> {
    let page = |items: &&[CorporateAction]| Page {
        items: items.to_vec(),
        rejects: Vec::new(),
        origin: "/actions".into(),
        next: None,
    };
    pages.iter().map(page).collect()
}

fn config() -> PriceFeedConfig {
    let prices = PricesConfig {
        sources: vec!["desk".into()],
        symbols: ["SHOP", "BRW"].map(symbol).to_vec(),
        actions_every: Duration::from_secs(3600),
        ..PricesConfig::default()
    };
    // There are no bars, so none can be missing.
    PriceFeedConfig { reference: None, ..prices.of("desk") }
}

fn clock() -> Clock {
    Clock::accelerated(time("2022-06-20T12:00:00Z"), 10_000.0)
}

/// Runs a feed of `show` until `done`.
async fn follow(
    kafka: &Kafka,
    clock: &Clock,
    state: &Path,
    show: impl Fn(usize, ActionList) -> Result<Vec<Page<CorporateAction>>, ProviderError> + Send + Sync + 'static,
    done: impl AsyncFn(&Scripted) -> bool,
) {
    let clock = clock.clone();
    let source = Arc::new(Scripted { show: Box::new(show), clock: clock.clone(), asked: Mutex::default() });
    let (stream, producer) = (WatermarkStream::prices(0, 1, "desk"), kafka.producer.clone());
    let feed = PriceFeed::new(config(), source.clone(), stream, state, producer, clock, Readiness::default()).unwrap();
    let shutdown = Shutdown::new();
    let running = tokio::spawn(feed.run(shutdown.clone()));
    until(async || running.is_finished() || done(&source).await).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

fn asked(source: &Scripted) -> [usize; 2] {
    *source.asked.lock().unwrap()
}

async fn has_watermark(kafka: &Kafka) -> bool {
    kafka.tape().await.iter().any(|(_, body)| matches!(body, Tape::Watermark(_)))
}

#[tokio::test]
async fn a_split_that_is_moved_or_cancelled_is_withdrawn_also_after_a_restart() {
    let (kafka, clock) = (Kafka::start("actions-moved").await, clock());
    let state = tempfile::tempdir().unwrap();
    let splits = |list, all: &[CorporateAction]| match list {
        // On two pages, the first without anything.
        ActionList::Splits => Ok(pages(&[&[], all])),
        ActionList::Dividends => Ok(pages(&[&[]])),
    };
    let show = move |_, list| {
        splits(
            list,
            &[split("SHOP", "2022-06-22", 10.0), split("BRW", "2022-06-23", 2.0), split("X", "2022-06-22", 3.0)],
        )
    };
    follow(&kafka, &clock, state.path(), show, async |source| asked(source)[1] > 2).await;
    let first = ["BRW 2022-06-23 1:2 is 1 to 2", "SHOP 2022-06-22 1:10 is 1 to 10"];
    let found: BTreeSet<String> = versions(&kafka).await.into_iter().collect();
    assert_eq!(found, first.map(str::to_owned).into(), "X is not one of its symbols");

    // SHOP's is moved, at first with both days in the list; BRW's is cancelled.
    let show = move |time, list| match time {
        0 => splits(
            list,
            &[split("BRW", "2022-06-23", 2.0), split("SHOP", "2022-06-22", 10.0), split("SHOP", "2022-06-24", 10.0)],
        ),
        _ => splits(list, &[split("SHOP", "2022-06-24", 10.0)]),
    };
    follow(&kafka, &clock, state.path(), show, async |source| asked(source)[1] > 4).await;
    let found: BTreeSet<String> = versions(&kafka).await.into_iter().collect();
    let expected = [
        first[0],
        first[1],
        "BRW 2022-06-23 1:2 is 1 to 1",
        "SHOP 2022-06-22 1:10 is 1 to 1",
        "SHOP 2022-06-24 1:10 is 1 to 10",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
    // Of each key the version received last counts.
    let mut all = sent(&kafka).await;
    all.sort_by_key(|(_, _, received_at)| *received_at);
    let last = |key: &str| all.iter().rfind(|(_, text, _)| text.starts_with(key)).unwrap().1.clone();
    assert_eq!(last("SHOP 2022-06-22"), "SHOP 2022-06-22 1:10 is 1 to 1");
    assert_eq!(last("SHOP 2022-06-24"), "SHOP 2022-06-24 1:10 is 1 to 10");
    assert_eq!(last("BRW"), "BRW 2022-06-23 1:2 is 1 to 1");
    kafka.clean().await;
}

#[tokio::test]
async fn an_empty_answer_withdraws_nothing_before_the_next_one_is_empty_too() {
    let (kafka, clock) = (Kafka::start("actions-empty").await, clock());
    let state = tempfile::tempdir().unwrap();
    // BRW's is missing from one answer, all are from another; then SHOP's is gone for good.
    let show = |time, list| {
        let (shop, brw) = (split("SHOP", "2022-06-22", 10.0), split("BRW", "2022-06-23", 2.0));
        Ok(match (list, time) {
            (ActionList::Dividends, _) | (_, 3) => pages(&[&[]]),
            (ActionList::Splits, 1) => pages(&[&[shop]]),
            (ActionList::Splits, 0 | 2 | 4) => pages(&[&[shop, brw]]),
            (ActionList::Splits, _) => pages(&[&[brw]]),
        })
    };
    follow(&kafka, &clock, state.path(), show, async |source| asked(source)[1] > 7).await;
    let found: BTreeSet<String> = versions(&kafka).await.into_iter().collect();
    let expected =
        ["BRW 2022-06-23 1:2 is 1 to 2", "SHOP 2022-06-22 1:10 is 1 to 10", "SHOP 2022-06-22 1:10 is 1 to 1"];
    assert_eq!(found, expected.map(str::to_owned).into());
    kafka.clean().await;
}

#[tokio::test]
async fn nothing_is_withdrawn_while_a_part_of_the_list_cannot_be_read() {
    let (kafka, clock) = (Kafka::start("actions-torn").await, clock());
    let state = tempfile::tempdir().unwrap();
    let show = |time, list| {
        let mut shown = match (time, list) {
            (0, ActionList::Splits) => pages(&[&[split("SHOP", "2022-06-22", 10.0)]]),
            _ => pages(&[&[]]),
        };
        if time > 0 && list == ActionList::Splits {
            shown[0].rejects.push(Reject::new("{\"ticker\":\"SHOP\"}", "missing field `execution_date`"));
        }
        Ok(shown)
    };
    follow(&kafka, &clock, state.path(), show, async |source| asked(source)[1] > 3).await;
    assert_eq!(versions(&kafka).await, ["SHOP 2022-06-22 1:10 is 1 to 10"]);
    let letters = kafka.dead_letters().await;
    assert!(!letters.is_empty());
    assert!(letters.iter().all(|letter| letter.origin == "desk /actions" && letter.stage == "price-feed"));
    // A list of the letters of the live run has them.
    assert!(letters.iter().all(|letter| letter.run == Some(Run::live())), "{letters:?}");
    kafka.clean().await;
}

#[tokio::test]
async fn a_source_without_actions_or_one_that_fails_is_followed_all_the_same() {
    let unsupported =
        |_, list: ActionList| Err(ProviderError::Unsupported { provider: "desk".into(), what: list.name().into() });
    let refused = |_, _| {
        Err(ProviderError::NotAuthorized {
            provider: "desk".into(),
            what: "/splits".into(),
            message: "upgrade your plan".into(),
        })
    };
    let failing = |_, _| {
        let path = "/splits".into();
        Err(ProviderError::Failed {
            provider: "desk".into(),
            path,
            status: 500,
            message: "busy".into(),
            retry_after: None,
        })
    };
    let endless = |_, _| Ok(pages(&[&[] as &[CorporateAction]; 100]));
    let shows: [Show; 4] = [Box::new(unsupported), Box::new(refused), Box::new(failing), Box::new(endless)];
    for show in shows {
        let (kafka, clock) = (Kafka::start("actions-none").await, clock());
        let state = tempfile::tempdir().unwrap();
        follow(&kafka, &clock, state.path(), show, async |_| has_watermark(&kafka).await).await;
        assert!(has_watermark(&kafka).await && sent(&kafka).await.is_empty());
        kafka.clean().await;
    }
}

#[tokio::test]
async fn a_failure_of_one_attempt_is_made_up_for_by_the_next() {
    let (kafka, clock) = (Kafka::start("actions-retry").await, clock());
    let state = tempfile::tempdir().unwrap();
    let show = |time, list| match (time, list) {
        (1, ActionList::Dividends) => Err(ProviderError::BadRequest {
            provider: "desk".into(),
            path: "/dividends".into(),
            status: 400,
            message: "the cursor has expired".into(),
        }),
        (0, ActionList::Dividends) => {
            let path = "/dividends".into();
            Err(ProviderError::Failed {
                provider: "desk".into(),
                path,
                status: 503,
                message: "busy".into(),
                retry_after: None,
            })
        }
        (_, ActionList::Splits) => Ok(pages(&[&[split("SPY", "2022-06-22", 2.0)]])),
        _ => Ok(pages(&[&[]])),
    };
    follow(&kafka, &clock, state.path(), show, async |source| asked(source)[1] > 4).await;
    assert_eq!(versions(&kafka).await, ["SPY 2022-06-22 1:2 is 1 to 2"]);
    let partitions: BTreeSet<i32> = sent(&kafka).await.into_iter().map(|(partition, _, _)| partition).collect();
    assert_eq!(partitions, (0..PARTITIONS).collect(), "the benchmark's are on every partition");
    kafka.clean().await;
}
