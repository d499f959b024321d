//! `tapewire config`: the settings in effect, where each is from, and the example that is kept beside the code.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::path::Path;
use std::process::{Command, Output};
use toml_edit::{DocumentMut, Item};

/// The binary in a folder, without this process's environment.
fn tapewire(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder).env_clear().envs(environment.iter().copied()).args(arguments);
    command.output().unwrap()
}

fn config(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let arguments: Vec<&str> = ["config"].iter().chain(arguments).copied().collect();
    let output = tapewire(folder, &arguments, environment);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The line that begins with `key`, in the section after `[section]`.
fn line<'a>(printed: &'a str, section: &str, key: &str) -> &'a str {
    let (_, printed) = printed.split_once(section).unwrap_or_else(|| panic!("no {section} in {printed}"));
    printed.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key} in {section} {printed}"))
}

/// The settings of a document, without comments.
fn values(printed: &str) -> String {
    let mut document: DocumentMut = printed.parse().unwrap();
    plain(document.as_item_mut());
    document.to_string()
}

/// Removes the comments of an item and of everything in it.
fn plain(item: &mut Item) {
    match item {
        Item::Table(table) => {
            table.decor_mut().clear();
            for (mut key, item) in table.iter_mut() {
                key.leaf_decor_mut().clear();
                plain(item);
            }
        }
        Item::Value(value) => value.decor_mut().clear(),
        _ => {}
    }
}

const FILE: &str = r#"
listen = "127.0.0.1:1"
[kafka]
brokers = "file:1"
prefix = "file"
partitions = 3
properties = { "security.protocol" = "SASL_SSL", "sasl.password" = "hidden-1", "session.timeout.ms" = 6000 }
[clickhouse]
url = "https://clickhouse:8443"
password_file = "/run/secrets/clickhouse"
[sentiment.engine]
threads = 3
"#;

const ENVIRONMENT: [(&str, &str); 7] = [
    // An id and a secret in one.
    ("TAPEWIRE_ALPACA_API_KEY", "hidden-4:hidden-5"),
    ("TAPEWIRE_KAFKA_PREFIX", "12345"),
    ("TAPEWIRE_KAFKA_PARTITIONS", "4"),
    ("TAPEWIRE_KAFKA_PROPERTIES_DEBUG", "all"),
    ("TAPEWIRE_KAFKA_SASL_PASSWORD", "hidden-3"),
    ("TAPEWIRE_SENTIMENT_ENGINE_PRECISION", "int8"),
    ("TAPEWIRE_REAL_DATA", "/not/a/setting"),
];

#[test]
fn every_setting_says_which_layer_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tapewire.toml"), FILE).unwrap();
    let printed = config(folder.path(), &["--set", "kafka.partitions=5"], &ENVIRONMENT);
    for (section, key, expected) in [
        ("", "listen", "listen = \"127.0.0.1:1\"  # tapewire.toml"),
        ("", "model", "model = \"shipped\"  # default"),
        ("[kafka]", "brokers", "brokers = \"file:1\"  # tapewire.toml"),
        ("[kafka]", "prefix", "prefix = \"12345\"  # TAPEWIRE_KAFKA_PREFIX"),
        ("[kafka]", "partitions", "partitions = 5  # --set"),
        ("[kafka.properties]", "debug", "debug = \"all\"  # TAPEWIRE_KAFKA_PROPERTIES_DEBUG"),
        ("[kafka.properties]", "\"security.protocol\"", "\"security.protocol\" = \"SASL_SSL\"  # tapewire.toml"),
        ("[kafka.properties]", "\"session.timeout.ms\"", "\"session.timeout.ms\" = \"6000\"  # tapewire.toml"),
        ("[sentiment.engine]", "threads", "threads = 3  # tapewire.toml"),
        ("[sentiment.engine]", "precision", "precision = \"int8\"  # TAPEWIRE_SENTIMENT_ENGINE_PRECISION"),
        ("[sentiment.engine]", "# labels", "# labels is not set"),
        ("[join]", "allowed_lateness", "allowed_lateness = \"15m\"  # default"),
    ] {
        assert_eq!(line(&printed, section, key), expected, "{printed}");
    }
}

#[test]
fn secrets_are_not_printed_and_only_their_origin_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tapewire.toml"), FILE).unwrap();
    // The password's file does not exist; `config` does not read it.
    let printed = config(folder.path(), &[], &ENVIRONMENT);
    assert!(!printed.contains("hidden"), "{printed}");
    for (section, key, expected) in [
        ("[kafka]", "# sasl_password is a secret", "# sasl_password is a secret  # TAPEWIRE_KAFKA_SASL_PASSWORD"),
        ("[kafka.properties]", "# \"sasl.password\"", "# \"sasl.password\" is a secret  # tapewire.toml"),
        ("[providers.alpaca]", "# api_key is", "# api_key is a secret  # TAPEWIRE_ALPACA_API_KEY"),
        ("[clickhouse]", "# password", "# password is a secret  # the file /run/secrets/clickhouse"),
    ] {
        assert_eq!(line(&printed, section, key), expected, "{printed}");
    }
    let output = tapewire(folder.path(), &["migrate"], &ENVIRONMENT);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("/run/secrets/clickhouse"), "{said}");
    // An address with a password in it would be in messages and records.
    let address = ["config", "--set", "clickhouse.url=https://user:hidden-2@clickhouse:8443"];
    let output = tapewire(folder.path(), &address, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("clickhouse.password_file"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
}

#[test]
fn what_is_printed_has_the_same_effect_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tapewire.toml"), FILE).unwrap();
    let printed = config(folder.path(), &["--set", "prices.symbols=A,TRUE", "--set", "news.every=1.5m"], &ENVIRONMENT);
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("printed.toml");
    std::fs::write(&path, &printed).unwrap();
    let again = config(other.path(), &["--config", path.to_str().unwrap()], &[]);
    assert_eq!(values(&again), values(&printed));
    assert!(
        values(&printed).contains("symbols = [\"A\", \"TRUE\"]") && values(&printed).contains("every = \"1m 30s\"")
    );
}

#[test]
fn a_misspelt_variable_ends_every_command_and_names_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    for command in [vec!["config"], vec!["migrate"], vec!["score", "Profit doubled"]] {
        let output = tapewire(folder.path(), &command, &[("TAPEWIRE_SENTIMNET_ENGINE_PRECISION", "int8")]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        let names = ["TAPEWIRE_SENTIMNET_ENGINE_PRECISION", "TAPEWIRE_SENTIMENT_ENGINE_PRECISION"];
        assert!(names.iter().all(|name| said.contains(name)), "{said}");
    }
    // The example is printed also when a setting is wrong, because it helps to find out which.
    let output = tapewire(folder.path(), &["config", "--example"], &[("TAPEWIRE_SENTIMNET", "x")]);
    assert!(output.status.success());
}

/// The example is made from the code, and kept in the repository for people to read.
#[test]
fn the_example_is_that_of_this_build_and_has_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let generated = config(folder.path(), &["--example"], &[]);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tapewire.example.toml");
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text == generated, "write it again: tapewire config --example > tapewire.example.toml");
    let defaults = config(folder.path(), &[], &[]);
    let example = config(folder.path(), &["--config", kept.to_str().unwrap()], &[]);
    assert_eq!(values(&example), values(&defaults));
    assert!(!defaults.contains("tapewire.example.toml") && example.matches("example.toml").count() > 40);
    // Comments are for people: they have no links of rustdoc, and each setting has a description.
    assert!(!generated.contains("[`"), "{generated}");
    let lines: Vec<&str> = generated.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ") && !pair[1].starts_with('#')) {
        assert!(pair[0].starts_with("# "), "{} has no description", pair[1]);
    }
}
