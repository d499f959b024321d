//! What the plain join of `reference.rs` expects of a row, and how it is compared.

use jiff::Timestamp;
use tapewire_core::Impact;
use tapewire_core::impact::{MissingBars, PerHorizon, Status};

#[derive(Debug, PartialEq, Default)]
pub struct Expected {
    pub status: Option<Status>,
    pub width: Option<u32>,
    pub before: Option<(f64, Timestamp)>,
    pub entry: Option<(f64, Timestamp)>,
    pub returns: PerHorizon,
    pub abnormal: PerHorizon,
    pub model: Option<(f64, f64)>,
    pub volume_ratio: Option<f64>,
    pub stale: bool,
    pub halted: bool,
    pub gap: bool,
    pub no_open: bool,
    pub adjusted: bool,
    pub possible_split: bool,
    pub late: bool,
    pub official: [Option<bool>; 2],
    pub missing: Option<MissingBars>,
}

pub fn fill(
    expected: &mut Expected,
    i: usize,
    entry: f64,
    price: f64,
    length: f64,
    model: Option<(f64, f64)>,
    market: Option<(f64, f64)>,
) {
    let gained = (price / entry).ln();
    expected.returns[i] = Some(gained);
    if let (Some((alpha, beta)), Some((before, after))) = (model, market) {
        expected.abnormal[i] = Some(gained - alpha * length - beta * (after / before).ln());
    }
}

pub fn found(row: &Impact) -> Expected {
    Expected {
        status: Some(row.status),
        width: row.bar_width_s,
        before: row.price_before.zip(row.price_before_at),
        entry: row.entry_price.zip(row.entry_at),
        returns: row.returns,
        abnormal: row.abnormal,
        model: row.alpha.zip(row.beta),
        volume_ratio: row.volume_ratio,
        stale: row.quality.stale,
        halted: row.quality.halted,
        gap: row.quality.gap,
        no_open: row.quality.no_open,
        adjusted: row.quality.adjusted,
        possible_split: row.quality.possible_split,
        late: row.quality.late,
        official: [row.close_is_official, row.next_close_is_official],
        missing: row.missing_bars,
    }
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-8 * (1.0 + a.abs()),
        (None, None) => true,
        _ => false,
    }
}

pub fn assert_equal(found: &Expected, expected: &Expected, row: &Impact) {
    // Sums are taken in another order and differ by rounding; everything else is exact.
    let exact =
        |e: &Expected| Expected { abnormal: PerHorizon::default(), model: None, volume_ratio: None, ..clone(e) };
    assert_eq!(exact(found), exact(expected), "{row:#?}");
    let split = |e: &Expected| (e.model.map(|m| m.0), e.model.map(|m| m.1));
    let numbers =
        |e: &Expected| e.abnormal.into_iter().chain([split(e).0, split(e).1, e.volume_ratio]).collect::<Vec<_>>();
    for (a, b) in numbers(found).into_iter().zip(numbers(expected)) {
        assert!(near(a, b), "{a:?} is not {b:?}\n{found:#?}\n{expected:#?}\n{row:#?}");
    }
}

fn clone(e: &Expected) -> Expected {
    Expected { ..*e }
}
