//! `tapewire`: joins the news wire to the price tape.

mod commands;
mod config;
mod exit;
mod report;
mod roles;
mod settings;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = commands::Arguments::parse();
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tapewire: {}", exit::text(&error));
            ExitCode::from(exit::code(&error))
        }
    }
}
