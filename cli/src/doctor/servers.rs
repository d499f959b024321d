//! Kafka and its topics, ClickHouse and its tables, and whether they belong together.

use super::{Check, in_time};
use crate::config::Config;
use crate::exit;
use jiff::SignedDuration;
use std::time::Duration;
use tapewire_bus::binding::{self, BoundDatabase};
use tapewire_bus::{Retention, Topic, TopicState, Topics};
use tapewire_runtime::Clock;
use tapewire_store::server::{self, Disk, Server};
use tapewire_store::{StoreError, check_version, installation_id, newest_version};

const GIB: u64 = 1 << 30;

/// The checks, and how far our clock is ahead of ClickHouse's.
pub async fn checks(config: &Config, clock: &Clock) -> (Vec<Check>, Option<SignedDuration>) {
    let ((mut all, has_kafka), (store, ahead, id)) = tokio::join!(kafka(config), store(config, clock));
    all.extend(store);
    all.push(match (has_kafka, id) {
        (true, Some(id)) => binding(config, id).await,
        _ => Check::skipped("topics' database", "topics or tables could not be asked"),
    });
    (all, ahead)
}

async fn kafka(config: &Config) -> (Vec<Check>, bool) {
    let (topics, brokers) = (Topics::new(&config.kafka), &config.kafka.brokers);
    match in_time(topics.states()).await {
        Ok(Ok(states)) => {
            let mut checks = vec![Check::ok("kafka", format!("answers at {brokers}"))];
            checks.extend(self::topics(&states, needed(config)));
            (checks, true)
        }
        Ok(Err(error)) => {
            let skipped = Check::skipped("topics", "kafka could not be asked");
            (vec![Check::problem("kafka", exit::text(&error.into())), skipped], false)
        }
        Err(late) => {
            let found = format!("{late} from {brokers}");
            let skipped = Check::skipped("topics", "kafka could not be asked");
            (vec![Check::problem("kafka", found).remedy("see whether the brokers are overloaded"), skipped], false)
        }
    }
}

/// How far back the joiner may have to read to have its state again: the sessions of its baseline with weekends and
/// holidays.
fn needed(config: &Config) -> Duration {
    let days = u64::from(config.join.baseline_sessions) * 7 / 5 + 10;
    Duration::from_secs(days * 24 * 3600)
}

fn topics(states: &[(Topic, TopicState)], needed: Duration) -> Vec<Check> {
    let days = |duration: Duration| duration.as_secs() / (24 * 3600);
    let named = |wrong: &dyn Fn(&TopicState) -> bool| {
        let names: Vec<&str> =
            states.iter().filter(|(_, state)| wrong(state)).map(|(_, state)| state.name.as_str()).collect();
        names.join(", ")
    };
    let missing = named(&|state| state.partitions == 0);
    if !missing.is_empty() {
        return vec![
            Check::problem("topics", format!("kafka has no {missing}")).remedy("`tapewire migrate` makes them"),
        ];
    }
    let mut checks = Vec::new();
    let leaderless = named(&|state| !state.has_leaders);
    if !leaderless.is_empty() {
        let found = format!("partitions of {leaderless} have no leader, so nothing can be read or written there");
        checks.push(Check::problem("topics", found).remedy("see whether all brokers are up"));
    }
    let side_by_side = [Topic::Sentiment, Topic::Bars, Topic::Trades, Topic::Halts, Topic::Actions];
    let joined: Vec<&TopicState> =
        states.iter().filter(|(topic, _)| side_by_side.contains(topic)).map(|(_, state)| state).collect();
    if joined.iter().any(|state| state.partitions != joined[0].partitions) {
        let counts: Vec<String> = joined.iter().map(|state| format!("{} {}", state.name, state.partitions)).collect();
        let found = format!("the joiner reads topics side by side, but their partitions differ: {}", counts.join(", "));
        checks.push(Check::problem("topics", found).remedy("give each of them as many as the largest has"));
    }
    for state in joined.iter().filter(|state| matches!(state.retention, Retention::For(kept) if kept < needed)) {
        let Retention::For(kept) = state.retention else { continue };
        let (kept_days, needed_days) = (days(kept), days(needed));
        let found = format!(
            "{} keeps records for {kept_days} days; after a restart the joiner reads back up to {needed_days} days, and rows \
             would differ without them",
            state.name
        );
        let remedy = format!("set its retention.ms to {} or more", needed.as_millis());
        checks.push(Check::problem("topics", found).remedy(remedy));
    }
    if checks.is_empty() {
        let kept = joined.iter().filter_map(|state| match state.retention {
            Retention::For(kept) => Some(days(kept)),
            _ => None,
        });
        let kept = kept.min().map_or_else(String::new, |days| format!(", records kept for at least {days} days"));
        checks.push(Check::ok(
            "topics",
            format!("all {} exist, {} partitions{kept}", states.len(), joined[0].partitions),
        ));
    }
    checks
}

async fn store(config: &Config, clock: &Clock) -> (Vec<Check>, Option<SignedDuration>, Option<String>) {
    let url = &config.clickhouse.url;
    let before = clock.now();
    let server = match in_time(server::server(&config.clickhouse)).await {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => return without_store(Check::problem("clickhouse", exit::text(&error.into()))),
        Err(late) => {
            let remedy = "see whether the server is overloaded";
            return without_store(Check::problem("clickhouse", format!("{late} from {url}")).remedy(remedy));
        }
    };
    let ahead = ahead(&server, before.as_microsecond(), clock.now().as_microsecond());
    let mut checks = vec![Check::ok("clickhouse", format!("version {} answers at {url}", server.version))];
    let version = in_time(check_version(&config.clickhouse)).await;
    let database = &config.clickhouse.database;
    let is_current = matches!(version, Ok(Ok(())));
    checks.push(match version {
        Ok(Ok(())) => Check::ok("tables", format!("database {database} is at version {}", newest_version())),
        Ok(Err(error)) => Check::problem("tables", exit::text(&error.into())),
        Err(late) => Check::problem("tables", late),
    });
    checks.push(match in_time(server::disks(&config.clickhouse)).await {
        Ok(Ok(disks)) => disk(&disks),
        Ok(Err(StoreError::ClickHouse { .. })) => {
            Check::skipped("clickhouse's disk", "this user may not read the table of disks")
        }
        Ok(Err(error)) => Check::problem("clickhouse's disk", exit::text(&error.into())),
        Err(late) => Check::problem("clickhouse's disk", late),
    });
    let id = if is_current { in_time(installation_id(&config.clickhouse)).await } else { Err(String::new()) };
    (checks, Some(ahead), id.ok().and_then(Result::ok))
}

fn without_store(problem: Check) -> (Vec<Check>, Option<SignedDuration>, Option<String>) {
    (vec![problem, Check::skipped("tables", "clickhouse could not be asked")], None, None)
}

/// How far our clock is ahead, taking the server's answer for the middle of the request.
fn ahead(server: &Server, before: i64, after: i64) -> SignedDuration {
    SignedDuration::from_micros(before / 2 + after / 2 - server.now)
}

fn disk(disks: &[Disk]) -> Check {
    let what = "clickhouse's disk";
    let Some(least) = disks.iter().min_by_key(|disk| disk.free) else {
        return Check::skipped(what, "it has no local disk");
    };
    let gib = |bytes: u64| bytes as f64 / GIB as f64;
    let found = format!("{:.1} of {:.1} GiB are free on disk `{}`", gib(least.free), gib(least.total), least.name);
    let remedy = "make room, or drop old partitions";
    match least.free {
        free if free < GIB / 2 => Check::problem(what, found).remedy(remedy),
        free if free < 4 * GIB || free < least.total / 20 => Check::warning(what, found).remedy(remedy),
        _ => Check::ok(what, found),
    }
}

async fn binding(config: &Config, id: String) -> Check {
    let name = format!("database {} at {}", config.clickhouse.database, config.clickhouse.url);
    let database = BoundDatabase { id, name: name.clone() };
    let what = "topics' database";
    match in_time(binding::bound_database(&config.kafka)).await {
        Ok(Ok(None)) => Check::warning(what, "the topics do not say which database they are read into")
            .remedy("run `tapewire migrate`"),
        Ok(Ok(Some(bound))) if bound.id == database.id => Check::ok(what, format!("they are read into {name}")),
        Ok(Ok(Some(_))) => match binding::check(&config.kafka, &database).await {
            Ok(()) => Check::ok(what, format!("they are read into {name}")),
            Err(error) => Check::problem(what, exit::text(&error.into())),
        },
        Ok(Err(error)) => Check::problem(what, exit::text(&error.into())),
        Err(late) => Check::problem(what, late),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn states(change: impl Fn(Topic, &mut TopicState)) -> Vec<(Topic, TopicState)> {
        let of = |topic: Topic| {
            let retention = Retention::For(Duration::from_secs(90 * 24 * 3600));
            let mut state = TopicState { name: topic.base_name().into(), partitions: 6, has_leaders: true, retention };
            change(topic, &mut state);
            (topic, state)
        };
        Topic::ALL.into_iter().map(of).collect()
    }

    fn found(change: impl Fn(Topic, &mut TopicState)) -> Vec<(Status, String)> {
        let checks = topics(&states(change), needed(&Config::default()));
        checks.into_iter().map(|check| (check.status, check.line())).collect()
    }

    #[test]
    fn topics_are_complete_alike_and_kept_long_enough() {
        assert_eq!(found(|_, _| {})[0].0, Status::Ok);
        let missing = found(|topic, state| state.partitions *= usize::from(topic != Topic::Actions));
        assert!(missing[0].0 == Status::Problem && missing[0].1.contains("kafka has no actions"), "{missing:?}");
        let uneven = found(|topic, state| state.partitions += usize::from(topic == Topic::Halts));
        assert!(uneven[0].0 == Status::Problem && uneven[0].1.contains("halts 7"), "{uneven:?}");
        // News and dead letters have partitions of their own.
        assert_eq!(found(|topic, state| state.partitions += usize::from(topic == Topic::News))[0].0, Status::Ok);
        let week = Retention::For(Duration::from_secs(7 * 24 * 3600));
        let short = found(|topic, state| {
            if topic == Topic::Bars {
                state.retention = week
            }
        });
        assert!(short[0].0 == Status::Problem && short[0].1.contains("bars keeps records for 7 days"), "{short:?}");
        assert!(short[0].1.contains("38 days"), "20 sessions are four weeks, and there are holidays: {short:?}");
        let forever = found(|topic, state| {
            if topic == Topic::Bars {
                state.retention = Retention::Forever
            }
        });
        assert_eq!(forever[0].0, Status::Ok);
    }

    #[test]
    fn a_full_disk_is_a_problem_and_a_filling_one_a_warning() {
        let status = |free, total| disk(&[Disk { name: "d".into(), free, total }]).status;
        assert_eq!(status(100 * GIB, 200 * GIB), Status::Ok);
        assert_eq!(status(3 * GIB, 10 * GIB), Status::Warning);
        assert_eq!(status(30 * GIB, 1000 * GIB), Status::Warning);
        assert_eq!(status(GIB / 4, 10 * GIB), Status::Problem);
    }
}
