//! Pollers, feeds, lists of instruments and replays, against a Kafka. They are one program, because most of the time to
//! compile it goes into what all of them use.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod actions;
#[path = "../common/mod.rs"]
mod common;
mod instruments;
mod keyless;
mod oracle;
mod poller;
mod pushed;
mod replay;
