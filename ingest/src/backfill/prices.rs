//! Bars, splits and dividends of one price source.

use super::progress::{Days, Progress, State};
use super::{Backfill, BackfillOptions, after, day_of, start_of};
use crate::IngestError;
use crate::providers::{
    ActionList, ActionsRequest, BarWidth, BarsRequest, PageGuard, PriceSource, ProviderError, Subscription,
};
use jiff::{Span, Timestamp};
use std::sync::Arc;
use tapewire_core::{Bar, Symbol};

/// Days of bars that are asked for at once: a provider of 50,000 minute bars a page has them in one.
const DAYS_AT_ONCE: i64 = 30;

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
    let is_missing = |symbol| state.bars_from(name, symbol, options.from) <= to;
    match source.reaches_back_to(BarWidth::Minute, now) {
        Some(reach) if start_of(after(to)) <= reach && symbols.iter().any(is_missing) => {
            Err(IngestError::Config(format!(
                "{name} has bars since {} only, and none of {} to {to}: leave it out of --prices, or choose later days",
                whole_seconds(reach),
                options.from
            )))
        }
        _ => Ok(()),
    }
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
        let without_actions = self.state.without_actions(name, symbols);
        if !without_actions.is_empty() {
            self.actions(name, source, &without_actions).await?;
        }
        let before = self.filled.bars;
        let mut cut = Vec::new();
        for symbol in symbols {
            cut.extend(self.bars(name, source, symbol).await?.map(|reach| (symbol, reach)));
        }
        if let [(symbol, reach), others @ ..] = &cut[..] {
            let others = if others.is_empty() { String::new() } else { format!(" and {} other symbols", others.len()) };
            let reach = whole_seconds(*reach);
            self.filled.remarks.push(format!(
                "{name} has bars since {reach} only: earlier days of {symbol}{others} are missing, and not noted as done"
            ));
        }
        if self.filled.bars == before && !symbols.is_empty() && !self.filled.was_complete {
            self.filled.remarks.push(format!("{name} had no bars that were not sent before"));
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
        for list in ActionList::ALL {
            let request =
                ActionsRequest { list, symbols: symbols.to_vec(), from: self.options.from, to: self.options.to };
            let (mut cursor, mut guard) = (None, PageGuard::default());
            loop {
                let page = match self.retried(name, || source.actions_page(&request, cursor.as_ref())).await {
                    Err(IngestError::Provider(ProviderError::Unsupported { .. })) => {
                        self.filled.remarks.push(format!("{name} has no {}", list.name()));
                        break;
                    }
                    page => page?,
                };
                let next =
                    guard.next(name, &page, |action| (action.symbol.clone(), action.ex_date, action.id.clone()))?;
                let days = self.options.from..=self.options.to;
                for action in page.items {
                    if symbols.contains(&action.symbol) && days.contains(&action.ex_date) {
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
    ) -> Result<Option<Timestamp>, IngestError> {
        let last_day = self.options.to;
        let begun = self.state.bars_from(name, symbol, self.options.from);
        let is_cut = |reach: &Timestamp| begun <= last_day && start_of(begun) < *reach;
        let cut = source.reaches_back_to(BarWidth::Minute, self.clock.now()).filter(is_cut);
        let mut first = cut.map_or(begun, day_of);
        while first <= last_day {
            let until = first.saturating_add(Span::new().days(DAYS_AT_ONCE)).min(after(last_day));
            let (from, end) = (start_of(first), start_of(until));
            let to = Timestamp::from_microsecond(end.as_microsecond() - 1).unwrap_or(end);
            let request = BarsRequest::minutes(symbol, from, to);
            let (mut cursor, mut guard) = (None, PageGuard::default());
            loop {
                let page = self.retried(name, || source.bars_page(&request, cursor.as_ref())).await?;
                let next = guard.next(name, &page, |bar| bar.start)?;
                let last = page.items.iter().map(|bar| bar.start).max();
                for bar in page.items.into_iter().filter(|bar| (from..end).contains(&bar.start)) {
                    // As in a replay, a bar is received when it ends.
                    let received_at = bar.end();
                    self.writer.bar(Bar { received_at, ..bar }).await?;
                    self.filled.bars += 1;
                }
                self.rejects(&format!("{name} {}", page.origin), page.rejects).await?;
                let missing_from = if next.is_none() { until } else { last.map_or(first, day_of).max(first) };
                let missing_from = if cut.is_some() { begun } else { missing_from };
                self.complete(Days::Bars(name, symbol), missing_from).await?;
                match next {
                    None => break,
                    next => cursor = next,
                }
            }
            first = until;
        }
        Ok(cut)
    }
}
