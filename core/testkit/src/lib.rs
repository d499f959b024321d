//! What tests of several crates share: records to start from, random numbers, servers to run against, a proxy that
//! disturbs the way to them, and a server that takes what a program sends. Only for tests.
//!
//! A test sets the fields that matter to it and takes the rest from here:
//!
//! ```
//! use tapewire_core::Mention;
//! use tapewire_testkit::{at, mention};
//!
//! let mention = Mention { provider: "desk".into(), ..mention("AAPL", at("2024-07-01T14:00:00Z")) };
//! assert_eq!(mention.article_key(), "desk/a");
//! ```

mod dice;
mod every;
mod proxy;
mod receiver;
mod records;
mod servers;
mod topics;

pub use dice::Dice;
pub use every::{Optional, every_record};
pub use proxy::{Network, Proxy};
pub use receiver::{Request, receive};
pub use records::{article, at, bar, mention, symbol};
pub use servers::{clickhouse, kafka, schema_registry};
pub use topics::{all_records, next_records};
