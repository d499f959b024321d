//! Of several processes one has a lease. `TAPEWIRE_KAFKA_BROKERS` names the broker.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::Duration;
use tapewire_bus::{Lease, Topics};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

#[derive(Debug, PartialEq)]
enum Said {
    StandsBy,
    Acquired,
    Lost,
}

/// A member that says what it hears, until it is dropped.
struct Member {
    said: mpsc::UnboundedReceiver<Said>,
    task: JoinHandle<()>,
}

impl Member {
    fn new(mut lease: Lease) -> Self {
        let (sender, said) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                lease.acquired(|| drop(sender.send(Said::StandsBy))).await.unwrap();
                sender.send(Said::Acquired).unwrap();
                lease.lost().await.unwrap();
                sender.send(Said::Lost).unwrap();
            }
        });
        Self { said, task }
    }

    async fn next(&mut self) -> Said {
        tokio::time::timeout(Duration::from_secs(30), self.said.recv()).await.expect("something is heard").unwrap()
    }

    async fn leave(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_has_the_lease_and_when_it_leaves_another_gets_it() {
    let Some(config) = tapewire_testkit::kafka("lease", 2).await else { return };
    let member = || Member::new(Lease::new(&config, "news").unwrap());
    let mut first = member();
    assert_eq!(first.next().await, Said::Acquired);
    let mut second = member();
    assert_eq!(second.next().await, Said::StandsBy);
    let mut third = member();
    assert_eq!(third.next().await, Said::StandsBy);
    // Members that join and leave change nothing for the one that has it.
    third.leave().await;
    let mut third = member();
    assert_eq!(third.next().await, Said::StandsBy);
    assert!(first.said.try_recv().is_err(), "the first member has had the lease all the time");

    // A lease of another name is another one.
    let mut other = Member::new(Lease::new(&config, "prices").unwrap());
    assert_eq!(other.next().await, Said::Acquired);

    first.leave().await;
    let next = tokio::select! { said = second.next() => said, said = third.next() => said };
    assert_eq!(next, Said::Acquired);
    for member in [second, third, other] {
        member.leave().await;
    }
    Topics::new(&config).delete().await.unwrap();
}
