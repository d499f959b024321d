//! All sessions of all calendars, against exchange_calendars.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::fmt::Write as _;
use support::{outcomes, repository, succeeded};
use tapewire_core::exchange::Market;

#[test]
fn every_session_of_every_calendar_is_as_published() {
    let Some(mut compare) = outcomes("calendars") else { return };
    let mut sessions = "market,date,open,break_start,break_end,close\n".to_owned();
    for market in Market::ALL {
        for session in market.calendar().sessions() {
            let (from, until) = session.lunch_break.unzip();
            let text = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
            let (open, close) = (session.open, session.close);
            let (from, until) = (text(from), text(until));
            writeln!(sessions, "{market},{},{open},{from},{until},{close}", session.date).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.csv");
    std::fs::write(&file, sessions).unwrap();
    let said = succeeded(compare.arg("calendars").arg(&file).output().unwrap());
    assert_eq!(said.matches("sessions compared").count(), 8, "{said}");
}

#[test]
fn the_committed_calendars_are_what_the_script_writes() {
    let Some(compare) = outcomes("the file of calendars") else { return };
    let mut check = std::process::Command::new(compare.get_program());
    succeeded(check.arg(repository().join("scripts/calendars.py")).arg("--check").output().unwrap());
}
