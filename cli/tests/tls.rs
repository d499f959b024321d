//! TLS, users and passwords are settings: a replay through Kafka with SASL_SSL, in Avro with the schemas of a registry
//! with HTTPS, and ClickHouse with HTTPS, all of a private certificate authority. What is wrong with these settings is
//! said with the server and the remedy, soon, and without a secret.
//!
//! The servers are this test's own, from `stack` with `TAPEWIRE_STACK_TLS=1`. Kafka's TLS is Kafka's. The library in which
//! ClickHouse runs here can't serve HTTPS, so the stack has a proxy that ends TLS in front of it.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;
use support::servers::Servers;
use support::{Installation, repository, succeeded};

/// Kafka's client tries for 6 seconds to get an answer. A command that takes longer than this many seconds is ended.
const LONGEST_S: u64 = 60;

/// As many processors work on it that each has its answer within the 6 seconds.
const AT_ONCE: usize = 4;

const NEWS: &str = r#"{"id": "a1", "title": "Example Corp raises its outlook", "published_at": "2025-05-12T14:00:00Z", "symbols": ["EXMP"]}
{"id": "a2", "title": "Example Corp is sued by its largest customer", "published_at": "2025-05-12T14:01:00Z", "symbols": ["EXMP"]}
"#;

/// The settings with which the servers are reached.
fn variables(servers: &Servers) -> Vec<(String, String)> {
    let exports = servers.stack(&["env"]);
    // `export TAPEWIRE_KAFKA_BROKERS=127.0.0.1:30092`; the folder's name needs no quotes
    let lines = exports.lines().map(|line| line.strip_prefix("export ").unwrap().split_once('=').unwrap());
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A setting that is wrong, and what the error has to say of it.
struct Wrong {
    what: &'static str,
    variables: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
    code: i32,
}

const WRONG_PASSWORD: &str = "wr0ng-s3cret";

const CASES: [Wrong; 15] = [
    Wrong {
        what: "kafka: a wrong password",
        variables: &[("TAPEWIRE_KAFKA_SASL_PASSWORD", WRONG_PASSWORD)],
        says: &["kafka at 127.0.0.1:30092 refuses the login (", "SCRAM-SHA-512", "kafka.sasl_password_file"],
        code: 1,
    },
    Wrong {
        what: "kafka: a mechanism that the broker does not have",
        variables: &[("TAPEWIRE_KAFKA_PROPERTIES_SASL_MECHANISMS", "SCRAM-SHA-256")],
        says: &["kafka at 127.0.0.1:30092 refuses the login (", "PLAIN", "sasl.mechanisms in kafka.properties"],
        code: 1,
    },
    Wrong {
        what: "kafka: an authority that is not trusted",
        variables: &[("TAPEWIRE_KAFKA_PROPERTIES_SSL_CA_LOCATION", "other-ca.pem")],
        says: &["the certificate of kafka at 127.0.0.1:30092 is not accepted", "ssl.ca.location"],
        code: 1,
    },
    Wrong {
        what: "kafka: a certificate of another host",
        variables: &[("TAPEWIRE_KAFKA_BROKERS", "localhost:30092")],
        says: &["the certificate of kafka at localhost:30092 is not accepted", "host name in kafka.brokers"],
        code: 1,
    },
    Wrong {
        what: "kafka: plain text to a port with TLS",
        variables: &[("TAPEWIRE_KAFKA_PROPERTIES_SECURITY_PROTOCOL", "SASL_PLAINTEXT")],
        says: &["no kafka broker answers at 127.0.0.1:30092", "set security.protocol to SSL, SASL_SSL"],
        code: 3,
    },
    Wrong {
        what: "kafka: no login to a port that wants one",
        variables: &[("TAPEWIRE_KAFKA_PROPERTIES_SECURITY_PROTOCOL", "SSL")],
        says: &["no kafka broker answers at 127.0.0.1:30092", "SASL_SSL"],
        code: 3,
    },
    Wrong {
        what: "kafka: TLS to a port without",
        // The port of the controller.
        variables: &[("TAPEWIRE_KAFKA_BROKERS", "127.0.0.1:30093")],
        says: &["no kafka broker answers at 127.0.0.1:30093", "security.protocol"],
        code: 3,
    },
    Wrong {
        what: "kafka: a file of authorities that is not there",
        variables: &[("TAPEWIRE_KAFKA_PROPERTIES_SSL_CA_LOCATION", "nowhere.pem")],
        says: &["section [kafka]", "ssl.ca.location"],
        code: 2,
    },
    Wrong {
        what: "clickhouse: a wrong password",
        variables: &[("TAPEWIRE_CLICKHOUSE_PASSWORD", WRONG_PASSWORD)],
        says: &["clickhouse at https://127.0.0.1:30123 refuses the login (", "clickhouse.password_file"],
        code: 1,
    },
    Wrong {
        what: "clickhouse: an authority that is not trusted",
        variables: &[("TAPEWIRE_CLICKHOUSE_CA_FILE", "")],
        says: &["the certificate of clickhouse at https://127.0.0.1:30123 is not accepted (", "clickhouse.ca_file"],
        code: 1,
    },
    Wrong {
        what: "clickhouse: a certificate of another host",
        variables: &[("TAPEWIRE_CLICKHOUSE_URL", "https://localhost:30123")],
        says: &[
            "the certificate of clickhouse at https://localhost:30123 is not accepted (",
            "mismatch",
            "host name that is in the certificate",
        ],
        code: 1,
    },
    Wrong {
        what: "clickhouse: plain text to a port with TLS",
        variables: &[("TAPEWIRE_CLICKHOUSE_URL", "http://127.0.0.1:30123")],
        says: &["clickhouse does not answer at http://127.0.0.1:30123", "write https:// in clickhouse.url"],
        code: 3,
    },
    Wrong {
        what: "clickhouse: a file of authorities that has none",
        variables: &[("TAPEWIRE_CLICKHOUSE_CA_FILE", "news.jsonl")],
        says: &["clickhouse.ca_file", "news.jsonl has no certificate"],
        code: 2,
    },
    Wrong {
        what: "schema registry: an authority that is not trusted",
        variables: &[("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_CA_FILE", "other-ca.pem")],
        says: &[
            "the certificate of the schema registry at https://127.0.0.1:30081/apis/ccompat/v7 is not accepted (",
            "kafka.schema_registry.ca_file",
        ],
        code: 1,
    },
    Wrong {
        what: "schema registry: a certificate of another host",
        variables: &[("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL", "https://localhost:30081/apis/ccompat/v7")],
        says: &["the schema registry at https://localhost:30081/apis/ccompat/v7 is not accepted (", "mismatch"],
        code: 1,
    },
];

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Makes an authority that has signed nothing.
fn another_authority(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj"]);
    openssl.args(["/CN=another", "-keyout", "other.key", "-out", "other-ca.pem"]);
    succeeded(openssl.current_dir(folder).output().unwrap());
}

/// The settings that docs/running.md shows, with the places of these servers.
fn documented(servers: &Servers, folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(repository().join("docs/running.md")).unwrap();
    let (_, section) = text.split_once("## TLS and SASL").unwrap();
    let mut example = section.split("```").nth(1).unwrap().strip_prefix("toml\n").unwrap().to_owned();
    let file = |name: &str| servers.folder.join("tls").join(name).to_str().unwrap().to_owned();
    for (shown, here) in [
        ("kafka-1:9093", "127.0.0.1:30092".to_owned()),
        ("clickhouse:8443", "127.0.0.1:30123".to_owned()),
        ("/run/secrets/kafka", file("kafka.password")),
        ("/run/secrets/clickhouse", file("clickhouse.password")),
        ("/etc/tapewire/ca.pem", file("ca.pem")),
    ] {
        assert!(example.contains(shown), "{shown} is not in {example}");
        example = example.replace(shown, &here);
    }
    let path = folder.join("documented.toml");
    std::fs::write(&path, example).unwrap();
    path
}

/// What a command with a wrong setting says.
fn said(place: &Installation, arguments: &[&str], wrong: &Wrong) -> String {
    let began = Instant::now();
    let tapewire = place.tapewire();
    let mut command = Command::new("timeout");
    command.arg(LONGEST_S.to_string()).arg(tapewire.get_program()).args(arguments);
    command.current_dir(place.folder.path()).envs(tapewire.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.envs(wrong.variables.iter().copied()).env("TAPEWIRE_LOG", "debug");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (text, took) = (both(&output), began.elapsed());
    println!("{} ({:.1} s): {}", wrong.what, took.as_secs_f64(), text.lines().last().unwrap_or_default());
    assert_eq!(output.status.code(), Some(wrong.code), "{}: {text}", wrong.what);
    text
}

/// An installation whose settings name servers with TLS, a registry and records in Avro.
fn installation(servers: &Servers, clickhouse_password: &str, variables: &[(&str, &str)]) -> Installation {
    let key = format!("X-ClickHouse-Key: {clickhouse_password}");
    let authority = servers.folder.join("tls/ca.pem");
    let curl = ["--cacert", authority.to_str().unwrap(), "-H", "X-ClickHouse-User: tapewire", "-H", &key];
    let mut place = Installation::with("tls", "https://127.0.0.1:30123", &curl, variables);
    place.set("TAPEWIRE_MODEL", "tapewire-minilm-sentiment");
    place.set("TAPEWIRE_PRICES_BENCHMARK", "MKT");
    place.set("TAPEWIRE_KAFKA_FORMAT", "avro");
    another_authority(place.folder.path());
    place
}

/// What doctor says with these further variables. It has to contain all of `lines`.
fn doctor(place: &Installation, variables: &[(&str, &str)], lines: &[&str]) -> String {
    let said = both(&place.tapewire().arg("doctor").envs(variables.iter().copied()).output().unwrap());
    for line in lines {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    said
}

/// Replays two articles, whose joined rows have all returns, and returns what is printed.
fn replayed(place: &Installation) -> String {
    let bars = (0..90).flat_map(|minute| {
        let time = format!("2025-05-12T{:02}:{:02}:00Z", 14 + minute / 60, minute % 60);
        ["EXMP", "MKT"].map(|symbol| format!("{symbol},{time},100,101,99,{},100\n", 100 + minute % 3))
    });
    let write = |name: &str, text: &str| std::fs::write(place.folder.path().join(name), text).unwrap();
    write("news.jsonl", NEWS);
    write("bars.csv", &format!("symbol,start,open,high,low,close,volume\n{}", bars.collect::<String>()));
    let _roles = [place.role("sentiment"), place.role("join")];
    let mut replay = place.tapewire();
    replay.args(["replay", "--send-only", "--run", "tls", "--benchmark", "MKT"]);
    let output = replay.args(["--news", "news.jsonl", "--bars", "bars.csv"]).output().unwrap();
    let said = both(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(place.count("SELECT uniqExact(article_id) FROM impact WHERE ret_60m IS NOT NULL"), 2, "{said}");
    said
}

/// The settings of the documentation reach the servers, without the variables that say the same.
fn assert_documented_settings_suffice(place: &Installation, servers: &Servers, variables: &[(&str, &str)]) {
    let mut command = place.tapewire();
    command.arg("--config").arg(documented(servers, place.folder.path())).arg("migrate");
    for name in variables.iter().map(|(name, _)| *name).chain(["TAPEWIRE_KAFKA_FORMAT"]) {
        command.env_remove(name);
    }
    let migrated = succeeded(command.output().unwrap());
    assert!(migrated.contains("already at version"), "{migrated}");
}

/// The last line of a command says what is wrong, for each of [`CASES`]. Returns what the commands print.
fn assert_wrong_settings_are_named(place: &Installation) -> String {
    let mut all = String::new();
    for cases in CASES.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let begun: Vec<_> = cases.iter().map(|wrong| scope.spawn(|| said(place, &["migrate"], wrong))).collect();
            for (wrong, case) in cases.iter().zip(begun) {
                let text = case.join().unwrap();
                let last = text.lines().last().unwrap_or_default();
                assert!(wrong.says.iter().all(|part| last.contains(part)), "{}: {last}", wrong.what);
                all += &text;
            }
        });
    }
    all
}

/// The logs of the roles and of the servers.
fn logs(place: &Installation, servers: &Servers) -> String {
    let of_roles = ["sentiment.log", "join.log"].map(|log| place.folder.path().join(log));
    let of_servers = ["kafka/kafka.log", "kafka/kafka.out", "clickhouse/clickhouse.log", "clickhouse/clickhouse.out"];
    let of_servers = of_servers.map(|log| servers.folder.join(log));
    of_roles.iter().chain(&of_servers).map(|log| std::fs::read_to_string(log).unwrap()).collect()
}

#[test]
fn a_replay_needs_only_settings_for_tls_and_wrong_ones_are_named() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: tls: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let choices = [("TAPEWIRE_STACK_TLS", "1"), ("TAPEWIRE_STACK_REGISTRY", "1")];
    let servers = Servers::start(folder.path().join("servers"), 30_000, &choices);
    let password = |file: &str| std::fs::read_to_string(servers.folder.join("tls").join(file)).unwrap();
    let (kafka, clickhouse) = (password("kafka.password"), password("clickhouse.password"));
    let variables = variables(&servers);
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut place = installation(&servers, &clickhouse, &variables);
    let topics = servers.stack(&["tool", "topics", "--list"]);
    assert!(topics.contains("-sentiment"), "Kafka's own tools are given the password, too: {topics}");
    let lines = [
        "kafka                  answers at 127.0.0.1:30092",
        "answers at https://127.0.0.1:30123",
        "answers at https://127.0.0.1:30081/apis/ccompat/v7 and has all 7 schemas; records are written as Avro",
        "topics' database       they are read into database",
    ];
    doctor(&place, &[("TAPEWIRE_MASSIVE_API_KEY", "none")], &lines);

    place.set("TAPEWIRE_LOG", "debug");
    let mut all = replayed(&place);
    assert_documented_settings_suffice(&place, &servers, &variables);
    all += &assert_wrong_settings_are_named(&place);
    // A role does not wait for a server that refuses it, and doctor has the line of every server.
    all += &said(&place, &["run", "--role", "join"], &CASES[0]);
    let both_wrong: Vec<(&str, &str)> = CASES[0].variables.iter().chain(CASES[9].variables).copied().collect();
    let lines = [
        "problem  kafka                  kafka at 127.0.0.1:30092 refuses",
        "problem  clickhouse             the cert",
    ];
    all += &doctor(&place, &both_wrong, &lines);

    all += &logs(&place, &servers);
    assert!(all.contains("tapewire_bus") || all.contains("librdkafka"), "logs are looked at");
    for secret in [kafka.as_str(), clickhouse.as_str(), WRONG_PASSWORD] {
        let line = all.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "a password is in: {}", line.unwrap_or_default().replace(secret, "***"));
    }
}
