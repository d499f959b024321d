//! Replays dead letters: reads the rejected input once more, with the code of this build, and returns what to send.
//!
//! A record of a topic goes back to its topic; an item of a provider is parsed again by the source of that name. The
//! items keep the time at which the input was received. Live mentions are scored at the time of the replay, so a
//! replayed article counts as known from then on, and not since it was received.

use crate::feed::PricesConfig;
use crate::poller::{NewsConfig, NewsPollerConfig};
use crate::providers::{MarketEvent, ProviderError, ProvidersConfig, Rejected};
use crate::writer::Writer;
use crate::{IngestError, backfill, feed, instruments, poller, replay};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tapewire_bus::avro::Decoder;
use tapewire_bus::{Topic, dead_letter};
use tapewire_core::record::{News, Print, Scored, SourceTrade, Tape};
use tapewire_core::{
    ActionRecord, Article, Bar, CorporateAction, Halt, HaltRecord, InstrumentRecord, Mention, NewsRecord, Run,
    SentimentRecord, TapeRecord, Trade, TradeRecord,
};
use tapewire_runtime::{Clock, chain};

/// What a letter says of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadInput<'a> {
    /// The stage that could not read it.
    pub stage: &'a str,
    /// Where it came from.
    pub origin: &'a str,
    /// Why it could not be read.
    pub reason: &'a str,
    /// As received.
    pub bytes: &'a [u8],
    /// When it was received (UTC).
    pub at: Timestamp,
}

/// What is sent again.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// An article.
    Article(Article),
    /// A mention, and its record as it was on the topic, in JSON.
    Mention(Mention, Vec<u8>),
    /// A bar.
    Bar(Bar),
    /// A trade.
    Trade(Trade),
    /// A trade that becomes part of a bar.
    FoldTrade(SourceTrade),
    /// A halt or a resumption.
    Halt(Halt),
    /// A split or a dividend.
    Action(CorporateAction),
    /// An instrument: the record's key, and the record as it was on the topic, in JSON.
    Instrument(String, Vec<u8>),
}

/// What became of a letter that was read again.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadAgain {
    /// It can be read now; these are its items, of this run.
    Items(Run, Vec<Item>),
    /// It can't be sent again, for this reason, in words.
    Not(String),
}

impl ReadAgain {
    fn not(reason: impl Into<String>) -> Self {
        Self::Not(reason.into())
    }

    fn one(run: Run, item: Item) -> Self {
        Self::Items(run, vec![item])
    }

    /// The same, where trades of a source with `fold_trades` are those that become parts of bars, as the feed sends them. From
    /// plain trades no bars are made.
    #[must_use]
    pub fn folding(self, letter: &DeadInput<'_>, prices: &PricesConfig) -> Self {
        let source = letter.origin.split_once(' ').map_or("", |(source, _)| source);
        match self {
            Self::Items(run, items) if letter.stage == feed::STAGE && prices.of(source).fold_trades => {
                let folded = |item| match item {
                    Item::Trade(trade) => Item::FoldTrade(SourceTrade { source: source.to_owned(), trade }),
                    item => item,
                };
                Self::Items(run, items.into_iter().map(folded).collect())
            }
            read => read,
        }
    }
}

/// Reads the input of a letter again, as the sources with the settings `news` do. `decoder` reads records in Avro.
///
/// # Errors
/// A provider had to be asked for a list, or the schema registry for a schema, and did not answer; trying again later
/// can succeed.
pub fn read_again<'a>(
    letter: &'a DeadInput<'a>,
    providers: &'a ProvidersConfig,
    news: &'a NewsConfig,
    decoder: &'a Decoder,
    clock: &'a Clock,
) -> BoxFuture<'a, Result<ReadAgain, IngestError>> {
    Box::pin(async move {
        if dead_letter::is_cut(letter.reason) {
            return Ok(ReadAgain::not("only a part of its bytes is kept"));
        }
        if let Some(name) = letter.origin.strip_prefix("topic ").and_then(|rest| rest.split(',').next()) {
            let Some(topic) = Topic::named(name) else {
                return Ok(ReadAgain::not(format!("there is no topic `{name}`")));
            };
            return Ok(match decoder.json(topic, letter.bytes).await? {
                Ok(json) => record(topic, &json),
                Err(reason) => ReadAgain::not(format!("it still can't be read: {reason}")),
            });
        }
        match letter.stage {
            poller::STAGE | feed::STAGE => {}
            replay::STAGE => {
                let words =
                    "it is a row of a file: correct the file, or use a build that reads it, and replay the file again";
                return Ok(ReadAgain::not(words));
            }
            backfill::STAGE => {
                return Ok(ReadAgain::not("it is from a backfill: run the same `tapewire backfill` with --again"));
            }
            instruments::STAGE => return Ok(ReadAgain::not("lists of instruments are fetched again automatically")),
            "" => return Ok(ReadAgain::not("the letter itself could not be read")),
            other => return Ok(ReadAgain::not(format!("there is no stage `{other}` whose letters can be replayed"))),
        }
        let (Some((name, place)), Ok(raw)) = (letter.origin.split_once(' '), std::str::from_utf8(letter.bytes)) else {
            return Ok(ReadAgain::not("it does not say which source it is from, or is not text"));
        };
        let rejected = Rejected { place, raw, received_at: letter.at };
        let of_news = (letter.stage == poller::STAGE).then(|| news.of(name));
        match provider(name, of_news, &rejected, providers, clock).await {
            Err(error) if needs_waiting(&error) => Err(error),
            Err(error) => Ok(ReadAgain::not(chain(&error))),
            Ok(read) => Ok(read),
        }
    })
}

/// Whether a list could not be fetched. What can't be parsed is retryable for a poller, which asks again, but not here.
fn needs_waiting(error: &IngestError) -> bool {
    let IngestError::Provider(provider) = error else { return false };
    provider.is_retryable() && !matches!(provider, ProviderError::Unreadable { .. })
}

async fn provider(
    name: &str,
    of_news: Option<NewsPollerConfig>,
    rejected: &Rejected<'_>,
    providers: &ProvidersConfig,
    clock: &Clock,
) -> Result<ReadAgain, IngestError> {
    let (items, rejects): (Vec<Item>, _) = if let Some(config) = of_news {
        let page = config.source(name, providers, clock)?.read_again(rejected).await?.without_large_records();
        (page.items.into_iter().map(Item::Article).collect(), page.rejects)
    } else {
        let frame = providers.price_source(name, clock)?.read_again(rejected).await?;
        let item = |event| match event {
            MarketEvent::Bar(bar) => Item::Bar(bar),
            MarketEvent::Trade(trade) => Item::Trade(trade),
            MarketEvent::Halt(halt) => Item::Halt(halt),
        };
        (frame.events.into_iter().map(item).collect(), frame.rejects)
    };
    // An item that still has a flaw was sent without the flawed part when it was received.
    Ok(match rejects.first() {
        Some(reject) => ReadAgain::not(format!("it still can't be read: {}", reject.reason)),
        None if items.is_empty() => ReadAgain::not("it can be read now, but there is nothing in it to send"),
        None => ReadAgain::Items(Run::live(), items),
    })
}

/// Reads a record of a topic, which is JSON.
fn record(topic: Topic, bytes: &[u8]) -> ReadAgain {
    let read = match topic {
        Topic::News => NewsRecord::decode(bytes).map(|record| match record.body {
            News::Article(article) => ReadAgain::one(record.run, Item::Article(article)),
            News::Watermark(_) => watermark(),
        }),
        Topic::Sentiment => SentimentRecord::decode(bytes).map(|record| match record.body {
            Scored::Mention(mention) => ReadAgain::one(record.run, Item::Mention(mention, bytes.to_vec())),
            Scored::Watermark(_) => watermark(),
        }),
        Topic::Bars => TapeRecord::decode(bytes).map(|record| match record.body {
            Tape::Bar(bar) => ReadAgain::one(record.run, Item::Bar(bar)),
            Tape::BenchmarkBar(_) => ReadAgain::not("it is a copy of a bar; the bar itself is sent to every partition"),
            Tape::Watermark(_) => watermark(),
        }),
        Topic::Trades => TradeRecord::decode(bytes).map(|record| match record.body {
            Print::Trade(trade) => ReadAgain::one(record.run, Item::Trade(trade)),
            Print::Fold(trade) => ReadAgain::one(record.run, Item::FoldTrade(trade)),
            Print::BenchmarkFold(_) => {
                ReadAgain::not("it is a copy of a trade; the trade itself is sent to every partition")
            }
            Print::Gap(_) => ReadAgain::not("it says that trades were missing; their bars were left out or fetched"),
            Print::Watermark(_) => watermark(),
        }),
        Topic::Halts => HaltRecord::decode(bytes).map(|record| ReadAgain::one(record.run, Item::Halt(record.body))),
        Topic::Actions => {
            ActionRecord::decode(bytes).map(|record| ReadAgain::one(record.run, Item::Action(record.body)))
        }
        Topic::Instruments => InstrumentRecord::decode(bytes).map(|record| {
            let item = Item::Instrument(record.body.key(), bytes.to_vec());
            ReadAgain::one(record.run, item)
        }),
        Topic::DeadLetter => return ReadAgain::not("it is a dead letter that could not be read"),
    };
    read.unwrap_or_else(|error| ReadAgain::not(format!("it still can't be read: {error}")))
}

fn watermark() -> ReadAgain {
    ReadAgain::not("it is a watermark; later ones have taken its place")
}

impl Item {
    /// Sends it through `writer`, which is one of its run.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub fn send<'a>(self, writer: &'a mut Writer) -> BoxFuture<'a, Result<(), IngestError>> {
        Box::pin(async move {
            match self {
                Self::Article(article) => writer.article(article).await,
                Self::Mention(mention, record) => {
                    let of_article = || tapewire_core::article::article_key(&mention.provider, &mention.article_id);
                    let key = mention.symbol.as_ref().map_or_else(of_article, ToString::to_string);
                    writer.record(Topic::Sentiment, &key, &record).await
                }
                Self::Bar(bar) => writer.bar(bar).await,
                Self::Trade(trade) => writer.trade(trade).await,
                Self::FoldTrade(SourceTrade { source, trade }) => writer.fold_trade(&source, trade).await,
                Self::Halt(halt) => writer.halt(halt).await,
                Self::Action(action) => writer.action(action).await,
                Self::Instrument(key, record) => writer.record(Topic::Instruments, &key, &record).await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_bus::KafkaConfig;
    use tapewire_testkit::{article, at, bar};

    async fn read(stage: &str, origin: &str, reason: &str, bytes: &[u8]) -> ReadAgain {
        let letter = DeadInput { stage, origin, reason, bytes, at: at("2025-06-02T14:00:00Z") };
        let decoder = Decoder::new(&KafkaConfig::default()).unwrap();
        let (providers, news) = (ProvidersConfig::default(), NewsConfig::default());
        read_again(&letter, &providers, &news, &decoder, &Clock::wall()).await.unwrap()
    }

    fn reason(read: ReadAgain) -> String {
        match read {
            ReadAgain::Not(reason) => reason,
            ReadAgain::Items(..) => panic!("{read:?}"),
        }
    }

    #[tokio::test]
    async fn a_record_of_a_topic_is_sent_again_unless_it_is_a_copy_or_still_cannot_be_read() {
        let run = Run::named("may");
        let wire = article("Profit doubled", at("2025-06-02T14:00:00Z"));
        let bytes = NewsRecord::new(run.clone(), News::Article(wire.clone())).encode();
        let origin = "topic news, partition 2, offset 77";
        let items = ReadAgain::Items(run.clone(), vec![Item::Article(wire)]);
        assert_eq!(read("archive", origin, "old build", &bytes).await, items);
        let tape = bar("EXMP", at("2025-06-02T14:00:00Z"), 10.0);
        let bytes = TapeRecord::new(run.clone(), Tape::Bar(tape.clone())).encode();
        let origin = "topic bars, partition 0, offset 7";
        assert_eq!(
            read("joiner", origin, "old", &bytes).await,
            ReadAgain::Items(run.clone(), vec![Item::Bar(tape.clone())])
        );
        let copy = TapeRecord::new(run, Tape::BenchmarkBar(tape)).encode();
        assert!(reason(read("joiner", origin, "old", &copy).await).contains("copy"));
        assert!(reason(read("joiner", origin, "old", b"{\"v\":1}").await).contains("still can't be read"));
        assert!(reason(read("joiner", "topic nowhere, partition 0, offset 7", "", b"").await).contains("no topic"));
        // Avro, and no registry is set.
        let avro = reason(read("joiner", origin, "old", b"\0\0\0\0\x07").await);
        assert!(avro.contains("schema 7") && avro.contains("kafka.schema_registry.url"), "{avro}");
    }

    #[tokio::test]
    async fn an_item_of_a_provider_is_parsed_again_with_the_time_it_was_received() {
        let raw = r#"{"id":"a1","publisher":{"name":"Wire"},"title":"Profit doubled","published_utc":"2025-06-02T13:59:00Z","tickers":["EXMP"]}"#;
        let ReadAgain::Items(run, items) =
            read("news-poller", "massive /v2/reference/news", "old", raw.as_bytes()).await
        else {
            panic!("it can be read")
        };
        let [Item::Article(wire)] = items.as_slice() else { panic!("{items:?}") };
        assert!(run.is_live() && wire.id == "a1" && wire.provider == "massive");
        assert_eq!(wire.received_at, at("2025-06-02T14:00:00Z"));
        let flawed = raw.replace("\"EXMP\"", "\"A B\"");
        let still = reason(read("news-poller", "massive /v2/reference/news", "old", flawed.as_bytes()).await);
        assert!(still.contains("still") && still.contains("A B"), "{still}");

        let raw = br#"{"ev":"AM","sym":"EXMP","v":10,"o":1,"c":2,"h":3,"l":1,"s":1748872800000,"e":1748872860000}"#;
        let ReadAgain::Items(_, items) = read("price-feed", "massive websocket", "old", raw).await else {
            panic!("it can be read")
        };
        assert!(matches!(&items[..], [Item::Bar(bar)] if bar.close == 2.0), "{items:?}");
        let row = br#"[1748872800000,"1","3","1","2","10",1748872859999,"20",5,"1","1","0"]"#;
        let ReadAgain::Items(_, items) = read("price-feed", "binance /api/v3/klines X:BTCUSDT", "old", row).await
        else {
            panic!("it can be read")
        };
        assert!(matches!(&items[..], [Item::Bar(bar)] if bar.symbol.as_str() == "X:BTCUSDT"), "{items:?}");
        let item = b"<item><guid>g</guid><title>Profit (NYSE: IBM)</title><pubDate>Mon, 02 Jun 2025 13:59:00 GMT</pubDate></item>";
        let ReadAgain::Items(_, items) = read("news-poller", "prnewswire /rss", "old", item).await else {
            panic!("it can be read")
        };
        assert!(matches!(&items[..], [Item::Article(wire)] if wire.symbols[0].as_str() == "IBM"), "{items:?}");
    }

    #[tokio::test]
    async fn a_trade_of_a_source_that_folds_its_trades_is_sent_to_become_part_of_a_bar() {
        let raw = br#"{"ev":"T","sym":"EXMP","x":4,"i":"7","z":3,"p":2.5,"s":10,"c":null,"t":1748872800784,"q":3}"#;
        let origin = "massive websocket";
        let letter =
            DeadInput { stage: "price-feed", origin, reason: "old", bytes: raw, at: at("2025-06-02T14:00:00Z") };
        let read = read(letter.stage, origin, letter.reason, raw).await;
        let ReadAgain::Items(_, items) = read.clone().folding(&letter, &PricesConfig::default()) else {
            panic!("it can be read")
        };
        assert!(matches!(&items[..], [Item::Trade(_)]), "{items:?}");
        let folding = PricesConfig { fold_trades: true, ..PricesConfig::default() };
        let ReadAgain::Items(_, items) = read.folding(&letter, &folding) else { panic!("it can be read") };
        assert!(
            matches!(&items[..], [Item::FoldTrade(fold)] if fold.source == "massive" && fold.trade.price == 2.5),
            "{items:?}"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_replayed_says_why() {
        for (stage, origin, why, part) in [
            ("replay", "news.csv line 3", "no date", "replay the file again"),
            ("price-feed", "massive websocket", "x (the first 600000 of 700000 bytes are kept)", "only a part"),
            ("instruments", "sec", "x", "automatically"),
            ("news-poller", "nobody /x", "x", "no provider `nobody`"),
            ("price-feed", "massive /v3/reference/splits", "x", "/v3/reference/splits"),
            ("price-feed", "massive websocket", "x", "still can't be read: not json"),
        ] {
            let said = reason(read(stage, origin, why, b"{{").await);
            assert!(said.contains(part), "{origin}: {said}");
        }
    }
}
