//! How wide the bars of a file are.
//!
//! Bars do not overlap, so none is wider than the least distance between two starts of its symbol. Where minutes
//! without trades are missing, other distances may be far more common than the least one, so the commonest shows
//! nothing.

use super::{DAY_S, DayKind, Reading, stretches};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use tapewire_core::Symbol;

/// What is known of the widths of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Width {
    /// All bars are this wide, in seconds.
    Of(u32),
    /// Each bar is of one day, and its stamp stands for that day.
    Daily,
    /// Each row gives its own width.
    OfRow,
}

/// Common widths, in seconds. A rarer width is believed only if many bars show it.
const COMMON: [i64; 6] = [60, 300, 900, 1800, 3600, 86_400];
/// These and rarer widths, in seconds.
#[rustfmt::skip]
pub(super) const KNOWN: [i64; 22] = [
    1, 5, 10, 15, 20, 30, 60, 120, 180, 240, 300, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10_800, 14_400, 86_400,
];
/// How many distances have to show a rare width.
const MANY: usize = 10;
/// The longest gap between two daily bars of a symbol that trades every day, in days: a weekend with two holidays.
const LONGEST_GAP: i64 = 5;
/// How many gaps of a symbol show that its bars are of weeks or months.
const FEWEST_GAPS: usize = 3;

/// Of this many rows of a file of daily bars, one may have a time that is not a day.
const FEW: usize = 10;
/// The starts that stand for days.
pub(super) const DAYS: &str = "a date, a midnight, or the open or close of a session of its market";

/// The flag that sets the width.
const FLAG: &str = "--bar-width";

/// Decides how wide the bars are.
///
/// # Errors
/// Why the width can't be told, with the flag that sets it.
pub(super) fn of_file(readings: &[Reading], said: Option<u32>, symbols: &[Symbol]) -> Result<Width, String> {
    if readings.iter().any(|reading| reading.width_s.is_some()) {
        return stretches::check_rows(readings, symbols).map(|()| Width::OfRow);
    }
    match said {
        Some(DAY_S) => return daily(readings, symbols),
        Some(width) => {
            let seconds = i64::from(width);
            Starts::of(readings, symbols).check(seconds)?;
            stretches::check_said(readings, seconds, &format!("{FLAG} says"), symbols)?;
            return stretches::check(readings, seconds, symbols).map(|()| Width::Of(width));
        }
        None => {}
    }
    if let Some(kinds) = day_kinds(readings)
        && are_daily(&kinds, readings, symbols)?
    {
        return Ok(Width::Daily);
    }
    let width = Starts::of(readings, symbols).width()?;
    stretches::check(readings, width, symbols)?;
    let width = u32::try_from(width).map_err(|_| doubtful("they are further apart than bars are wide"))?;
    if width == DAY_S {
        return Err(format!(
            "its bars are a day apart, but not every start is {DAYS}{}; write the day of each bar without a time",
            example(readings)
        ));
    }
    Ok(Width::Of(width))
}

/// The width of bars that the user says are daily. A few rows without a day, such as the last of a day that has not
/// ended, are rejected one by one.
fn daily(readings: &[Reading], symbols: &[Symbol]) -> Result<Width, String> {
    if let Some((symbol, days)) = further_apart(&gaps(readings), true) {
        return Err(format!(
            "bars of {} are mostly {days} days apart, so they are not of one day as {FLAG} says; if they are, a column `width` \
             with 1d in each row says so",
            symbols[symbol as usize]
        ));
    }
    let without = readings.iter().filter(|reading| reading.stamp.day.is_none()).count();
    if without * FEW <= readings.len() {
        return Ok(Width::Daily);
    }
    Err(format!(
        "{FLAG} says that its bars are daily, but {without} of its {} rows don't have {DAYS} as their start{}; write \
         the day of each bar without a time",
        readings.len(),
        example(readings)
    ))
}

/// The first start that is no day, as an error quotes it.
fn example(readings: &[Reading]) -> String {
    let mut moments =
        readings.iter().filter(|reading| reading.stamp.day.is_none()).filter_map(|reading| reading.stamp.at);
    let first = moments.next().and_then(|at| Timestamp::from_microsecond(at).ok());
    first.map(|at| format!(", such as {at}")).unwrap_or_default()
}

fn doubtful(why: &str) -> String {
    format!("the width of its bars can't be told from their starts: {why}; {FLAG} 1m, 1h, 1d or another says it")
}

/// Why the stamps of each symbol may stand for days. `None` unless every stamp may, and all of one symbol for the same
/// reason.
fn day_kinds(readings: &[Reading]) -> Option<Vec<DayKind>> {
    let mut kinds: BTreeMap<u32, DayKind> = BTreeMap::new();
    for reading in readings {
        let (_, kind) = reading.stamp.day?;
        let known = kinds.entry(reading.symbol).or_insert(kind);
        match (*known, kind) {
            (DayKind::UtcAndExchange, DayKind::Utc | DayKind::Exchange) => *known = kind,
            (DayKind::Utc | DayKind::Exchange, DayKind::UtcAndExchange)
            | (DayKind::Written | DayKind::Midnight, DayKind::Written | DayKind::Midnight) => {}
            (known, kind) if known == kind => {}
            _ => return None,
        }
    }
    Some(kinds.into_values().collect())
}

/// Decides by their distances whether stamps that may stand for days do.
fn are_daily(kinds: &[DayKind], readings: &[Reading], symbols: &[Symbol]) -> Result<bool, String> {
    let gaps = gaps(readings);
    let doubt = |what: String| Err(doubtful(&format!("{what}, and may be of weeks or of some days only")));
    if let Some((symbol, days)) = further_apart(&gaps, false) {
        return doubt(format!("those of {} are mostly {days} days apart", symbols[symbol as usize]));
    }
    if let Some((&symbol, _)) = gaps.iter().find(|(_, gaps)| are_of_some_days(gaps)) {
        return doubt(format!("those of {} are never of two days in a row", symbols[symbol as usize]));
    }
    // The last bar of weeks may be of a week that has not ended, so the gap before it shows nothing beside another.
    let least = |gaps: &Vec<i64>| match gaps.as_slice() {
        [before @ .., _] if !before.is_empty() => before.iter().copied().min(),
        gaps => gaps.first().copied(),
    };
    match gaps.values().filter_map(least).min() {
        Some(days) if days > LONGEST_GAP => doubt(format!("they are {days} days or more apart")),
        Some(_) => Ok(true),
        // A single day: nothing is traded at midnight of an exchange, but something may be at midnight in UTC.
        None => Ok(kinds.iter().all(|kind| matches!(kind, DayKind::Written | DayKind::Midnight | DayKind::Exchange))),
    }
}

/// The gaps between the days of each symbol, in days.
fn gaps(readings: &[Reading]) -> BTreeMap<u32, Vec<i64>> {
    let mut days: BTreeMap<u32, BTreeSet<Date>> = BTreeMap::new();
    for reading in readings {
        days.entry(reading.symbol).or_default().extend(reading.stamp.day.map(|(day, _)| day));
    }
    let between = |days: &BTreeSet<Date>| -> Vec<i64> {
        let pairs = days.iter().zip(days.iter().skip(1));
        pairs.filter_map(|(first, next)| next.since(*first).ok()).map(|span| i64::from(span.get_days())).collect()
    };
    days.iter().map(|(&symbol, days)| (symbol, between(days))).collect()
}

/// A symbol whose bars are further apart than daily bars, and their usual distance in days. Of many symbols a few may be
/// traded on some days only: they are further apart by chance, and not by weeks or months. Where the user says that bars are
/// daily, only weeks, months and the like contradict it.
fn further_apart(gaps: &BTreeMap<u32, Vec<i64>>, is_said: bool) -> Option<(u32, i64)> {
    let wide = || gaps.iter().filter(|(_, gaps)| are_mostly_wide(gaps));
    let are_many = wide().count() * 20 > gaps.len();
    let mut usual = wide().map(|(&symbol, gaps)| (symbol, gaps, median(gaps)));
    let found = usual.find(|&(_, gaps, usual)| {
        // Gaps of 6 to 8 days are of weeks that begin or end with a holiday, gaps of 28 to 31 days of months.
        let alike = |part: i64| count(gaps, |gap| (gap - usual).abs() <= usual / part);
        let is_certain = alike(14) >= 5 && 5 * alike(14) >= 4 * gaps.len() || alike(14) == gaps.len();
        is_certain || are_many && (!is_said || 3 * alike(7) >= 2 * gaps.len())
    });
    found.map(|(symbol, _, usual)| (symbol, usual))
}

/// Whether gaps are mostly those of weeks or longer. Bars of weeks are never on two days in a row, except for the last.
fn are_mostly_wide(gaps: &[i64]) -> bool {
    let before = gaps.split_last().map_or(gaps, |(_, before)| before);
    gaps.len() >= FEWEST_GAPS
        && 2 * count(gaps, |gap| gap >= LONGEST_GAP) > gaps.len()
        && count(before, |gap| gap == 1) < 2
}

/// Whether bars seem to be of two days or a few more: they are close together, and except for the last never on two days in a
/// row.
fn are_of_some_days(gaps: &[i64]) -> bool {
    let before = gaps.split_last().map_or(gaps, |(_, before)| before);
    before.len() >= MANY && !before.contains(&1) && 5 * count(before, |gap| gap <= LONGEST_GAP) >= 4 * before.len()
}

fn count(gaps: &[i64], fits: impl Fn(i64) -> bool) -> usize {
    gaps.iter().filter(|&&gap| fits(gap)).count()
}

fn median(gaps: &[i64]) -> i64 {
    let mut gaps = gaps.to_vec();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().unwrap_or(0)
}

/// The starts of each symbol, in ascending order, each once.
struct Starts<'s> {
    of_symbol: BTreeMap<u32, Vec<i64>>,
    symbols: &'s [Symbol],
}

/// The distances between the starts of some bars, in seconds.
struct Distances {
    /// How often each occurs.
    counts: BTreeMap<i64, usize>,
    /// The greatest common divisor of all distances.
    divisor: i64,
}

impl<'s> Starts<'s> {
    fn of(readings: &[Reading], symbols: &'s [Symbol]) -> Self {
        let mut of_symbol: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        for reading in readings {
            of_symbol.entry(reading.symbol).or_default().extend(reading.stamp.at.map(|at| at.div_euclid(1_000_000)));
        }
        for starts in of_symbol.values_mut() {
            starts.sort_unstable();
            starts.dedup();
        }
        Self { of_symbol, symbols }
    }

    /// Refuses a width that is more than the usual distance of a symbol's bars, or less than what all bars show.
    fn check(&self, width: i64) -> Result<(), String> {
        for (&symbol, starts) in &self.of_symbol {
            let distances = Distances::of(starts);
            if let Some(usual) = distances.commonest().filter(|&usual| usual < width) {
                let symbol = &self.symbols[symbol as usize];
                return Err(format!(
                    "bars of {symbol} start {usual} s apart, so they are not {width} s wide as {FLAG} says"
                ));
            }
        }
        // One bar a day may be of a whole session, which is some hours.
        let is_session = |wide: i64| wide % i64::from(DAY_S) == 0 && width >= 4 * 3600;
        match self.beyond_doubt().filter(|&(_, wide)| wide > width && !is_session(wide)) {
            None => Ok(()),
            Some((symbol, wide)) => Err(format!(
                "bars of {} start {wide} s apart or multiples of it, as all of the file do, so they are not {width} s \
                 wide as {FLAG} says; if they are, a column `width` with {width} in each row says so",
                self.symbols[symbol as usize]
            )),
        }
    }

    /// A symbol whose starts show a width beyond doubt, and this width. `None` if those of another do not fit it.
    fn beyond_doubt(&self) -> Option<(u32, i64)> {
        let shown = |(&symbol, starts): (&u32, &Vec<i64>)| {
            let wide = Distances::of(starts).beyond_doubt();
            Some((symbol, wide.or_else(|| Distances::of(&self.local(starts)).beyond_doubt())?))
        };
        let (symbol, wide) = self.of_symbol.iter().filter_map(shown).min_by_key(|&(_, wide)| wide)?;
        self.of_symbol.values().all(|starts| self.are_multiples(starts, wide)).then_some((symbol, wide))
    }

    /// Whether starts are multiples of a width apart, in UTC or in New York time.
    fn are_multiples(&self, starts: &[i64], width: i64) -> bool {
        Distances::of(starts).divisor % width == 0 || Distances::of(&self.local(starts)).divisor % width == 0
    }

    /// The width that the starts show.
    fn width(&self) -> Result<i64, String> {
        let own: Vec<(u32, i64)> = self
            .of_symbol
            .iter()
            .filter_map(|(&symbol, starts)| Some((symbol, self.own_width(starts).ok()?)))
            .collect();
        let Some(&(shown_by, width)) = own.iter().min_by_key(|(_, width)| *width) else { return self.together() };
        let name = |symbol: u32| &self.symbols[symbol as usize];
        // A few minute bars of a thinly traded symbol may be an hour apart by chance, but not many, nor those of many
        // symbols.
        let wider: Vec<&(u32, i64)> = own.iter().filter(|(_, own)| *own > width).collect();
        let is_certain = |&&&(symbol, width): &&&(u32, i64)| Distances::of(&self.of_symbol[&symbol]).mostly(width);
        let contradicts =
            wider.iter().find(is_certain).or(wider.first().filter(|_| wider.len() * 20 > self.of_symbol.len()));
        if let Some(&&(symbol, wide)) = contradicts {
            return Err(format!(
                "it seems to have bars of several widths: those of {} start {width} s apart, those of {} {wide} s; a column \
                 `width`, in seconds, says that of each row, and {FLAG} that of all; or give a file for each width",
                name(shown_by),
                name(symbol)
            ));
        }
        for (&symbol, starts) in &self.of_symbol {
            if !self.are_multiples(starts, width) {
                let (shown_by, symbol) = (name(shown_by), name(symbol));
                let why =
                    format!("those of {shown_by} show {width} s, and those of {symbol} are no multiples of it apart");
                return Err(doubtful(&why));
            }
        }
        Ok(width)
    }

    /// The width that the symbols show together, where no symbol shows one alone.
    fn together(&self) -> Result<i64, String> {
        // A last bar of the day that is half as long as the others makes the width doubtful in one symbol as in many.
        for starts in self.of_symbol.values().filter(|starts| starts.len() > MANY) {
            Distances::of(starts).check_grid(starts)?;
        }
        let all: Vec<Distances> = self.of_symbol.values().map(|starts| Distances::of(starts)).collect();
        let mut together = Distances { counts: BTreeMap::new(), divisor: 0 };
        for distances in all {
            together.divisor = gcd(together.divisor, distances.divisor);
            for (distance, count) in distances.counts {
                *together.counts.entry(distance).or_default() += count;
            }
        }
        let starts: Vec<i64> = match self.of_symbol.len() {
            1 => self.of_symbol.values().next().cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        together.width(&starts)
    }

    fn own_width(&self, starts: &[i64]) -> Result<i64, String> {
        let in_utc = Distances::of(starts).width(starts);
        // Sessions keep their hours in New York time, so a night across a change of clocks is an hour longer or shorter
        // in UTC.
        in_utc.or_else(|reason| {
            let local = self.local(starts);
            Distances::of(&local).width(&local).map_err(|_| reason)
        })
    }

    fn local(&self, starts: &[i64]) -> Vec<i64> {
        let Ok(zone) = TimeZone::get("America/New_York") else { return starts.to_vec() };
        let offset = |start: i64| Timestamp::from_second(start).map_or(0, |at| i64::from(zone.to_offset(at).seconds()));
        let mut local: Vec<i64> = starts.iter().map(|&start| start + offset(start)).collect();
        local.sort_unstable();
        local.dedup();
        local
    }
}

impl Distances {
    fn of(starts: &[i64]) -> Self {
        let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
        for pair in starts.windows(2) {
            *counts.entry(pair[1] - pair[0]).or_default() += 1;
        }
        let divisor = counts.keys().fold(0, |divisor, &distance| gcd(divisor, distance));
        Self { counts, divisor }
    }

    /// The commonest distance; of several equally common ones the least.
    fn commonest(&self) -> Option<i64> {
        let most = self.counts.iter().max_by_key(|&(&distance, &count)| (count, std::cmp::Reverse(distance)));
        most.map(|(&distance, _)| distance)
    }

    /// The least distance, if enough distances are this one, and all others are multiples of it: starts of narrower bars would
    /// hardly be so by chance.
    fn beyond_doubt(&self) -> Option<i64> {
        let (&least, &times) = self.counts.first_key_value()?;
        let all: usize = self.counts.values().sum();
        let is_common = self.mostly(least) || times >= MANY && 2 * times >= all;
        (self.divisor == least && is_common).then_some(least)
    }

    /// Whether nearly all distances are this one.
    fn mostly(&self, distance: i64) -> bool {
        let times = self.counts.get(&distance).copied().unwrap_or(0);
        times >= 5 && 5 * times >= 4 * self.counts.values().sum::<usize>()
    }

    /// Refuses starts nearly all of which are multiples of their usual distance apart, and some less.
    fn check_grid(&self, starts: &[i64]) -> Result<(), String> {
        match (self.counts.first_key_value(), self.commonest()) {
            (Some((&least, _)), Some(usual)) if least != usual && share_on_grid(starts, usual) > 0.8 => {
                Err(doubtful(&format!("nearly all are {usual} s apart, and some {least} s")))
            }
            _ => Ok(()),
        }
    }

    /// The least distance, if all others are multiples of it and it is believable as a width.
    fn width(&self, starts: &[i64]) -> Result<i64, String> {
        let Some((&least, &times)) = self.counts.first_key_value() else {
            return Err(doubtful("no symbol has two"));
        };
        let all: usize = self.counts.values().sum();
        if self.divisor != least {
            return Err(doubtful(&format!("the nearest are {least} s apart, and others by what is no multiple of it")));
        }
        self.check_grid(starts)?;
        let is_enough = match least {
            60 => true,
            // Half of the distances show it, or enough distances that minute bars of a thinly traded symbol would have
            // shown a smaller width.
            width if COMMON.contains(&width) => 2 * times >= all && all >= 2 || times >= 3 && all >= MANY,
            width if KNOWN.contains(&width) => 2 * times >= all && times >= MANY,
            _ => false,
        };
        match is_enough {
            true => Ok(least),
            false => Err(doubtful(&format!("the nearest are {least} s apart, which {times} of {all} distances show"))),
        }
    }
}

/// The largest share of starts that are multiples of `distance` apart.
fn share_on_grid(starts: &[i64], distance: i64) -> f64 {
    let mut beginnings: BTreeMap<i64, usize> = BTreeMap::new();
    for start in starts {
        *beginnings.entry(start.rem_euclid(distance)).or_default() += 1;
    }
    let most = beginnings.into_values().max().unwrap_or(0);
    most as f64 / starts.len().max(1) as f64
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
