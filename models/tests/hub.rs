//! Downloads from the hub, which a small server on the loopback interface plays.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod fake_hub;

use fake_hub::{COMMIT, FakeHub, Fault, WEIGHTS_SHA256};
use std::path::Path;
use tapewire_models::{ModelError, ModelFiles, Registry, Source, TokenizerFiles, Weights};

const MODEL: &str = "ProsusAI/finbert";

fn resolve(hub: &FakeHub, home: &Path, model: &str, more: &[(&str, &str)]) -> Result<ModelFiles, ModelError> {
    registry(hub, home, more).resolve(&model.parse::<Source>().unwrap())
}

fn registry(hub: &FakeHub, home: &Path, more: &[(&str, &str)]) -> Registry {
    Registry::from_settings(|name| match name {
        "HF_ENDPOINT" => Some(hub.endpoint()),
        "HF_HOME" => Some(home.to_str().unwrap().to_owned()),
        _ => more.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
    })
}

#[test]
fn a_model_is_downloaded_once_and_then_read_from_the_cache() {
    let hub = FakeHub::start(Fault::None);
    let home = tempfile::tempdir().unwrap();
    let first = resolve(&hub, home.path(), MODEL, &[]).unwrap();
    assert_eq!((first.name.as_str(), first.revision.as_str()), (MODEL, COMMIT));
    let Weights::PyTorch(weights) = &first.weights else { panic!("{first:?}") };
    assert_eq!(std::fs::read(weights).unwrap(), hub.bytes("pytorch_model.bin"));
    let TokenizerFiles::Vocabulary { vocabulary, settings: Some(settings) } = &first.tokenizer else {
        panic!("{first:?}")
    };
    assert_eq!(std::fs::read(vocabulary).unwrap(), hub.bytes("vocab.txt"));
    assert_eq!(std::fs::read(settings).unwrap(), hub.bytes("tokenizer_config.json"));
    assert!(!hub.requests().contains(&"flax_model.msgpack".to_owned()), "took weights twice");

    let asked = hub.requests().len();
    assert_eq!(resolve(&hub, home.path(), MODEL, &[]).unwrap(), first);
    assert_eq!(resolve(&hub, home.path(), &format!("{MODEL}@{COMMIT}"), &[]).unwrap(), first);
    assert_eq!(resolve(&hub, home.path(), MODEL, &[("HF_HUB_OFFLINE", "1")]).unwrap(), first);
    assert_eq!(hub.requests().len(), asked, "asked the hub for what the cache has");
}

#[test]
fn offline_without_the_model_names_it_and_the_remedy() {
    let hub = FakeHub::start(Fault::None);
    let home = tempfile::tempdir().unwrap();
    let error = resolve(&hub, home.path(), MODEL, &[("HF_HUB_OFFLINE", "1")]).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, ModelError::Offline { .. }), "{message}");
    assert!(message.contains(MODEL) && message.contains("HF_HUB_OFFLINE") && message.contains("folder"), "{message}");
    assert!(hub.requests().is_empty());
}

#[test]
fn an_unknown_model_or_revision_is_not_retried() {
    let hub = FakeHub::start(Fault::None);
    let home = tempfile::tempdir().unwrap();
    for model in ["ProsusAI/finbret", "ProsusAI/finbert@v9"] {
        let error = resolve(&hub, home.path(), model, &[]).unwrap_err();
        assert!(matches!(error, ModelError::NotOnHub { status: 404, .. }), "{error}");
        assert!(error.to_string().contains(model) && !error.is_retryable(), "{error}");
    }
}

#[test]
fn the_token_is_sent_to_the_hub_and_never_printed() {
    const SECRET: &str = "hf_verySecretToken";
    let hub = FakeHub::start(Fault::WantsToken(SECRET));
    let home = tempfile::tempdir().unwrap();
    let refused = resolve(&hub, home.path(), MODEL, &[("HF_TOKEN", "hf_another")]).unwrap_err();
    assert!(matches!(refused, ModelError::NotOnHub { status: 401, .. }), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("hf_another"));

    let settings = [("HF_TOKEN", SECRET)];
    assert!(!format!("{:?}", registry(&hub, home.path(), &settings)).contains(SECRET));
    resolve(&hub, home.path(), MODEL, &settings).unwrap();

    // The same from the file that logging in creates.
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), format!("{SECRET}\n")).unwrap();
    resolve(&hub, home.path(), MODEL, &[]).unwrap();
}

#[test]
fn no_token_is_sent_for_a_public_model() {
    let hub = FakeHub::start(Fault::None);
    let home = tempfile::tempdir().unwrap();
    resolve(&hub, home.path(), MODEL, &[("HF_TOKEN", "hf_verySecretToken")]).unwrap();
    assert!(hub.requests().iter().any(|asked| asked.starts_with("cdn ")));
    assert!(!hub.token_reached_second_host());
}

#[test]
fn a_damaged_file_is_retryable_and_removed() {
    for damaged in ["pytorch_model.bin", "config.json"] {
        let hub = FakeHub::start(Fault::Damaged(damaged));
        let home = tempfile::tempdir().unwrap();
        let error = resolve(&hub, home.path(), MODEL, &[]).unwrap_err();
        assert!(matches!(&error, ModelError::Damaged { file, .. } if file == damaged), "{error}");
        assert!(error.is_retryable());
        let offline = resolve(&hub, home.path(), MODEL, &[("HF_HUB_OFFLINE", "1")]).unwrap_err();
        assert!(matches!(offline, ModelError::Offline { .. }), "a damaged model was kept: {offline}");

        let repaired = FakeHub::start(Fault::None);
        resolve(&repaired, home.path(), MODEL, &[]).unwrap();
    }
}

fn weights(files: &ModelFiles) -> Vec<u8> {
    std::fs::read(files.weights.path()).unwrap()
}

#[test]
fn a_download_that_breaks_off_is_continued() {
    let hub = FakeHub::start(Fault::BreaksOff);
    let home = tempfile::tempdir().unwrap();
    let files = resolve(&hub, home.path(), MODEL, &[]).unwrap();
    assert_eq!(weights(&files), hub.bytes("pytorch_model.bin"));
    let asked = hub.requests();
    // 0-0 only asks for the size.
    let parts: Vec<&str> =
        asked.iter().filter_map(|asked| asked.strip_prefix("cdn bytes=")).filter(|&part| part != "0-0").collect();
    assert_eq!(parts, ["0-", "1-", "2-"]);
}

/// The remains of a killed process: a beginning, a wrong beginning, the whole file, and more than that.
#[test]
fn the_remains_of_a_killed_download_are_continued_or_discarded() {
    for (left, goes_on) in [("a", true), ("xy", false), ("abc", false), ("abcde", false)] {
        let hub = FakeHub::start(Fault::None);
        let home = tempfile::tempdir().unwrap();
        let blobs = home.path().join("hub/models--ProsusAI--finbert/blobs");
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::write(blobs.join(format!("{WEIGHTS_SHA256}.part")), left).unwrap();
        let files = resolve(&hub, home.path(), MODEL, &[]).unwrap();
        assert_eq!(weights(&files), hub.bytes("pytorch_model.bin"), "{left}");
        assert_eq!(hub.requests().contains(&"cdn bytes=0-".to_owned()), !goes_on, "{left}");
    }
}

#[test]
fn an_unreachable_hub_is_retryable() {
    let hub = FakeHub::start(Fault::Unavailable);
    let home = tempfile::tempdir().unwrap();
    let error = resolve(&hub, home.path(), MODEL, &[]).unwrap_err();
    assert!(matches!(error, ModelError::Download { .. }) && error.is_retryable(), "{error}");
    assert!(error.to_string().contains(&hub.endpoint()), "{error}");
}
