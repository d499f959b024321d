//! Finds clients that can't reach a broker although it answers others.
//!
//! A broker that has just started, or that was paused, may answer that the cluster has no brokers. librdkafka then
//! forgets the broker, and sometimes never asks it again (librdkafka's issue 5301, in versions 2.11 to at least 2.14).
//! Such a client waits for ever, and only a new client can reach the broker.

use crate::{KafkaConfig, Topic, Topics};
use rdkafka::client::{Client, ClientContext};
use rdkafka::producer::{BaseProducer, DefaultProducerContext};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Time between two looks at a client.
const PERIOD: Duration = Duration::from_secs(10);

/// Longest wait for a broker's answer about a topic. A healthy broker takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a client has to fail, and another to succeed after it, before the first counts as cut off.
const FAILURES: usize = 2;

/// Looks at a client until it is dropped, and calls `act` whenever it is cut off. `topic` is a topic that it uses.
///
/// # Panics
/// Outside a Tokio runtime.
pub(crate) fn watch<C, X>(
    client: &Arc<C>,
    of: impl Fn(&C) -> &Client<X> + Send + Sync + Copy + 'static,
    config: &KafkaConfig,
    topic: Topic,
    act: impl Fn(&C) + Send + Sync + 'static,
) where
    C: Send + Sync + 'static,
    X: ClientContext + 'static,
{
    let (client, config, topic) = (Arc::downgrade(client), config.clone(), Topics::new(config).name(topic));
    let act = Arc::new(act);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(PERIOD).await;
            let (client, config, topic, act) = (Weak::clone(&client), config.clone(), topic.clone(), Arc::clone(&act));
            let look = move || {
                let Some(client) = client.upgrade() else { return false };
                let answers = || answers(of(&client), &topic, ANSWER_TIMEOUT);
                if is_cut_off(&config, &topic, ANSWER_TIMEOUT, answers) {
                    tracing::warn!(
                        brokers = config.brokers,
                        "kafka answers, but not this client, which librdkafka has cut off; a new client replaces it"
                    );
                    act(&client);
                }
                true
            };
            if !spawn_blocking(look).await.unwrap_or(false) {
                return;
            }
        }
    });
}

/// Whether a client gets an answer.
fn answers<X: ClientContext>(client: &Client<X>, topic: &str, timeout: Duration) -> bool {
    client.fetch_metadata(Some(topic), timeout).is_ok_and(|metadata| !metadata.brokers().is_empty())
}

/// Whether a client gets no answer, repeatedly, while a new client gets one each time.
fn is_cut_off(config: &KafkaConfig, topic: &str, timeout: Duration, client_answers: impl Fn() -> bool) -> bool {
    let another_answers = || {
        let another: Result<BaseProducer<DefaultProducerContext>, _> = config.client().create();
        another.is_ok_and(|another| answers(rdkafka::producer::Producer::client(&another), topic, timeout))
    };
    (0..FAILURES).all(|_| !client_answers() && another_answers())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::Producer as _;

    #[test]
    fn a_client_is_cut_off_if_it_gets_no_answer_and_another_does() {
        let cluster = MockCluster::new(1).unwrap();
        let up = KafkaConfig { brokers: cluster.bootstrap_servers(), ..KafkaConfig::default() };
        let down = KafkaConfig { brokers: "127.0.0.1:1".into(), ..KafkaConfig::default() };
        let topic = Topics::new(&up).name(Topic::Halts);
        cluster.create_topic(&topic, 2, 1).unwrap();
        let timeout = Duration::from_secs(2);
        let is_cut_off = |client: &KafkaConfig, others: &KafkaConfig| {
            let client: BaseProducer = client.client().create().unwrap();
            is_cut_off(others, &topic, timeout, || answers(client.client(), &topic, timeout))
        };
        assert!(!is_cut_off(&up, &up) && !is_cut_off(&down, &down) && is_cut_off(&down, &up));
    }
}
