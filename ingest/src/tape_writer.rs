//! Writes the tape to its topics.

use crate::IngestError;
use jiff::Timestamp;
use tapewire_bus::{Delivery, Producer, Topic};
use tapewire_core::record::Tape;
use tapewire_core::{Bar, Halt, HaltRecord, Run, Symbol, TapeRecord, Trade, TradeRecord, Watermark};

/// Most records on their way at once; then all are waited for.
const IN_FLIGHT: usize = 10_000;

/// Sends bars, trades and halts of one run. Nothing may be taken as sent before
/// [`TapeWriter::settle`] has returned.
pub struct TapeWriter {
    producer: Producer,
    run: Run,
    benchmark: Symbol,
    in_flight: Vec<Delivery>,
}

impl TapeWriter {
    /// A writer for `run`; the bars of `benchmark` are copied to every partition.
    pub fn new(producer: Producer, run: Run, benchmark: Symbol) -> Self {
        Self { producer, run, benchmark, in_flight: Vec::new() }
    }

    /// Sends a bar.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn bar(&mut self, bar: Bar) -> Result<(), IngestError> {
        let key = bar.symbol.clone();
        if key == self.benchmark {
            let copy = TapeRecord::new(self.run.clone(), Tape::BenchmarkBar(bar.clone())).encode();
            self.in_flight.extend(self.producer.enqueue_to_others(Topic::Bars, key.as_str(), &copy).await?);
        }
        let record = TapeRecord::new(self.run.clone(), Tape::Bar(bar)).encode();
        self.send(Topic::Bars, &key, &record).await
    }

    /// Sends a trade.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn trade(&mut self, trade: Trade) -> Result<(), IngestError> {
        let key = trade.symbol.clone();
        self.send(Topic::Trades, &key, &TradeRecord::new(self.run.clone(), trade).encode()).await
    }

    /// Sends a halt.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn halt(&mut self, halt: Halt) -> Result<(), IngestError> {
        let key = halt.symbol.clone();
        self.send(Topic::Halts, &key, &HaltRecord::new(self.run.clone(), halt).encode()).await
    }

    /// Waits until everything sent is acknowledged.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn settle(&mut self) -> Result<(), IngestError> {
        for delivery in self.in_flight.drain(..) {
            delivery.acknowledged().await?;
        }
        Ok(())
    }

    /// Says on every partition of `bars` that every bar that ended up to `at` has been sent, after
    /// waiting until that is true.
    ///
    /// # Errors
    /// [`IngestError::Bus`].
    pub async fn promise(&mut self, at: Timestamp) -> Result<(), IngestError> {
        self.settle().await?;
        let record = TapeRecord::new(self.run.clone(), Tape::Watermark(Watermark { index: 0, count: 1, at }));
        Ok(self.producer.broadcast(Topic::Bars, "watermark", &record.encode()).await?)
    }

    async fn send(&mut self, topic: Topic, key: &Symbol, record: &[u8]) -> Result<(), IngestError> {
        if self.in_flight.len() >= IN_FLIGHT {
            self.settle().await?;
        }
        self.in_flight.push(self.producer.enqueue(topic, key.as_str(), record).await?);
        Ok(())
    }
}
