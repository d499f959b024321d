//! A feed that is killed again and again while its connection fails: afterwards every bar that the provider printed is on
//! the topic with its prices. `SEED` chooses when it is killed, `HOURS` how long the market is followed.

use super::{check_watermarks, config, expected, feed, follow, held, market, watermark};
use crate::common::{Kafka, Provider, setting, time, until};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tapewire_ingest::simulate::Faults;
use tapewire_runtime::Shutdown;

#[tokio::test]
async fn every_bar_is_sent_however_often_the_feed_is_killed() {
    let (seed, hours) = (setting("SEED", 1), setting("HOURS", 2));
    println!("SEED={seed} HOURS={hours}");
    let kafka = Kafka::start("killed").await;
    let faults = Faults { disconnect_after: 70, rate_limit_every: 5, error_body_every: 7, ..Faults::default() };
    let provider = Provider::start(market(faults), super::ORIGIN, super::SPEED).await;
    let state = tempfile::tempdir().unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let end = time(super::ORIGIN) + SignedDuration::from_hours(i64::try_from(hours).unwrap());
    let mut kills = 0;
    while provider.clock.now() < end {
        let stop = provider.clock.now() + SignedDuration::from_mins(rng.random_range(5..25));
        let feed = feed(&config(), &kafka, &provider.providers, &provider, state.path()).unwrap();
        let running = tokio::spawn(feed.run(Shutdown::new()));
        until(async || running.is_finished() || provider.clock.now() >= stop).await;
        assert!(!running.is_finished(), "the feed has ended: {:?}", running.await);
        running.abort();
        let _ = running.await;
        kills += 1;
    }
    follow(config(), &kafka, &provider, state.path(), end + SignedDuration::from_mins(20)).await;

    let from = time(super::ORIGIN) - SignedDuration::from_hours(20);
    let tape = kafka.tape().await;
    let wanted = expected(&provider, &config().symbols, from, watermark(&tape).unwrap());
    check_watermarks(&tape, &wanted);
    let held = held(kafka.bars().await);
    for (key, close) in &wanted {
        assert_eq!(held.get(key).map(|bar| bar.close), Some(*close), "{key:?}");
    }
    let known = expected(&provider, &config().symbols, Timestamp::MIN, Timestamp::MAX);
    assert!(held.keys().all(|key| known.contains_key(key)), "a bar was never printed");
    println!("{} bars, 0 lost, {kills} kills, {} requests", wanted.len(), provider.simulator.requests());
    assert!(kills > 1 && wanted.len() > 800, "the test needs kills and bars");
    provider.shutdown.cancel();
    kafka.clean().await;
}
