//! Kafka and its topics, the schema registry, ClickHouse and its tables, and whether they belong together.

use super::{Check, in_time, registry, topics};
use crate::config::Config;
use crate::exit;
use jiff::SignedDuration;
use tapewire_bus::Topics;
use tapewire_bus::binding::{self, BoundDatabase};
use tapewire_runtime::Clock;
use tapewire_store::server::{self, Disk, Server};
use tapewire_store::{StoreError, check_version, installation_id, newest_version, retention};

const GIB: u64 = 1 << 30;

/// The checks, and how far our clock is ahead of ClickHouse's.
pub async fn checks(config: &Config, clock: &Clock) -> (Vec<Check>, Option<SignedDuration>) {
    let ((mut all, has_kafka), registry, (store, ahead, id)) =
        tokio::join!(kafka(config), registry::check(config), store(config, clock));
    all.push(registry);
    all.extend(store);
    all.push(match (has_kafka, id) {
        (true, Some(id)) => binding(config, id).await,
        _ => Check::skipped("topics' database", "topics or tables could not be asked"),
    });
    (all, ahead)
}

async fn kafka(config: &Config) -> (Vec<Check>, bool) {
    let brokers = &config.kafka.brokers;
    match in_time(Topics::new(&config.kafka).states()).await {
        Ok(Ok(states)) => {
            let mut checks = vec![Check::ok("kafka", format!("answers at {brokers}"))];
            checks.extend(topics::checks(&states, config.join.longest_rewind()));
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
    if is_current {
        checks.push(retention(config).await);
    }
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

/// Whether the tables keep their rows as the settings say.
async fn retention(config: &Config) -> Check {
    let what = "tables' retention";
    let (kept, cold) = (&config.clickhouse.retention, &config.clickhouse.cold);
    let changes = match in_time(retention::changes(&config.clickhouse)).await {
        Ok(Ok(changes)) => changes,
        Ok(Err(error)) => return Check::problem(what, exit::text(&error.into())),
        Err(late) => return Check::problem(what, late),
    };
    if !changes.is_empty() {
        let words: Vec<&str> = changes.iter().map(|change| change.words.as_str()).collect();
        let found = format!("not in effect as set: {}", words.join("; "));
        return Check::warning(what, found).remedy("run `tapewire migrate`");
    }
    let set = [
        ("articles", kept.articles),
        ("mentions", kept.mentions),
        ("bars", kept.bars),
        ("trades", kept.trades),
        ("indicators", kept.indicators),
        ("dead_letters", kept.dead_letters),
    ];
    let set = set.into_iter().filter_map(|(name, days)| days.map(|days| format!("{name} {days}")));
    let moved = cold.policy.is_some().then(|| format!("on volume {} after {}", cold.volume, cold.after));
    let set: Vec<String> = set.chain(moved).collect();
    match set.is_empty() {
        true => Check::ok(what, "all rows are kept"),
        false => Check::ok(what, format!("in effect as set: {}", set.join(", "))),
    }
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

    #[test]
    fn a_full_disk_is_a_problem_and_a_filling_one_a_warning() {
        let status = |free, total| disk(&[Disk { name: "d".into(), free, total }]).status;
        assert_eq!(status(100 * GIB, 200 * GIB), Status::Ok);
        assert_eq!(status(3 * GIB, 10 * GIB), Status::Warning);
        assert_eq!(status(30 * GIB, 1000 * GIB), Status::Warning);
        assert_eq!(status(GIB / 4, 10 * GIB), Status::Problem);
    }
}
