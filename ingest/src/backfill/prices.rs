//! Bars, splits and dividends of one price source.

use super::daily::placed;
use super::progress::{Days, Progress, State};
use super::{Backfill, BackfillOptions, after, day_of, start_of};
use crate::IngestError;
use crate::providers::{
    ActionList, ActionsRequest, BarWidth, BarsRequest, Page, PageGuard, PriceSource, ProviderError, Reject,
    Subscription,
};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use std::sync::Arc;
use tapewire_core::{Bar, Symbol};

/// Days of bars that are asked for at once: a provider of 50,000 minute bars a page has 30 days in one, and any provider a year
/// of daily bars in one or two.
pub(super) fn days_at_once(width: BarWidth) -> i64 {
    match width {
        BarWidth::Minute => 30,
        BarWidth::Day => 366,
    }
}

/// What bars of a width are called in messages.
fn called(width: BarWidth) -> &'static str {
    match width {
        BarWidth::Minute => "bars",
        BarWidth::Day => "daily bars",
    }
}

/// Refuses a source that shows none of the days that are missing.
///
/// # Errors
/// [`IngestError::Config`].
pub(super) fn check_past(
    source: &Arc<dyn PriceSource>,
    state: &State,
    options: &BackfillOptions,
    symbols: &[Symbol],
    now: Timestamp,
) -> Result<(), IngestError> {
    let (name, to) = (source.name(), options.to);
    for &width in &options.widths {
        let first = options.first_day(width);
        let is_missing = |symbol| state.bars_from(name, symbol, width, first) <= to;
        let reach = source.reaches_back_to(width, now).filter(|reach| start_of(after(to)) <= *reach);
        if let Some(reach) = reach.filter(|_| symbols.iter().any(is_missing)) {
            let or = if source.has_daily_bars() && width == BarWidth::Minute { ", or give --bar-width 1d" } else { "" };
            return Err(IngestError::Config(format!(
                "{name} has {} since {} only, and none of {first} to {to}: leave it out of --prices, choose later days{or}",
                called(width),
                whole_seconds(reach)
            )));
        }
    }
    Ok(())
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

impl<Report: FnMut(&Progress) + Send> Backfill<Report> {
    pub(super) async fn prices(
        &mut self,
        name: &str,
        source: &Arc<dyn PriceSource>,
        symbols: &[Symbol],
    ) -> Result<(), IngestError> {
        let subscription = Subscription { symbols: symbols.to_vec(), bars: true, trades: false, halts: false };
        source.check(&subscription)?;
        let without_actions = self.state.without_actions(symbols);
        if !without_actions.is_empty() {
            self.actions(name, source, &without_actions).await?;
        }
        // Daily bars first: they take few requests.
        for width in self.options.widths.clone().into_iter().rev() {
            self.bars_of_all(name, source, symbols, width).await?;
        }
        Ok(())
    }

    async fn bars_of_all(
        &mut self,
        name: &str,
        source: &Arc<dyn PriceSource>,
        symbols: &[Symbol],
        width: BarWidth,
    ) -> Result<(), IngestError> {
        let (bars_before, called) = (self.filled.bars, called(width));
        let (mut cut, mut without) = (Vec::new(), Vec::new());
        for symbol in symbols {
            let missing_from = self.state.bars_from(name, symbol, width, self.options.first_day(width));
            let before = self.filled.bars;
            cut.extend(self.bars(name, source, symbol, width).await?.map(|reach| (symbol, reach)));
            if self.filled.bars == before && missing_from <= self.options.to {
                without.push(symbol.as_str());
            }
        }
        if !without.is_empty() && without.len() < symbols.len() {
            self.filled
                .remarks
                .push(format!("{name} had no {called} of {}: see the log and the dead letters", without.join(", ")));
        }
        if let [(symbol, reach), others @ ..] = &cut[..] {
            let others = if others.is_empty() { String::new() } else { format!(" and {} other symbols", others.len()) };
            let reach = whole_seconds(*reach);
            self.filled.remarks.push(format!(
                "{name} has {called} since {reach} only: earlier days of {symbol}{others} are missing, and not noted as done"
            ));
        }
        if self.filled.bars == bars_before && !symbols.is_empty() && !self.filled.was_complete {
            self.filled.remarks.push(format!("{name} had no {called} that were not sent before"));
        }
        Ok(())
    }

    /// Splits and dividends, before the bars, so that the join knows them.
    async fn actions(
        &mut self,
        name: &str,
        source: &Arc<dyn PriceSource>,
        symbols: &[Symbol],
    ) -> Result<(), IngestError> {
        let (from, to) = (self.state.first_of_actions(), self.options.to);
        let mut is_offered = false;
        for list in ActionList::ALL {
            let request = ActionsRequest { list, symbols: symbols.to_vec(), from, to };
            let (mut cursor, mut guard) = (None, PageGuard::of_symbols(symbols.len()));
            loop {
                let page = match self.retried(name, || source.actions_page(&request, cursor.as_ref())).await {
                    Err(IngestError::Provider(ProviderError::Unsupported { .. })) => {
                        self.filled.remarks.push(format!("{name} has no {}", list.name()));
                        break;
                    }
                    page => page?,
                };
                is_offered = true;
                let next =
                    guard.next(name, &page, |action| (action.symbol.clone(), action.ex_date, action.id.clone()))?;
                for action in page.items {
                    if symbols.contains(&action.symbol) && (from..=to).contains(&action.ex_date) {
                        self.writer.action(action).await?;
                        self.filled.actions += 1;
                    }
                }
                self.rejects(&format!("{name} {}", page.origin), page.rejects).await?;
                match next {
                    None => break,
                    next => cursor = next,
                }
            }
        }
        self.writer.flush().await?;
        if !is_offered {
            // Another source of this run may have them.
            return Ok(());
        }
        self.state.note_actions(name, symbols);
        self.file.save(&self.state).await
    }

    /// The bars of one symbol, some days at a time, page by page. If the source does not reach back to the first day that is
    /// missing, the time to which it does; the days that are fetched then are not noted as done, because with them those
    /// before would be.
    async fn bars(
        &mut self,
        name: &str,
        source: &Arc<dyn PriceSource>,
        symbol: &Symbol,
        width: BarWidth,
    ) -> Result<Option<Timestamp>, IngestError> {
        let last_day = self.options.to;
        let begun = self.state.bars_from(name, symbol, width, self.options.first_day(width));
        let is_cut = |reach: &Timestamp| begun <= last_day && start_of(begun) < *reach;
        let cut = source.reaches_back_to(width, self.clock.now()).filter(is_cut);
        let mut first = cut.map_or(begun, day_of);
        while first <= last_day {
            let until = first.saturating_add(Span::new().days(days_at_once(width))).min(after(last_day));
            let (from, end) = (start_of(first), start_of(until));
            let to = Timestamp::from_microsecond(end.as_microsecond() - 1).unwrap_or(end);
            let request = BarsRequest { symbol: symbol.clone(), width, from, to };
            let (mut cursor, mut guard) = (None, PageGuard::default());
            loop {
                let page = self.retried(name, || source.bars_page(&request, cursor.as_ref())).await?;
                let next = guard.next(name, &page, |bar| bar.start)?;
                let last = page.items.iter().map(|bar| bar.start).max();
                // An answer that is refused as a whole has days that are still missing.
                let is_refused = width == BarWidth::Day && page.items.is_empty() && !page.rejects.is_empty();
                let under_way = self.send_bars(name, &request, page).await?;
                let missing_from = if next.is_none() { until } else { last.map_or(first, day_of).max(first) };
                let missing_from = under_way.map_or(missing_from, |day| missing_from.min(day).max(first));
                let missing_from = if is_refused { first } else { missing_from };
                let missing_from = if cut.is_some() { begun } else { missing_from };
                self.complete(Days::Bars(name, symbol, width), missing_from).await?;
                if is_refused {
                    self.filled.remarks.push(format!(
                        "{name} has no daily bars of {symbol} since {first} that can be read: those days are missing, and not \
                         noted as done; see the dead letters"
                    ));
                    return Ok(cut);
                }
                match next {
                    None => break,
                    next => cursor = next,
                }
            }
            first = until;
        }
        Ok(cut)
    }

    /// Sends those bars of a page that are within the request; returns the day that is not over, if there is one. As in a
    /// replay, a bar is received when it ends.
    async fn send_bars(
        &mut self,
        name: &str,
        request: &BarsRequest,
        page: Page<Bar>,
    ) -> Result<Option<Date>, IngestError> {
        let (mut rejects, mut under_way) = (page.rejects, None);
        for bar in page.items.into_iter().filter(|bar| (request.from..=request.to).contains(&bar.start)) {
            let bar = match request.width {
                BarWidth::Minute => Bar { received_at: bar.end(), ..bar },
                BarWidth::Day => match placed(&bar, &self.options.calendars, self.clock.now()) {
                    Ok(Some(bar)) => bar,
                    Ok(None) => {
                        under_way = under_way.or(Some(day_of(bar.start)));
                        continue;
                    }
                    Err(reason) => {
                        // The same bytes each time, so that it stays one dead letter.
                        let bar = Bar { received_at: bar.end(), ..bar };
                        rejects.push(Reject::new(&serde_json::json!(bar).to_string(), reason));
                        continue;
                    }
                },
            };
            self.writer.bar(bar).await?;
            self.filled.bars += 1;
        }
        self.rejects(&format!("{name} {}", page.origin), rejects).await?;
        Ok(under_way)
    }
}
