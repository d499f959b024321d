//! Files of news and bars are read, and the records that would be sent are checked.

mod bars;
mod compared;
mod knowable;
mod markets;
mod news;
mod refused;
mod stamped;
mod stretches;
mod traded;
mod trades;
mod width;
mod zones;

use super::*;
use tapewire_core::{Article, Bar};

/// What is made of the files of a replay.
struct Read {
    prepared: Prepared,
}

/// Reads files of these contents with the options. A file whose name begins with `news` holds news; all others hold
/// bars.
fn read(files: &[(&str, &str)], options: &ReplayOptions) -> Result<Read, String> {
    let folder = tempfile::tempdir().unwrap();
    let of_kind = |kind: &str| {
        let own =
            files.iter().filter(|(name, _)| name.starts_with(kind) || (kind == "bars" && !name.starts_with("news")));
        own.map(|(name, content)| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        })
        .collect()
    };
    let inputs = Inputs { news: of_kind("news"), bars: of_kind("bars") };
    let prepared = prepare(&inputs, options, |_| Ok(())).map_err(|error| tapewire_runtime::chain(&error))?;
    Ok(Read { prepared })
}

const BARS: &str = "symbol,start,open,high,low,close,volume
AAPL,2025-05-12T14:00:00Z,200,201,199,200,100
AAPL,2025-05-12T14:01:00Z,200,201,199,200,100
SPY,2025-05-12T14:01:00Z,500,501,499,500,100
";
const NEWS: &str =
    r#"{"id":"a1","title":"Maker lifts its outlook","published_at":"2025-05-12T14:00:00Z","symbols":["AAPL"]}"#;

fn news(lines: &str) -> Read {
    read(&[("news.jsonl", lines), ("bars.csv", BARS)], &ReplayOptions::default()).unwrap()
}

fn bars(csv: &str) -> Result<Read, String> {
    bars_with(csv, &ReplayOptions::default())
}

fn bars_with(csv: &str, options: &ReplayOptions) -> Result<Read, String> {
    read(&[("news.jsonl", NEWS), ("bars.csv", csv)], options)
}

fn zone(name: &str) -> Option<TimeZone> {
    Some(TimeZone::get(name).unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Read {
    fn article(&self, id: &str) -> &Article {
        let mut found = self.prepared.articles.iter().filter(|article| article.id == id);
        let article = found.next().unwrap_or_else(|| panic!("no {id}: {:?}", self.reasons()));
        assert!(found.next().is_none(), "several {id}");
        article
    }

    fn symbols(&self, id: &str) -> Vec<String> {
        self.article(id).symbols.iter().map(ToString::to_string).collect()
    }

    /// The line and the reason of every row that does not count.
    fn reasons(&self) -> Vec<(u64, String)> {
        self.prepared.rejected.iter().map(|row| (row.origin.number, row.reason.clone())).collect()
    }

    fn parts(&self) -> Vec<(u64, String)> {
        self.prepared.in_part.iter().map(|row| (row.origin.number, row.reason.clone())).collect()
    }

    fn bars(self) -> Vec<Bar> {
        self.prepared.bars.into_bars().collect()
    }

    fn notes(&self) -> String {
        self.prepared.notes().join("\n")
    }
}

#[test]
fn a_file_with_nothing_to_read_is_refused_with_the_reasons() {
    let header = "symbol,start,open,high,low,close,volume\n";
    for (news, bars, parts) in [
        ("", BARS, &["news.jsonl"][..]),
        (NEWS, header, &["bars.csv"]),
        (NEWS, "", &["bars.csv"]),
        ("{\"id\":1}\n{\"id\":2}\n", BARS, &["none of its 2 rows", "no published_at"]),
        (NEWS, "symbol,start\nA,1\n", &["bars.csv", "no open", "symbol, start", "--bar-columns open=NAME"]),
        (NEWS, "symbol,start,open,high,low,close\nA,1,1,1,1,1\n", &["no volume", "`volume=`"]),
    ] {
        let refused = read(&[("news.jsonl", news), ("bars.csv", bars)], &ReplayOptions::default()).err().unwrap();
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
    }
}

#[test]
fn news_in_other_wrappings_are_news() {
    let pretty = "{\n \"id\": \"a1\",\n \"title\": \"T\",\n \"published_at\": \"2025-05-12T13:30:20Z\",\n \"symbols\": [\n  \"AAPL\"\n ]\n}\n";
    let csv = "id,headline,date,tickers\na1,\"Up, and away\",2025-05-12T13:30:20Z,\"AAPL,MSFT\"\n";
    for (content, mentions) in [(&format!("[{NEWS},{}]", NEWS.replace("a1", "a2"))[..], 2), (pretty, 1), (csv, 2)] {
        assert_eq!(news(content).prepared.mentions, mentions, "{content}");
    }
}

#[test]
fn an_absent_benchmark_is_said_and_refused_where_it_was_asked_for() {
    let options = |benchmark: &str, is_required| ReplayOptions {
        benchmark: Some(Symbol::new(benchmark).unwrap()),
        benchmark_is_required: is_required,
        ..ReplayOptions::default()
    };
    assert!(bars_with(BARS, &options("QQQ", true)).err().unwrap().contains("no bar of QQQ"));
    assert!(bars_with(BARS, &options("QQQ", false)).unwrap().notes().contains("no bar of the benchmark QQQ"));
    assert!(!bars_with(BARS, &options("SPY", true)).unwrap().notes().contains("benchmark"));
}

#[test]
fn a_run_is_named_by_what_is_sent() {
    let name = |options: &ReplayOptions| bars_with(BARS, options).unwrap().prepared.run.to_string();
    let plain = name(&ReplayOptions::default());
    assert_eq!(plain, name(&ReplayOptions::default()));
    assert_ne!(plain, name(&ReplayOptions { delay: Duration::from_secs(2), ..ReplayOptions::default() }));
    assert_ne!(plain, name(&ReplayOptions { benchmark: None, ..ReplayOptions::default() }));
    assert!(plain.starts_with("replay-") && plain.len() == "replay-".len() + 12);
}
