//! Whether the topics are there, and keep records for as long as they are read again.

use super::Check;
use crate::retention::whole_days;
use std::time::Duration;
use tapewire_bus::{Retention, Topic, TopicState};

/// Topics that the joiner reads again after a restart. It goes on with `trades` where it was.
const READ_AGAIN: [Topic; 4] = [Topic::Sentiment, Topic::Bars, Topic::Halts, Topic::Actions];

/// The checks of the topics; `rewind` says how far back the joiner may have to read to have its state again.
pub fn checks(states: &[(Topic, TopicState)], rewind: Duration) -> Vec<Check> {
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
    let of = |topics: &[Topic]| -> Vec<&TopicState> {
        states.iter().filter(|(topic, _)| topics.contains(topic)).map(|(_, state)| state).collect()
    };
    let joined = of(&Topic::SIDE_BY_SIDE);
    if joined.iter().any(|state| state.partitions != joined[0].partitions) {
        let counts: Vec<String> = joined.iter().map(|state| format!("{} {}", state.name, state.partitions)).collect();
        let found = format!("the joiner reads topics side by side, but their partitions differ: {}", counts.join(", "));
        checks.push(Check::problem("topics", found).remedy("give each of them as many as the largest has"));
    }
    let read_again = of(&READ_AGAIN);
    checks.extend(read_again.iter().flat_map(|state| kept(state, rewind)));
    if checks.is_empty() {
        let kept = read_again.iter().filter_map(|state| match state.retention {
            Retention::For(kept) => Some(kept.as_secs() / (24 * 3600)),
            _ => None,
        });
        let kept = kept.min().map_or_else(
            || ", records are kept".to_owned(),
            |days| {
                format!(", records kept for at least {days} days; the joiner reads back up to {}", whole_days(rewind))
            },
        );
        let found = format!("all {} exist, {} partitions{kept}", states.len(), joined[0].partitions);
        checks.push(Check::ok("topics", found));
    }
    checks
}

/// What is wrong with how long a topic keeps its records.
fn kept(state: &TopicState, rewind: Duration) -> Vec<Check> {
    let name = &state.name;
    let needed = format!("after a restart the joiner reads back up to {} days", whole_days(rewind));
    let mut checks = Vec::new();
    match state.retention {
        Retention::For(kept) if kept < rewind => {
            let days = kept.as_secs() / (24 * 3600);
            let found = format!("{name} keeps records for {days} days; {needed}, and rows would differ without them");
            let remedy = format!("set its retention.ms to {} or more", rewind.as_millis());
            checks.push(Check::problem("topics", found).remedy(remedy));
        }
        Retention::Compacted => {
            let found =
                format!("{name} is compacted, so only the last record of a symbol is sure to be kept; {needed}");
            checks.push(Check::problem("topics", found).remedy("set its cleanup.policy to delete"));
        }
        Retention::Unknown => {
            let found = format!("the broker does not say how long {name} keeps records; {needed}");
            checks.push(Check::warning("topics", found).remedy("give this user the right DescribeConfigs"));
        }
        Retention::For(_) | Retention::Forever => {}
    }
    if let Some(bytes) = state.most_bytes {
        let found = format!("each partition of {name} keeps at most {bytes} bytes, whatever their age; {needed}");
        checks.push(Check::warning("topics", found).remedy("set its retention.bytes to -1"));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const REWIND: Duration = Duration::from_secs(41 * 24 * 3600 + 1);

    /// What is found where `change` has changed one topic, or all.
    fn found(change: impl Fn(Topic, &mut TopicState)) -> Vec<(Status, String)> {
        let of = |topic: Topic| {
            let (name, retention) = (topic.base_name().into(), Retention::For(90 * DAY));
            let mut state = TopicState { name, partitions: 6, has_leaders: true, retention, most_bytes: None };
            change(topic, &mut state);
            (topic, state)
        };
        let states: Vec<_> = Topic::ALL.into_iter().map(of).collect();
        checks(&states, REWIND).into_iter().map(|check| (check.status, check.line())).collect()
    }

    fn with(of: Topic, retention: Retention) -> Vec<(Status, String)> {
        found(|topic, state| {
            if topic == of {
                state.retention = retention;
            }
        })
    }

    #[test]
    fn topics_are_complete_and_alike() {
        assert_eq!(found(|_, _| {})[0].0, Status::Ok);
        let missing = found(|topic, state| state.partitions *= usize::from(topic != Topic::Actions));
        assert!(missing[0].0 == Status::Problem && missing[0].1.contains("kafka has no actions"), "{missing:?}");
        let uneven = found(|topic, state| state.partitions += usize::from(topic == Topic::Halts));
        assert!(uneven[0].0 == Status::Problem && uneven[0].1.contains("halts 7"), "{uneven:?}");
        // News and dead letters have partitions of their own.
        assert_eq!(found(|topic, state| state.partitions += usize::from(topic == Topic::News))[0].0, Status::Ok);
    }

    #[test]
    fn records_are_kept_for_as_long_as_they_are_read_again() {
        for topic in READ_AGAIN {
            let short = with(topic, Retention::For(7 * DAY));
            let said = format!("{} keeps records for 7 days", topic.base_name());
            assert!(short[0].0 == Status::Problem && short[0].1.contains(&said), "{short:?}");
            assert!(short[0].1.contains("42 days") && short[0].1.contains("3542401000 or more"), "{short:?}");
            assert_eq!(with(topic, Retention::For(REWIND))[0].0, Status::Ok);
            assert_eq!(with(topic, Retention::Forever)[0].0, Status::Ok);
            let compacted = with(topic, Retention::Compacted);
            assert!(compacted[0].0 == Status::Problem && compacted[0].1.contains("cleanup.policy"), "{compacted:?}");
            assert_eq!(with(topic, Retention::Unknown)[0].0, Status::Warning);
            let small = found(|of, state| state.most_bytes = (of == topic).then_some(1 << 30));
            assert!(small.len() == 1 && small[0].0 == Status::Warning, "{small:?}");
            assert!(small[0].1.contains("at most 1073741824 bytes"), "{small:?}");
        }
        // These are read on from where they were.
        for topic in [Topic::News, Topic::Trades, Topic::DeadLetter] {
            assert_eq!(with(topic, Retention::For(7 * DAY))[0].0, Status::Ok);
        }
        assert_eq!(with(Topic::Instruments, Retention::Compacted)[0].0, Status::Ok);
    }
}
