//! Settings from files, variables and flags, whatever is in them: no panic, no secret is shown, and what is accepted has
//! the values that were written.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../src/settings/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the program uses more of it")]
mod settings;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::{Loaded, Sources, effective};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::time::Duration;
use tapewire_fuzzkit::{Dice, bounded, fuzz};

/// How many inputs `cargo test` tries.
const INPUTS: usize = 1000;

const SECRET: &str = "hunter2hunter2";

/// A setting of every type that the program's settings have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    listen: String,
    share: f64,
    verbose: bool,
    limit: Option<u64>,
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    every: Duration,
    symbols: Vec<String>,
    kafka: Kafka,
    providers: BTreeMap<String, Provider>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            share: 0.25,
            verbose: false,
            limit: None,
            every: Duration::from_secs(20),
            symbols: vec!["SPY".into()],
            kafka: Kafka::default(),
            providers: BTreeMap::from([("massive".into(), Provider::default())]),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Kafka {
    brokers: String,
    partitions: i32,
    properties: BTreeMap<String, String>,
    #[schemars(extend("x-secret" = true))]
    password_file: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Provider {
    kind: Option<String>,
    url: String,
    #[schemars(extend("x-secret" = true))]
    api_key_file: Option<String>,
}

const PATHS: [&str; 20] = [
    "listen",
    "share",
    "verbose",
    "limit",
    "every",
    "symbols",
    "kafka.brokers",
    "kafka.partitions",
    "kafka.partitions",
    "kafka.properties.security.protocol",
    "kafka.properties.\"a.b\"",
    "kafka.properties",
    "kafka.password_file",
    "kafka.password",
    "providers.massive.url",
    "providers.desk.api_key_file",
    "providers.desk_2.kind",
    "providers",
    "kafka",
    "lateness_s",
];

const VALUES: [&str; 48] = [
    "",
    "0",
    "7",
    "-7",
    "007",
    "1e3",
    "1_000",
    "0x10",
    "2147483648",
    "18446744073709551616",
    "0.5",
    "-0.0",
    "nan",
    "inf",
    "1e999",
    "5e-324",
    "true",
    "false",
    "TRUE",
    "null",
    "20s",
    "20",
    "1m 30s",
    "-5s",
    "1h 99999999999h",
    "PT20S",
    "\"x\"",
    "'y z'",
    "\"torn",
    "\"\\u0000\"",
    "\"\\uD800\"",
    "[]",
    "[\"A\", 2, true]",
    "A, B,,C",
    "[",
    "{}",
    "{ a = 1 }",
    "{ \"a.b\" = \"c\" }",
    "{ a.b.c = 1 }",
    "{",
    "2025-06-02",
    "2025-06-02T14:00:00Z",
    "# x",
    "a=b",
    "\n",
    "\u{feff}",
    "é",
    "./secret",
];

/// Some value, of the list or of any characters.
fn value(dice: &mut Dice<'_>) -> String {
    if dice.once_in(4) { dice.text() } else { dice.of(&VALUES).to_owned() }
}

/// A settings file.
fn file(dice: &mut Dice<'_>) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..dice.below(6) {
        let (path, value) = (dice.of(&PATHS), value(dice));
        let quoted = serde_json::Value::from(&*value).to_string();
        let line = match dice.below(8) {
            0 => format!("[{path}]\n"),
            1 => format!("{value}\n"),
            2..=4 => format!("{path} = {value}\n"),
            _ => format!("{path} = {quoted}\n"),
        };
        text.push_str(&line);
    }
    let mut text = text.into_bytes();
    if dice.once_in(8) {
        dice.damage(&mut text);
    }
    text
}

/// Variables of the environment. Some are secrets, with the value [`SECRET`].
fn variables(dice: &mut Dice<'_>) -> Vec<(OsString, OsString)> {
    let secrets = ["KAFKA_PASSWORD", "MASSIVE_API_KEY", "DESK_API_KEY"];
    let one = |dice: &mut Dice<'_>| {
        let path = dice.of(&PATHS).replace(['.', '"'], "_").to_ascii_uppercase();
        let (mut name, mut value) = (format!("TAPEWIRE_{path}").into_bytes(), value(dice).into_bytes());
        match dice.below(8) {
            0 => dice.damage(&mut name),
            1 => dice.damage(&mut value),
            2 => (name, value) = (format!("TAPEWIRE_{}", dice.of(&secrets)).into_bytes(), SECRET.into()),
            3 => name = String::from_utf8_lossy(&name).replacen("KAFKA_", "KAFKA__", 1).into_bytes(),
            _ => {}
        }
        (OsString::from_vec(name), OsString::from_vec(value))
    };
    (0..dice.below(4)).map(|_| one(dice)).collect()
}

fn read(path: &Path, environment: Vec<(OsString, OsString)>, flags: &[String]) -> Result<Loaded<Settings>, String> {
    let renamed = [("lateness_s", "every")];
    let sources = Sources {
        file: Some(path),
        preset: None,
        environment,
        flags,
        other_variables: &["TAPEWIRE_STACK_DIR"],
        renamed: &renamed,
    };
    Loaded::new(&sources).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    })
}

/// The value of `kafka.partitions`, if the last flag about Kafka gives it as a plain number.
fn partitions(flags: &[String]) -> Option<i32> {
    let last = flags.iter().rev().find(|flag| flag.starts_with("kafka"))?;
    last.strip_prefix("kafka.partitions=")?.trim().parse().ok()
}

#[test]
fn settings_are_what_was_written_or_are_refused() {
    let folder = tapewire_fuzzkit::folder();
    let path = folder.path().join("t.toml");
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let (file, environment) = (file(&mut dice), variables(&mut dice));
        let flags: Vec<String> =
            (0..dice.below(3)).map(|_| format!("{}={}", dice.of(&PATHS), value(&mut dice))).collect();
        std::fs::write(&path, &file).unwrap();
        let size = file.len() + environment.len() * 64 + flags.len() * 64;
        let loaded = match bounded(size, || read(&path, environment.clone(), &flags)) {
            Ok(loaded) => loaded,
            Err(error) => {
                assert!(!error.contains(SECRET) && error.len() > 10, "{error}");
                return;
            }
        };
        if let Some(partitions) = partitions(&flags) {
            assert_eq!(loaded.settings.kafka.partitions, partitions, "{flags:?}");
        }
        // What is shown gives the same settings, and no secret.
        let Ok(shown) = effective(&loaded) else { return };
        assert!(!shown.contains(SECRET), "{shown}");
        std::fs::write(&path, &shown).unwrap();
        let again = read(&path, Vec::new(), &[]).unwrap_or_else(|error| panic!("{error}\n{shown}"));
        let mut settings = loaded.settings;
        // A property of Kafka's that is a secret by its name is only named.
        let is_hidden = |key: &str| {
            let named = format!("# {} is a secret", toml_edit::Key::new(key));
            shown.lines().any(|line| line.starts_with(&named))
        };
        settings.kafka.properties.retain(|key, _| !is_hidden(key));
        let is_same = again.settings == settings || settings.share.is_nan();
        assert!(is_same, "{:?} {settings:?}\n{shown}", again.settings);
    });
}
