//! How many bars are missing, and whether a missing bar moved a price that was used.

use super::evaluation::{Entry, EvalContext, Evaluation};
use super::window::{PriceWindow, SessionBounds};

impl EvalContext<'_> {
    /// Counts the bars that are missing from the first tradable minute to the last horizon reached, and flags a gap where
    /// a missing bar moved a price that was used, or where more are missing than [`JoinConfig::gap_share`] allows.
    ///
    /// [`JoinConfig::gap_share`]: super::JoinConfig::gap_share
    pub(super) fn count_missing(&self, prices: &PriceWindow, entry: &Entry<'_>, out: &mut Evaluation) {
        let width = entry.width();
        let until = out.covered_until.unwrap_or(entry.bar.end);
        let first = SessionBounds::new(&prices.sessions[0]);
        let rolled_over = entry.session.index != first.index;
        let from = if rolled_over { entry.session.open } else { prices.first_minute };
        // The entry is in the second session: nothing was traded in the rest of the first.
        let untraded = if rolled_over { first.trading(prices.first_minute, first.close).whole(width) } else { 0 };
        let (mut all, mut expected) = (untraded, untraded);
        let stretches = |session: SessionBounds, from| session.stretches(from).map(move |stretch| (session, stretch));
        for (session, (from, end)) in stretches(entry.session, from).chain(stretches(entry.next, entry.next.open)) {
            let until = until.min(end);
            let bars = entry.bars.in_session(session.index);
            let coverage = bars.map(|bars| bars.coverage(from, until, width, entry.visibility));
            all += coverage.map_or((until - from).whole(width), |coverage| coverage.missing);
            out.traces.bars_end = out.traces.bars_end.max(coverage.map_or(0, |coverage| coverage.end));
            expected += (until - from).whole(width);
        }
        out.missing.all = all;
        out.missing.near_entry = untraded + entry.session.trading(from, entry.bar.start).whole(width);
        let lacks_open = self.entry_lacks_open(entry, from, out);
        out.quality.no_open |= lacks_open;
        let near = out.missing.near_entry > 0 || out.traces.near_horizons > 0 || lacks_open;
        out.quality.gap = near || f64::from(all) > self.config.gap_share * f64::from(expected);
    }
}
