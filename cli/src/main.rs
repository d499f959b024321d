//! `tapewire`: joins the news wire to the price tape.

// Results are written by `output`, which does not panic.
#![deny(clippy::print_stdout)]

mod account;
mod batch;
mod commands;
mod config;
mod dead_letters;
mod doctor;
mod ending;
mod exit;
mod logging;
mod output;
mod preflight;
mod preset;
mod report;
mod retention;
mod roles;
mod settings;
mod subscriptions;

use clap::Parser as _;
fn main() {
    let arguments = commands::Arguments::parse();
    ending::exit(commands::run(arguments))
}
