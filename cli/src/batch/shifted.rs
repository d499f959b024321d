//! Mentions that are joined again, in the same pass, as if their news had been available at another moment.

use std::sync::Arc;
use tapewire_core::exchange::Calendars;
use tapewire_core::{Impact, Mention};
use tapewire_study::panels::{Shift, Shifted};

/// Between an article's id and the number of a shift. A character that ids do not have.
const MARK: char = '\u{1}';

/// The mentions, and after them each scored one again for each shift, under an id of its own.
pub fn with_shifted(mut mentions: Vec<Mention>, shifts: &[Shift], calendars: &Calendars) -> Vec<Mention> {
    let mut moved = Vec::new();
    for mention in &mentions {
        // Every record of a mention is moved: of several revisions the last counts.
        let Some(symbol) = mention.symbol.as_ref().filter(|_| !mention.article_id.contains(MARK)) else { continue };
        let calendar = calendars.of(symbol).calendar();
        for (number, shift) in shifts.iter().enumerate() {
            if let Some(moved_by) = shift.moved(mention, calendar) {
                moved.push(Mention { article_id: format!("{}{MARK}{number}", mention.article_id), ..moved_by });
            }
        }
    }
    mentions.extend(moved);
    mentions
}

/// The rows of the mentions themselves, in their order, and those of each shift under the ids of the mentions.
pub fn apart(rows: Vec<Impact>, shifts: &[Shift]) -> (Vec<Impact>, Vec<Shifted>) {
    let mut own = Vec::new();
    let mut shifted: Vec<Shifted> = shifts.iter().map(|&shift| Shifted { shift, rows: Vec::new() }).collect();
    for mut row in rows {
        let marked = row.mention.article_id.rsplit_once(MARK).and_then(|(id, number)| {
            let number: usize = number.parse().ok()?;
            Some((id.to_owned(), number))
        });
        match marked.and_then(|(id, number)| Some((id, shifted.get_mut(number)?))) {
            Some((id, of)) => {
                Arc::make_mut(&mut row.mention).article_id = id;
                of.rows.push(row);
            }
            None => own.push(row),
        }
    }
    (own, shifted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use tapewire_core::{Bar, Run};
    use tapewire_joiner::join::{JoinConfig, batch};
    use tapewire_testkit::{at, bar, mention};

    /// Two hours of minute bars of one company, the price of each a cent above the one before.
    fn bars() -> Vec<Bar> {
        let open = at("2024-07-01T13:30:00Z");
        let bar =
            |minute: i64| bar("AAPL", open + jiff::SignedDuration::from_mins(minute), 100.0 + minute as f64 / 100.0);
        (0..120).map(bar).collect()
    }

    #[test]
    fn rows_of_other_moments_do_not_change_the_others() {
        let mentions: Vec<Mention> = ["14:10:30", "14:20:59", "13:00:00"]
            .iter()
            .enumerate()
            .map(|(number, time)| Mention {
                article_id: format!("a{number}"),
                ..mention("AAPL", at(&format!("2024-07-01T{time}Z")))
            })
            .collect();
        let join = |mentions: Vec<Mention>| {
            batch::join(&Run::named("shifts"), JoinConfig::default(), Vec::new(), bars(), mentions).unwrap()
        };
        let alone = join(mentions.clone());
        let (own, shifted) =
            apart(join(with_shifted(mentions.clone(), &Shift::ALL, &Calendars::default())), &Shift::ALL);
        assert_eq!(own.len(), 3);
        for (one, other) in own.iter().zip(&alone) {
            assert_eq!(&Impact { version: other.version, ..one.clone() }, other);
        }
        let entries = |shift: Shift| -> Vec<String> {
            let rows = &shifted.iter().find(|shifted| shifted.shift == shift).unwrap().rows;
            let ids: HashSet<&str> = rows.iter().map(|row| row.mention.article_id.as_str()).collect();
            assert_eq!(ids, HashSet::from(["a0", "a1", "a2"]));
            rows.iter()
                .map(|row| row.entry_at.map_or("none".to_owned(), |at| at.strftime("%H:%M").to_string()))
                .collect()
        };
        // The second is known a second before its minute ends: one second later it can only be traded a minute later.
        assert_eq!(entries(Shift::Later(1)), ["14:11", "14:22", "13:30"]);
        assert_eq!(entries(Shift::Later(10)), ["14:11", "14:22", "13:30"]);
        assert_eq!(entries(Shift::Later(60)), ["14:12", "14:22", "13:30"]);
        assert_eq!(entries(Shift::Later(300)), ["14:16", "14:26", "13:30"]);
        assert_eq!(entries(Shift::Earlier(5)), ["14:06", "14:16", "13:30"]);
        assert_eq!(entries(Shift::Earlier(60)), ["13:30", "13:30", "13:30"]);
    }
}
