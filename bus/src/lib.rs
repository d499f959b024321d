//! The bus between the stages: Kafka, with the few guarantees that tapewire needs from it.
//!
//! A record counts as sent when the brokers have acknowledged it, and as read when its reader commits it: there are no
//! automatic commits. A record that can't be read becomes a dead letter. On topics records are JSON or Avro; stages see
//! JSON.

mod attempts;
pub mod avro;
pub mod batch;
pub mod binding;
mod broker_log;
pub mod config;
pub mod consumer;
mod cut_off;
pub mod dead_letter;
pub mod error;
pub mod inspect;
pub mod lag;
pub mod lease;
pub mod partitioner;
pub mod producer;
pub mod topic;
pub mod traces;

pub use avro::{Format, SchemaRegistryConfig};
pub use batch::Filled;
pub use config::KafkaConfig;
pub use consumer::{Commit, Consumer, Event, Received, StartAt, Unreadable};
pub use dead_letter::DeadLetters;
pub use error::{BusError, ClientError};
pub use inspect::{Retention, TopicState};
pub use lease::Lease;
pub use producer::{Delivery, Producer};
pub use topic::{Topic, Topics};
