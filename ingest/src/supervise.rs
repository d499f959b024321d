//! Readers of several sources, each of which is started again when its settings change, and only then.
//!
//! A reader that is stopped has lost nothing: it goes on as after a crash, from its state file.

use crate::IngestError;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeMap;
use tapewire_runtime::Shutdown;
use tokio::sync::watch;

/// Runs a reader for each source that `wanted` names, with the source's settings, until shutdown, the first error, or
/// until a reader ends that was not told to. `start` makes the reader of a source, which stops when its token is
/// cancelled.
pub(crate) async fn supervise<Config, Settings: Clone + PartialEq>(
    mut configs: watch::Receiver<Config>,
    wanted: impl Fn(&Config) -> BTreeMap<String, Settings>,
    start: impl Fn(&str, Settings, Shutdown) -> Result<BoxFuture<'static, Result<(), IngestError>>, IngestError>,
    shutdown: Shutdown,
) -> Result<(), IngestError> {
    let mut wants = wanted(&configs.borrow_and_update());
    let mut running: BTreeMap<String, (Settings, Shutdown)> = BTreeMap::new();
    let mut readers = FuturesUnordered::new();
    loop {
        for (name, settings) in &wants {
            // One that is stopping has its place until it has stopped.
            if running.contains_key(name) || shutdown.is_cancelled() {
                continue;
            }
            let stop = shutdown.child_token();
            let reader = start(name, settings.clone(), stop.clone())?;
            running.insert(name.clone(), (settings.clone(), stop));
            let name = name.clone();
            readers.push(async move { (name, reader.await) });
        }
        tokio::select! {
            ended = readers.next(), if !readers.is_empty() => {
                let Some((name, result)) = ended else { continue };
                result?;
                let was_stopped = running.remove(&name).is_some_and(|(_, stop)| stop.is_cancelled());
                if !was_stopped || (shutdown.is_cancelled() && running.is_empty()) {
                    return Ok(());
                }
            }
            () = shutdown.cancelled(), if readers.is_empty() => return Ok(()),
            wants_now = changed(&mut configs) => {
                if wants_now {
                    wants = wanted(&configs.borrow_and_update());
                }
                for (name, (settings, stop)) in &running {
                    if wants.get(name) != Some(settings) {
                        stop.cancel();
                    }
                }
            }
        }
    }
}

/// Waits for other settings; forever, if nobody can send any.
async fn changed<Config>(configs: &mut watch::Receiver<Config>) -> bool {
    match configs.changed().await {
        Ok(()) => true,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    type Log = Arc<Mutex<Vec<String>>>;

    fn note(log: &Log, words: String) {
        log.lock().unwrap().push(words);
    }

    async fn until(log: &Log, expected: &[&str]) {
        for _ in 0..1000 {
            if *log.lock().unwrap() == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("{:?} is not {expected:?}", log.lock().unwrap());
    }

    #[tokio::test]
    async fn only_a_source_whose_settings_changed_is_started_again() {
        let log = Log::default();
        let (sender, receiver) = watch::channel(BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1)]));
        let shutdown = Shutdown::new();
        let own = Arc::clone(&log);
        let start = move |name: &str, number: i32, stop: Shutdown| {
            let (log, name) = (Arc::clone(&own), name.to_owned());
            note(&log, format!("start {name}{number}"));
            let reader = async move {
                stop.cancelled().await;
                note(&log, format!("stop {name}{number}"));
                Ok(())
            };
            Ok(Box::pin(reader) as BoxFuture<'static, _>)
        };
        let running = tokio::spawn(supervise(receiver, Clone::clone, start, shutdown.clone()));
        until(&log, &["start a1", "start b1"]).await;
        sender.send_modify(|wanted| {
            wanted.insert("b".into(), 2);
            wanted.insert("c".into(), 1);
        });
        until(&log, &["start a1", "start b1", "start c1", "stop b1", "start b2"]).await;
        sender.send_modify(|wanted| {
            wanted.remove("a");
            wanted.remove("b");
            wanted.remove("c");
        });
        for _ in 0..500 {
            if log.lock().unwrap().len() == 8 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        assert_eq!(log.lock().unwrap().iter().filter(|words| words.starts_with("stop")).count(), 4);
        sender.send_modify(|wanted| {
            wanted.insert("d".into(), 1);
        });
        for _ in 0..500 {
            if log.lock().unwrap().last().is_some_and(|words| words == "start d1") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        shutdown.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(log.lock().unwrap().last().unwrap(), "stop d1");
    }

    #[tokio::test]
    async fn the_first_error_ends_all() {
        let (_sender, receiver) = watch::channel(BTreeMap::from([("a".to_owned(), ())]));
        let start = |_: &str, (): (), _: Shutdown| {
            Ok(Box::pin(async { Err(IngestError::Config("broken".into())) }) as BoxFuture<'static, _>)
        };
        let error = supervise(receiver, Clone::clone, start, Shutdown::new()).await.unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }
}
