//! What identifies a joined row: run, company, provider and the provider's own id of the article.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use support::market::config;
use support::{Process, TOPICS, Topics};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Mention, Run, Watermark};
use tapewire_joiner::join::JoinTopic;
use tapewire_testkit::at;

fn mention(provider: &str, revision: u64, published_at: &str) -> (Run, Scored) {
    let mention = Mention {
        article_revision: revision,
        title: provider.into(),
        provider: provider.into(),
        ..tapewire_testkit::mention("AAA", at(published_at))
    };
    (Run::live(), Scored::Mention(mention))
}

fn bar(start: &str, price: f64) -> (Run, Tape) {
    (Run::live(), Tape::Bar(tapewire_testkit::bar("AAA", at(start), price)))
}

/// Two providers gave different articles about one company the same id. An edit of one leaves the other's row alone.
#[test]
fn the_same_article_id_of_two_providers_gives_two_rows() {
    let topics = Topics {
        sentiment: vec![
            mention("one", 1, "2024-07-02T14:00:10Z"),
            mention("two", 1, "2024-07-02T14:05:10Z"),
            mention("one", 2, "2024-07-02T14:10:10Z"),
        ],
        bars: vec![
            bar("2024-07-02T14:01:00Z", 100.0),
            bar("2024-07-02T14:06:00Z", 105.0),
            bar("2024-07-02T14:11:00Z", 110.0),
            (Run::live(), Tape::Watermark(Watermark::new(0, 1, at("2024-07-02T14:12:00Z")))),
        ],
        halts: Vec::new(),
        actions: Vec::new(),
    };
    for order in [TOPICS, [JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions, JoinTopic::Sentiment]] {
        for killed_after in 0..topics.total() {
            let mut process = Process::start(&topics, &config());
            let turns = order.into_iter().flat_map(|topic| std::iter::repeat_n(topic, topics.len(topic)));
            for (i, topic) in turns.enumerate() {
                process.read(topic);
                process.commit();
                if i == killed_after {
                    process.kill(0);
                }
            }
            let table = process.finish(order);
            let found: Vec<_> =
                table.rows().map(|r| (&*r.mention.provider, r.mention.article_revision, r.entry_price)).collect();
            assert_eq!(found, [("one", 2, Some(110.0)), ("two", 1, Some(105.0))], "killed after {killed_after}");
        }
    }
}
