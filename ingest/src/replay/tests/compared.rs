//! What the notes say of benchmarks, and of splits and dividends.

use super::*;

#[test]
fn symbols_of_a_market_without_a_benchmark_are_named() {
    let notes = |calendars: Calendars, benchmark: Option<&str>| {
        let benchmark = benchmark.map(|symbol| Symbol::new(symbol).unwrap());
        bars_with(BARS, &ReplayOptions { calendars, benchmark, ..ReplayOptions::default() }).unwrap().notes()
    };
    let mut london = Calendars::default();
    london.set("SPY", Market::London).unwrap();
    let said = notes(london.clone(), Some("SPY"));
    assert!(said.contains("calendar XNYS: 1 symbol, without a benchmark, so their alpha"), "{said}");
    assert!(said.contains("calendar XLON: 1 symbol, with the benchmark SPY"), "{said}");
    assert!(!notes(london, None).contains("calendar XNYS"));
    assert!(!notes(Calendars::default(), Some("SPY")).contains("calendar XNYS"));
}

#[test]
fn symbols_without_bars_of_the_benchmark_s_width_are_named() {
    let csv = |of_benchmark: &str| {
        format!(
            "symbol,timeframe,start,open,high,low,close,volume
AAPL,1Min,2025-05-12T14:00:00Z,1,2,1,2,10
AAPL,1Min,2025-05-12T14:01:00Z,1,2,1,2,10
MSFT,1Day,2025-05-12T04:00:00Z,1,2,1,2,10
{of_benchmark}SPY,1Day,2025-05-12T04:00:00Z,1,2,1,2,10
"
        )
    };
    let said = bars(&csv("")).unwrap().notes();
    assert!(said.contains("alpha, beta and ar_* of 1 symbols, such as AAPL, will be empty"), "{said}");
    assert!(said.contains("other widths than those of the benchmark SPY"), "{said}");
    let said = bars(&csv("SPY,1Min,2025-05-12T14:00:00Z,1,2,1,2,10\n")).unwrap().notes();
    assert!(!said.contains("will be empty"), "{said}");
}

#[test]
fn a_file_without_splits_or_dividends_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("actions.csv");
    let header = "symbol,ex_date,kind,from,to,amount,currency\n";
    let notes = |content: String| {
        std::fs::write(&path, content).unwrap();
        bars_with(BARS, &ReplayOptions { actions: Some(path.clone()), ..ReplayOptions::default() }).unwrap().notes()
    };
    assert!(notes(header.to_owned()).contains("actions.csv: it has no splits or dividends"));
    let said = notes(format!("{header}AAPL,2025-05-12,split,1,2,,\n"));
    assert!(said.contains("1 splits and dividends") && !said.contains("it has no splits"), "{said}");
    assert!(!bars(BARS).unwrap().notes().contains("dividends"));
}
