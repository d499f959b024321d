//! `tapewire doctor`: whether everything that `tapewire run` needs is there.

use crate::commands::reading::progress_bar;
use crate::config;
use crate::doctor::{self, Check, Given, Status};
use crate::output::outln;
use crate::settings::{self, Loaded};
use crate::{exit, subscriptions};
use anyhow::bail;
use clap::Args;
use serde_json::json;
use std::path::Path;
use tapewire_runtime::Shutdown;

/// Checks settings, secrets, keys, sources, clock, Kafka, ClickHouse, disks and the model: a line each, with what to do
/// where something is wrong. Nothing is changed, and each source gets one request.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire doctor\n  \
    tapewire doctor --preset keyless --set providers.edgar.user_agent=\"Your Name you@example.com\"\n  \
    tapewire doctor --json | jq '.checks[] | select(.status != \"ok\")'\n\n\
    It takes the settings that `tapewire run` would take, and ends within half a minute, also when nothing answers. Keys and\n\
    passwords are never printed. Exit code 1: there is a problem. Warnings do not count.")]
pub struct Doctor {
    /// Print the checks as JSON: {"checks": [{"what", "status", "found", "remedy"}], "problems", "warnings"}
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub async fn run(
        self,
        loaded: Result<Loaded<config::Config>, settings::Error>,
        file: Option<&Path>,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let (given, config) = Given::new(loaded, file);
        let mut checks = given.checks.clone();
        let config = config.map(|config| match subscriptions::applied(&config) {
            Ok(applied) => applied,
            Err(error) => {
                checks.push(Check::problem("subscriptions", exit::text(&error)));
                config
            }
        });
        if let Some(config) = config {
            let bar = progress_bar();
            bar.set_message("asking the sources, Kafka and ClickHouse");
            let asked = shutdown.run_until_cancelled(doctor::checks(&given, &config)).await;
            bar.finish_and_clear();
            let Some(asked) = asked else { bail!("interrupted before everything was checked") };
            checks.extend(asked);
        }
        let count = |status: Status| checks.iter().filter(|check| check.status == status).count();
        let (problems, warnings) = (count(Status::Problem), count(Status::Warning));
        if self.json {
            outln!("{}", json!({"checks": checks, "problems": problems, "warnings": warnings}))?;
        } else {
            checks.iter().map(Check::line).try_for_each(|line| outln!("{line}"))?;
        }
        let Some(first) = checks.iter().find(|check| check.status == Status::Problem) else { return Ok(()) };
        let found = format!("{}: {}", first.what, first.found.lines().next().unwrap_or_default());
        match problems {
            1 => bail!("1 problem of {} checks: {found}", checks.len()),
            problems => bail!("{problems} problems of {} checks, the first: {found}", checks.len()),
        }
    }
}
