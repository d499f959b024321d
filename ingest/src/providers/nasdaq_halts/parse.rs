//! Items of the list to halts.

use crate::providers::xml::{Feed, Item};
use crate::providers::{Page, ProviderError};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use tapewire_core::{Halt, Symbol};

/// A line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    halt: Halt,
    /// When trading resumes, if that is known.
    resumes_at: Option<Timestamp>,
}

impl Listed {
    /// What has happened by `now`.
    pub fn until(&self, now: Timestamp) -> Vec<Halt> {
        let resumed = self.resumes_at.filter(|at| *at <= now);
        let resumed = resumed.map(|at| Halt { at, halted: false, ..self.halt.clone() });
        std::iter::once(self.halt.clone()).chain(resumed).collect()
    }
}

/// Reads the list.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is not a feed, or only a part of one.
pub fn page(provider: &str, path: &str, body: &[u8], received_at: Timestamp) -> Result<Page<Listed>, ProviderError> {
    Ok(Feed::new(provider, path, body)?.page(path, |item| Ok((Some(listed(item, received_at)?), None))))
}

/// Reads an item. Its times are those of New York.
///
/// ```xml
/// <item><title>ROCC</title><pubDate>Fri, 16 Jun 2023 04:00:00 GMT</pubDate>
/// <ndaq:HaltDate>06/16/2023</ndaq:HaltDate><ndaq:HaltTime>19:50:01</ndaq:HaltTime>
/// <ndaq:IssueSymbol>ROCC</ndaq:IssueSymbol><ndaq:Market>NASDAQ</ndaq:Market><ndaq:ReasonCode>T12</ndaq:ReasonCode>
/// <ndaq:ResumptionDate /><ndaq:ResumptionQuoteTime /><ndaq:ResumptionTradeTime /></item>
/// ```
fn listed(item: &Item, received_at: Timestamp) -> Result<Listed, String> {
    let text = |name: &str| item.text(name).ok_or_else(|| format!("it has no {name}"));
    let symbol = Symbol::new(text("ndaq:IssueSymbol")?).map_err(|error| error.to_string())?;
    let at = moment(text("ndaq:HaltDate")?, text("ndaq:HaltTime")?)?;
    let resumes_at = match (item.text("ndaq:ResumptionDate"), item.text("ndaq:ResumptionTradeTime")) {
        (Some(date), Some(time)) => Some(moment(date, time)?),
        _ => None,
    };
    if let Some(resumes_at) = resumes_at.filter(|resumes_at| *resumes_at < at) {
        return Err(format!("trading resumes at {resumes_at}, before it was halted at {at}"));
    }
    let reason = item.text("ndaq:ReasonCode").unwrap_or_default().to_owned();
    Ok(Listed { halt: Halt { symbol, at, halted: true, reason, received_at }, resumes_at })
}

/// `06/16/2023` and `19:50:01` or `19:50:01.123`, in New York.
fn moment(date: &str, time: &str) -> Result<Timestamp, String> {
    let not = |error: jiff::Error| format!("`{date}` `{time}` is not a moment such as 06/16/2023 19:50:01: {error}");
    let day = Date::strptime("%m/%d/%Y", date).map_err(not)?;
    let time: Time = time.parse().map_err(not)?;
    let zone = TimeZone::get("America/New_York").map_err(not)?;
    // A time that there is twice or not at all, at a change of the clocks, is refused.
    let at = zone.to_ambiguous_zoned(DateTime::from_parts(day, time)).unambiguous().map_err(not)?.timestamp();
    if !crate::epoch::is_plausible(at) {
        let (first, last) = (crate::epoch::YEARS.start(), crate::epoch::YEARS.end());
        return Err(format!("`{date}` is not between the years {first} and {last}"));
    }
    Ok(crate::epoch::whole_microseconds(at))
}
