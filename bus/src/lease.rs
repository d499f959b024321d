//! Work that one process does at a time, while others stand by.
//!
//! A lease is a consumer group on the topic `installation`, which has one partition: the member that has the partition
//! has the lease. When that member leaves, or the broker hears nothing of it for [`SESSION_TIMEOUT_MS`], another member
//! gets it. Members that join change nothing, because partitions are assigned as cooperative-sticky does (Kafka's
//! KIP-429).
//!
//! Two processes may work at the same time for a moment: one that was paused works on until it hears that it has lost the
//! lease. So a lease is for work that may be done twice.

use crate::broker_log::{self, Logged, is_broker_unreachable};
use crate::consumer::close_in_time;
use crate::error::is_fatal;
use crate::topic::INSTALLATION;
use crate::{BusError, KafkaConfig, Topic, cut_off};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::KafkaError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// After this time without a sign of life, the broker gives the lease to another member. It is the shortest time that a
/// broker accepts with its default settings (`group.min.session.timeout.ms`).
const SESSION_TIMEOUT_MS: &str = "6000";

/// A member that does not hear of its group for this long takes the lease for lost. Until then it works on: while no broker
/// can be reached, nobody else gets the lease, and a broker that restarts is back sooner.
const UNHEARD: Duration = Duration::from_secs(60);

/// Who has the lease, as far as this member has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// This member.
    This,
    /// Another member.
    Another,
    /// It is being assigned, or no broker can be reached.
    Unknown,
}

/// What was heard last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    holder: Holder,
    /// Whether the broker answers other clients, but never again this one.
    is_cut_off: bool,
}

/// A member of the processes of which one has the lease.
pub struct Lease {
    /// `None` once the lease is being dropped.
    inner: Option<Arc<StreamConsumer<Logged<Rebalances>>>>,
    heard: watch::Receiver<Heard>,
    group: String,
    brokers: String,
}

struct Rebalances(Arc<watch::Sender<Heard>>);

impl ConsumerContext for Logged<Rebalances> {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.0.0.send_if_modified(|heard| {
            let holder = match rebalance {
                Rebalance::Assign(partitions) if partitions.count() > 0 => Holder::This,
                // Nothing new for this member.
                Rebalance::Assign(_) if heard.holder == Holder::This => Holder::This,
                Rebalance::Assign(_) => Holder::Another,
                Rebalance::Revoke(_) | Rebalance::Error(_) => Holder::Unknown,
            };
            std::mem::replace(&mut heard.holder, holder) != holder
        });
    }
}

impl Lease {
    /// Becomes a member of those that want the lease `name`.
    ///
    /// # Errors
    /// [`BusError::Config`].
    pub fn new(config: &KafkaConfig, name: &str) -> Result<Self, BusError> {
        let (sender, heard) = watch::channel(Heard { holder: Holder::Unknown, is_cut_off: false });
        let sender = Arc::new(sender);
        let group = format!("{}lease-{name}", config.prefix);
        let inner: StreamConsumer<Logged<Rebalances>> = config
            .client()
            .set("group.id", &group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "latest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION_TIMEOUT_MS)
            .set("heartbeat.interval.ms", "1000")
            .create_with_context(Logged(Rebalances(Arc::clone(&sender))))
            .map_err(|error| BusError::Config(error.into()))?;
        let topic = format!("{}{INSTALLATION}", config.prefix);
        inner.subscribe(&[&topic]).map_err(|error| BusError::Config(error.into()))?;
        let inner = Arc::new(inner);
        let tell = move |_: &StreamConsumer<Logged<Rebalances>>| sender.send_modify(|heard| heard.is_cut_off = true);
        cut_off::watch(
            &inner,
            |client: &StreamConsumer<Logged<Rebalances>>| client.client(),
            config,
            Topic::News,
            tell,
        );
        Ok(Self { inner: Some(inner), heard, group, brokers: config.brokers.clone() })
    }

    /// Waits until this process has the lease; calls `stand_by` when it hears that another has it. Cancel-safe.
    ///
    /// # Errors
    /// [`BusError::CutOff`] and [`BusError::Receive`], when this client can't go on.
    pub async fn acquired(&mut self, mut stand_by: impl FnMut()) -> Result<(), BusError> {
        loop {
            match self.holder()? {
                Holder::This => return Ok(()),
                Holder::Another => stand_by(),
                Holder::Unknown => {}
            }
            self.change().await?;
        }
    }

    /// Waits until this process no longer has the lease. Cancel-safe.
    ///
    /// # Errors
    /// As [`Lease::acquired`].
    pub async fn lost(&mut self) -> Result<(), BusError> {
        loop {
            match self.holder()? {
                Holder::This => self.change().await?,
                Holder::Another => return Ok(()),
                Holder::Unknown => match tokio::time::timeout(UNHEARD, self.change()).await {
                    Ok(changed) => changed?,
                    Err(_) => return Ok(()),
                },
            }
        }
    }

    /// Waits until another process has the lease: for work that has to go on while no broker can be reached, and that
    /// finds out in another way whether somebody else does it. Cancel-safe.
    ///
    /// # Errors
    /// As [`Lease::acquired`].
    pub async fn taken(&mut self) -> Result<(), BusError> {
        while self.holder()? != Holder::Another {
            self.change().await?;
        }
        Ok(())
    }

    fn holder(&mut self) -> Result<Holder, BusError> {
        let Heard { holder, is_cut_off } = *self.heard.borrow_and_update();
        if is_cut_off { Err(BusError::CutOff { brokers: self.brokers.clone() }) } else { Ok(holder) }
    }

    /// Waits for news of the lease. The group's calls run while this waits for records, of which there are hardly any.
    async fn change(&mut self) -> Result<(), BusError> {
        let inner = self.inner.as_ref().expect("only dropping takes it");
        loop {
            tokio::select! {
                biased;
                changed = self.heard.changed() => {
                    return changed.map_err(|_| BusError::Receive(KafkaError::Canceled.into()));
                }
                received = inner.recv() => match received {
                    Ok(_) => {}
                    // The library's log has reported this already.
                    Err(error) if is_broker_unreachable(&error) => {}
                    Err(error) if !is_fatal(&error) => {
                        broker_log::say(&format!("kafka has a problem with group {}; waiting: {error}", self.group));
                    }
                    Err(error) => return Err(BusError::Receive(error.into())),
                },
            }
        }
    }
}

impl Drop for Lease {
    /// Leaves the group, so that another member gets the lease at once.
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            close_in_time(inner);
        }
    }
}
