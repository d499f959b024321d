//! Sends lists of instruments to the topic `instruments`, each list when it has changed.

use super::massive::{MASSIVE, fetch_massive};
use super::{InstrumentsConfig, Listing, SEC, fetch_sec};
use crate::IngestError;
use crate::providers::ProvidersConfig;
use crate::providers::Reject;
use crate::state::StateFile;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tapewire_bus::{DeadLetters, Producer, Topic};
use tapewire_core::record::ListedInstrument;
use tapewire_core::{Instrument, InstrumentRecord, Run};
use tapewire_runtime::{Clock, Shutdown, chain};

/// Name of the built-in list.
pub(super) const BUILT_IN: &str = "builtin";

/// Name of the stage in dead letters.
pub(crate) const STAGE: &str = "instruments";

/// Longest wait after a failed attempt, in market time.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// The wait after an attempt that failed because the disk is full, in market time.
const FULL_DISK_RETRY: Duration = Duration::from_secs(60);

/// Most records that may be unacknowledged at once.
const IN_FLIGHT: usize = 10_000;

/// Follows the configured lists until shutdown. `built_in` is the list of this build.
///
/// If a list can't be fetched, a warning is logged, the list is fetched again within an hour, and the other lists are
/// sent. While the disk is full, none are. The state file `instruments.json` has a digest of each list that was sent.
///
/// # Errors
/// [`IngestError::Config`], [`IngestError::State`], [`IngestError::Bus`].
pub fn run<'a>(
    config: &'a InstrumentsConfig,
    providers: &'a ProvidersConfig,
    built_in: Vec<Instrument>,
    state_folder: &'a Path,
    producer: Producer,
    clock: Clock,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), IngestError>> {
    Box::pin(async move {
        config.check()?;
        let state = StateFile::new(state_folder, "instruments.json")?;
        let dead_letters = DeadLetters::new(producer.clone(), clock.clone(), STAGE);
        let digests = state.load()?.unwrap_or_default();
        let mut publisher = Publisher { config, providers, built_in, producer, dead_letters, clock, state, digests };
        shutdown.run_until_cancelled(publisher.follow()).await.unwrap_or(Ok(()))
    })
}

struct Publisher<'a> {
    config: &'a InstrumentsConfig,
    providers: &'a ProvidersConfig,
    built_in: Vec<Instrument>,
    producer: Producer,
    dead_letters: DeadLetters,
    clock: Clock,
    state: StateFile<BTreeMap<String, String>>,
    digests: BTreeMap<String, String>,
}

impl Publisher<'_> {
    async fn follow(&mut self) -> Result<(), IngestError> {
        loop {
            let wait = match self.update().await {
                Ok(true) => self.config.every,
                Ok(false) => self.config.every.min(LONGEST_RETRY),
                Err(error @ IngestError::DiskFull { .. }) => {
                    tracing::error!(
                        error = chain(&error),
                        wait_s = FULL_DISK_RETRY.as_secs_f64(),
                        "lists of instruments are not sent while it can't be noted which were; what was sent before stays \
                         in use; trying again"
                    );
                    FULL_DISK_RETRY
                }
                Err(error) => return Err(error),
            };
            self.clock.sleep(wait).await;
        }
    }

    /// Sends each list that has changed, and the lists after it, which override it. Returns whether all could be fetched.
    async fn update(&mut self) -> Result<bool, IngestError> {
        let mut all_fetched = true;
        for (place, source) in self.config.sources.iter().enumerate() {
            let Listing { instruments, rejects } = match self.fetch(source).await {
                Ok(listing) => listing,
                Err(IngestError::Provider(error)) => {
                    all_fetched = false;
                    tracing::warn!(
                        source,
                        error = chain(&error),
                        retry_s = self.config.every.min(LONGEST_RETRY).as_secs_f64(),
                        "a list of instruments could not be fetched; what was sent before stays in use"
                    );
                    continue;
                }
                Err(error) => return Err(error),
            };
            let digest = digest(&instruments, &rejects);
            if self.digests.get(source) == Some(&digest) {
                continue;
            }
            // This list's records hide those of the lists after it, until those are sent again. Their digests are
            // removed before this list is sent, so that they are sent again even after a crash or a failed fetch.
            for overridden in &self.config.sources[place..] {
                self.digests.remove(overridden);
            }
            self.state.save(&self.digests).await?;
            let count = instruments.len();
            self.send(source, instruments).await?;
            for reject in rejects {
                self.dead_letters.publish(source, &reject.reason, &reject.bytes).await?;
            }
            self.digests.insert(source.clone(), digest);
            self.state.save(&self.digests).await?;
            tracing::info!(source, count, "a list of instruments was published");
        }
        Ok(all_fetched)
    }

    async fn fetch(&self, source: &str) -> Result<Listing, IngestError> {
        Ok(match source {
            SEC => fetch_sec(self.config, self.clock.clone()).await?,
            MASSIVE => fetch_massive(self.providers, &self.clock).await?,
            _ => Listing { instruments: self.built_in.clone(), rejects: Vec::new() },
        })
    }

    async fn send(&self, source: &str, instruments: Vec<Instrument>) -> Result<(), IngestError> {
        let seen_at = self.clock.now();
        let mut in_flight = Vec::new();
        for instrument in instruments {
            let listed = ListedInstrument { instrument, source: source.to_owned(), seen_at };
            let key = listed.key();
            let record = InstrumentRecord::new(Run::live(), listed).encode();
            in_flight.push(self.producer.enqueue(Topic::Instruments, &key, &record).await?);
            if in_flight.len() >= IN_FLIGHT {
                for delivery in in_flight.drain(..) {
                    delivery.acknowledged().await?;
                }
            }
        }
        for delivery in in_flight {
            delivery.acknowledged().await?;
        }
        Ok(())
    }
}

/// A digest of the instruments and of the rows that can't be read, so that a change of either sends the list again.
fn digest(instruments: &[Instrument], rejects: &[Reject]) -> String {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(instruments).expect("instruments are strings, numbers and dates"));
    for reject in rejects {
        hash.update((reject.bytes.len() as u64).to_le_bytes());
        hash.update(&reject.bytes);
    }
    hex::encode(hash.finalize())
}
