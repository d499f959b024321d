//! Whether the bars of one symbol change their width within a file, and whether bars are wider than they are apart.
//!
//! A file's width is the least distance between two starts. Where bars of an hour are followed by bars of a minute, as in a
//! cache that was filled twice, it is a minute, and the close of each hour would be known 59 minutes early. Gaps alone do
//! not show a change, because minutes of a thinly traded symbol are missing. A stretch of starts shows a greater width if
//! each is a multiple of that width after the one before, and most are the next one: starts of bars that are `k` times
//! narrower are a multiple apart by chance in one of `k` cases, so `n` in a row in one of `k^n`.

use super::{DAY_S, Reading, width};
use jiff::Timestamp;
use std::collections::BTreeMap;
use tapewire_core::Symbol;

/// At most one file in 2^15 has such a stretch by chance where its bars are of one width.
const CERTAIN: f64 = 15.0;
/// The fewest distances of one length in a stretch.
const FEWEST: usize = 5;
/// From this width on, in seconds, most bars of a stretch have to hold several prices: a share that is traded in the opening
/// auction alone has one bar a day, too, with one price.
const LONG: i64 = 4 * 3600;
/// How many bars in a row that start before the one before them ends show that bars are narrower than they are said to be. A
/// bar that is cut off at the close or at a break is one alone.
const OVERLAPS: usize = 3;

/// The start of a bar in seconds since 1970, and whether its prices differ.
#[derive(Debug, Clone, Copy)]
struct Start {
    at: i64,
    moves: bool,
}

/// The bars of each symbol with a start, in the order of the file.
fn by_symbol(readings: &[Reading]) -> BTreeMap<u32, Vec<Start>> {
    let mut of_symbol: BTreeMap<u32, Vec<Start>> = BTreeMap::new();
    for reading in readings {
        let start = |at: i64| Start { at: at.div_euclid(1_000_000), moves: reading.prices.low < reading.prices.high };
        of_symbol.entry(reading.symbol).or_default().extend(reading.stamp.at.map(start));
    }
    of_symbol
}

/// Refuses a file in which bars of a symbol are wider in one stretch than in another. `width` is that of the file, in seconds.
///
/// # Errors
/// The two stretches, with the first and last start of each, and the remedy.
pub(super) fn check(readings: &[Reading], width: i64, symbols: &[Symbol]) -> Result<(), String> {
    for (symbol, rows) in by_symbol(readings) {
        let sorted = sorted(&rows);
        // Files that were put one after the other overlap where their bars are sorted.
        let pieces = pieces(&rows);
        let found = std::iter::once(&sorted).chain(&pieces).find_map(|starts| {
            let wide = stretch(starts, width, readings.len())?;
            Some((wide, narrow(&sorted, wide.apart)?))
        });
        if let Some((wide, narrow)) = found {
            return Err(format!(
                "bars of {} have several widths: {wide}, and {narrow}; give a file for each width, or a column `width`, in \
                 seconds, that says that of each row",
                symbols[symbol as usize]
            ));
        }
    }
    Ok(())
}

/// Each start once, in the order of time.
fn sorted(rows: &[Start]) -> Vec<Start> {
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|start| start.at);
    sorted.dedup_by_key(|start| start.at);
    sorted
}

/// The parts of a file in which starts rise, or fall, in the order of time; none if it is one part. Parts of a few bars show
/// nothing.
fn pieces(rows: &[Start]) -> Vec<Vec<Start>> {
    let mut pieces: Vec<Vec<Start>> = Vec::new();
    let mut rest = rows;
    while let [first, second, ..] = rest {
        let order = first.at.cmp(&second.at);
        let breaks = rest.windows(2).position(|pair| pair[0].at.cmp(&pair[1].at) != order);
        let (piece, after) = rest.split_at(breaks.map_or(rest.len(), |at| at + 1));
        if piece.len() == rows.len() {
            return Vec::new();
        }
        if piece.len() > FEWEST {
            pieces.push(sorted(piece));
        }
        rest = after;
    }
    pieces
}

/// A part of the bars of a symbol: how far they are apart, and the first and last start, in seconds.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    apart: i64,
    first: i64,
    last: i64,
}

impl std::fmt::Display for Stretch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [first, last] = [self.first, self.last].map(|at| Timestamp::from_second(at).unwrap_or_default());
        write!(f, "from {first} to {last} they start {} s apart", self.apart)
    }
}

/// The stretch that shows a width greater than this one beyond doubt. `all` is how many bars the file has.
fn stretch(starts: &[Start], width: i64, all: usize) -> Option<Stretch> {
    let wider = width::KNOWN.into_iter().filter(|&apart| apart > width && apart % width == 0);
    let is_there = |&apart: &i64| starts.windows(2).any(|pair| pair[1].at - pair[0].at == apart);
    wider.filter(is_there).find_map(|apart| {
        let mut parts = starts.chunk_by(|start, next| (next.at - start.at) % apart == 0);
        let found = parts.find_map(|part| Some(trimmed(part, apart)).filter(|part| shows(part, apart, width, all)))?;
        Some(Stretch { apart, first: found.first()?.at, last: found.last()?.at })
    })
}

/// The part from the first distance of this length to the last: the next start after the stretch may be a multiple of it
/// later, as in the next session.
fn trimmed(part: &[Start], apart: i64) -> &[Start] {
    let is_next = |pair: &[Start]| pair[1].at - pair[0].at == apart;
    let first = part.windows(2).position(is_next).unwrap_or(part.len());
    let last = part.windows(2).rposition(is_next).map_or(first, |at| at + 2);
    &part[first..last]
}

fn shows(part: &[Start], apart: i64, width: i64, all: usize) -> bool {
    let distances = part.len().saturating_sub(1);
    let times = part.windows(2).filter(|pair| pair[1].at - pair[0].at == apart).count();
    let is_common = times >= FEWEST && 5 * times >= 4 * distances || times >= 10 && 2 * times >= distances;
    let chance = distances as f64 * (apart as f64 / width as f64).log2();
    let moving = part.iter().filter(|start| start.moves).count();
    is_common && chance >= CERTAIN + (all as f64).log2() && (apart < LONG || 5 * moving >= 4 * part.len())
}

/// Where bars are nearer to each other than this.
fn narrow(starts: &[Start], apart: i64) -> Option<Stretch> {
    let is_near = |pair: &[Start]| pair[1].at - pair[0].at < apart;
    let least = starts.windows(2).map(|pair| pair[1].at - pair[0].at).min().filter(|&least| least < apart)?;
    let first = starts[starts.windows(2).position(is_near)?].at;
    let last = starts[starts.windows(2).rposition(is_near)? + 1].at;
    Some(Stretch { apart: least, first, last })
}

/// Refuses bars that are nearer to each other than a width that somebody says.
///
/// # Errors
/// The symbol, and where its bars overlap.
pub(super) fn check_said(readings: &[Reading], width: i64, says: &str, symbols: &[Symbol]) -> Result<(), String> {
    for (symbol, rows) in by_symbol(readings) {
        let sorted = sorted(&rows);
        // Midnights, opens and closes of two days may be an hour or some hours nearer than a day.
        let nearest = if width == i64::from(DAY_S) { width / 2 } else { width };
        let is_near = |pair: &&[Start]| pair[1].at - pair[0].at < nearest;
        let near = sorted.windows(2).filter(is_near).count();
        let in_a_row = sorted.windows(2).collect::<Vec<_>>();
        let in_a_row = in_a_row.chunk_by(|pair, next| is_near(pair) == is_near(next)).filter(|part| is_near(&part[0]));
        let longest = in_a_row.map(<[_]>::len).max().unwrap_or(0);
        let are_most = near > 1 && 2 * near > sorted.len() - 1;
        if let Some(narrow) = narrow(&sorted, nearest).filter(|_| longest >= OVERLAPS || are_most) {
            return Err(format!(
                "bars of {} overlap if they are {width} s wide as {says}: {narrow}; if bars of several widths are in the \
                 file, give a file for each, or a column `width`, in seconds, that says that of each row",
                symbols[symbol as usize]
            ));
        }
    }
    Ok(())
}

/// As [`check_said`], for the widths of rows.
///
/// # Errors
/// As [`check_said`].
pub(super) fn check_rows(readings: &[Reading], symbols: &[Symbol]) -> Result<(), String> {
    let mut of_width: BTreeMap<u32, Vec<Reading>> = BTreeMap::new();
    for reading in readings {
        if let Some(width) = reading.width_s {
            of_width.entry(width).or_default().push(*reading);
        }
    }
    of_width.iter().try_for_each(|(&width, readings)| check_said(readings, i64::from(width), "the rows say", symbols))
}
