//! What providers send and what files hold, from anybody: no panic, no more memory than the input accounts for, and what
//! is accepted has the numbers and times that a plain reader finds.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod listed;
mod massive;
mod replay;
mod rest;
mod streams;

/// How many inputs `cargo test` tries for each target.
const INPUTS: usize = 3000;
