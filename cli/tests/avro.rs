//! Records in Avro through the whole pipeline, with real Kafka, ClickHouse and a real schema registry.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::servers::Servers;
use support::{Installation, Process, python, small_market, succeeded, wait_until};
use tapewire_bus::avro::{self, header, is_avro, schema};
use tapewire_bus::lag::lag;
use tapewire_bus::{KafkaConfig, Producer, Received, SchemaRegistryConfig, Topic};
use tapewire_core::record::News;
use tapewire_core::{NewsRecord, Run};
use tapewire_testkit::all_records;

const ARTICLES: usize = 80;

/// The schema registry of the first test, which kills it.
const REGISTRY: &str = "http://127.0.0.1:26081/apis/ccompat/v7";

/// The longest that a command may take to end.
const LIMIT: Duration = Duration::from_secs(10);

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// An installation on these servers that writes records in this format.
fn installation(name: &str, servers: &Servers, format: &str) -> Installation {
    Installation::with(
        name,
        &servers.clickhouse,
        &[],
        &[
            ("TAPEWIRE_KAFKA_BROKERS", servers.brokers.as_str()),
            ("TAPEWIRE_CLICKHOUSE_URL", servers.clickhouse.as_str()),
            ("TAPEWIRE_KAFKA_FORMAT", format),
            ("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL", REGISTRY),
            ("TAPEWIRE_PRICES_BENCHMARK", "MKT"),
            // Which model scores does not matter here, and this one takes half the time.
            ("TAPEWIRE_MODEL", "tapewire-minilm-sentiment"),
        ],
    )
}

fn replay(place: &Installation, news: &Path, bars: &Path) -> Command {
    let mut command = place.tapewire();
    command.arg("replay").arg("--news").arg(news).arg("--bars").arg(bars);
    command.args(["--run", "market", "--benchmark", "MKT"]).stdin(Stdio::null());
    command
}

fn kafka(place: &Installation, brokers: &str, registry: &str) -> KafkaConfig {
    let schema_registry = SchemaRegistryConfig { url: Some(registry.into()), ..SchemaRegistryConfig::default() };
    let prefix = format!("{}-", place.database());
    KafkaConfig { brokers: brokers.into(), prefix, schema_registry, ..KafkaConfig::default() }
}

/// fastavro reads the same from the topics' bytes, with nothing from us but the registry's address.
fn assert_read_by_another_program(folder: &Path, records: &[Received]) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let line = |record: &Received| {
        format!("{{\"avro\":\"{}\",\"json\":{}}}\n", hex(record.bytes()), String::from_utf8_lossy(&record.payload))
    };
    let file = folder.join("records.jsonl");
    std::fs::write(&file, records.iter().map(line).collect::<String>()).unwrap();
    let said = succeeded(python("avro", "avro.py").unwrap().arg(REGISTRY).arg(&file).output().unwrap());
    assert!(said.contains(&format!("{} records", records.len())), "{said}");
}

/// Waits until a replay has sent its news and its bars.
async fn all_is_sent(config: &KafkaConfig) {
    let mut before = (0, 0);
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let news = lag(config, "nobody", &[Topic::News]).await.unwrap();
        let bars = lag(config, "nobody", &[Topic::Bars]).await.unwrap();
        if before == (news, bars) && news > ARTICLES as u64 && bars > 0 {
            return;
        }
        before = (news, bars);
    }
}

/// Starts a role that writes records in this format.
fn role(place: &Installation, role: &str, format: &str) -> Process {
    let log = std::fs::File::create(place.folder.path().join(format!("{role}-{format}.log"))).unwrap();
    let mut command = place.tapewire();
    command.args(["run", "--role", role]).env("TAPEWIRE_KAFKA_FORMAT", format);
    command.stdin(Stdio::null()).stderr(log).spawn().unwrap().into()
}

fn log(place: &Installation, name: &str) -> String {
    std::fs::read_to_string(place.folder.path().join(format!("{name}.log"))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_in_avro_gives_the_rows_of_json_also_where_the_registry_is_away_for_a_while() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: avro: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((news, bars)) = small_market("avro", folder.path(), ARTICLES) else { return };
    let servers = Servers::start(folder.path().join("servers"), 26_000, &[("TAPEWIRE_STACK_REGISTRY", "1")]);
    let json = installation("avro_json", &servers, "json");
    succeeded(replay(&json, &news, &bars).output().unwrap());
    let expected = json.content();

    let place = installation("avro_avro", &servers, "avro");
    succeeded(replay(&place, &news, &bars).output().unwrap());
    assert!(place.content() == expected, "the rows of a replay in Avro are not those of one in JSON");
    assert_eq!(place.count("SELECT count() FROM dead_letters"), 0);
    let mut records = Vec::new();
    for topic in [Topic::News, Topic::Sentiment, Topic::Bars] {
        let of_topic = all_records(&kafka(&place, &servers.brokers, REGISTRY), topic).await;
        assert!(of_topic.len() > ARTICLES && of_topic.iter().all(|record| is_avro(record.bytes())), "{topic:?}");
        records.extend(of_topic);
    }
    assert_read_by_another_program(folder.path(), &records);

    let place = installation("avro_outage", &servers, "avro");
    let replay_log = std::fs::File::create(place.folder.path().join("replay.log")).unwrap();
    let mut sending: Process = replay(&place, &news, &bars)
        .arg("--send-only")
        .stdout(Stdio::null())
        .stderr(replay_log)
        .spawn()
        .unwrap()
        .into();
    all_is_sent(&kafka(&place, &servers.brokers, REGISTRY)).await;
    servers.stack(&["kill", "registry"]);
    // They run until the replay, which waits for them, has ended.
    let _roles = waits_and_loses_nothing(&place, &servers);
    wait_until("the replay ends", || !sending.is_running());
    assert!(sending.ended().unwrap().success(), "{}", log(&place, "replay"));
    assert!(place.content() == expected, "the rows are not those of a replay with a registry that is always there");
    assert_eq!(place.count("SELECT count() FROM dead_letters"), 0);
}

/// The roles while the registry is down: readers wait at their first record, and a process that writes Avro at its
/// start. They can be stopped meanwhile. Returns the roles when the registry is up again and all is joined.
fn waits_and_loses_nothing(place: &Installation, servers: &Servers) -> [Process; 2] {
    // These write JSON, so they need the registry for nothing but reading.
    let sentiment = role(place, "sentiment", "json");
    let mut join = role(place, "join", "json");
    for name in ["sentiment-json", "join-json"] {
        wait_until("a reader says which registry it waits for", || {
            let log = log(place, name);
            log.contains("waits for its schema") && log.contains(REGISTRY)
        });
    }
    for table in ["mentions", "bars", "articles", "dead_letters"] {
        assert_eq!(place.count(&format!("SELECT count() FROM {table}")), 0, "{table}");
    }
    let asked = Instant::now();
    join.signal("-TERM");
    wait_until("a reader that waits can be stopped", || !join.is_running());
    assert!(asked.elapsed() < LIMIT && join.ended().unwrap().success(), "{}", log(place, "join-json"));

    let join = role(place, "join", "avro");
    wait_until("a process waits for the registry at its start", || {
        let log = log(place, "join-avro");
        log.contains("waiting for the servers") && log.contains(REGISTRY)
    });
    servers.stack(&["up"]);
    wait_until("everything is joined", || place.count("SELECT uniqExact(article_id) FROM impact") == ARTICLES as u64);
    let waited = log(place, "sentiment-json").matches("waits for its schema").count();
    assert_eq!(waited, 1, "an outage is said once");
    [sentiment, join]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn avro_that_could_not_be_read_is_kept_shown_and_replayed() {
    let Some(registry) = tapewire_testkit::schema_registry("avro letters") else { return };
    let Some(mut place) = Installation::new("avro_letters") else { return };
    let brokers = std::env::var("TAPEWIRE_KAFKA_BROKERS").unwrap();
    place.set("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL", &registry);
    let quiet = ["--set", "news.sources=[]", "--set", "prices.sources=[]"];
    let doctor = |place: &Installation| both(&place.tapewire().arg("doctor").args(quiet).output().unwrap());
    assert!(doctor(&place).contains("are not registered; run `tapewire migrate`"), "{}", doctor(&place));
    let migrated = succeeded(place.tapewire().arg("migrate").output().unwrap());
    assert!(migrated.contains(&format!("schemas: registered {}-news-value (id ", place.database())), "{migrated}");
    let again = succeeded(place.tapewire().arg("migrate").output().unwrap());
    assert!(again.contains("schemas: all are registered already"), "{again}");
    assert!(doctor(&place).contains("has all 7 schemas; records are written as JSON"), "{}", doctor(&place));

    let article = tapewire_testkit::article("Profit doubled", tapewire_testkit::at("2025-06-02T14:00:00Z"));
    let article = NewsRecord::new(Run::named("letters"), News::Article(article)).encode();
    let datum = schema(Topic::News).unwrap().encode(&article).unwrap();
    let config = kafka(&place, &brokers, &registry);
    let id = avro::registrations(&config).await.unwrap().unwrap()[0].id.unwrap();
    let producer = Producer::new(&config).unwrap();
    for datum in [&datum[..], &datum[..datum.len() - 3]] {
        producer.send(Topic::News, "key", &[&header(id)[..], datum].concat()).await.unwrap();
    }
    // A process whose settings name no registry.
    let mut join = place.tapewire();
    join.args(["run", "--role", "join"]).env_remove("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL").stdin(Stdio::null());
    let join: Process = join.stderr(Stdio::null()).spawn().unwrap().into();
    wait_until("both records are dead letters", || place.count("SELECT count() FROM dead_letters FINAL") == 2);
    join.stop();

    let letters = |arguments: &[&str]| succeeded(place.tapewire().arg("dead-letter").args(arguments).output().unwrap());
    let listed: serde_json::Value = serde_json::from_str(&letters(&["list", "--json"])).unwrap();
    let mut shown = Vec::new();
    for letter in listed["letters"].as_array().unwrap() {
        assert!(letter["reason"].as_str().unwrap().contains("no registry is set"), "{letter}");
        shown.push(letters(&["show", letter["id"].as_str().unwrap()]));
    }
    let with = |part: &str| shown.iter().filter(|text| text.contains(part)).count();
    assert_eq!((with("It is Avro"), with(r#""title":"Profit doubled""#)), (1, 1), "{shown:?}");
    assert_eq!(with("it ends in the middle of a value"), 1, "{shown:?}");

    place.set("TAPEWIRE_KAFKA_FORMAT", "avro");
    let replayed = succeeded(place.tapewire().args(["dead-letter", "replay", "--all"]).output().unwrap());
    let summary = "letters: 2; records sent: 1; letters that can't be replayed: 1";
    assert!(replayed.contains(summary) && replayed.contains("ends in the middle"), "{replayed}");
    let join = place.role("join");
    wait_until("the article is stored", || place.count("SELECT count() FROM articles WHERE run = 'letters'") == 1);
    join.stop();
    let sent = all_records(&config, Topic::News).await;
    assert!(sent.len() == 3 && sent.iter().all(|record| is_avro(record.bytes())), "{sent:?}");
}

#[test]
fn what_is_wrong_with_the_registry_is_said_with_its_address() {
    let Some(place) = Installation::new("avro_wrong") else { return };
    let migrate = |variables: &[(&str, &str)]| {
        let output = place.tapewire().arg("migrate").envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), both(&output).lines().last().unwrap_or_default().to_owned())
    };
    let avro = ("TAPEWIRE_KAFKA_FORMAT", "avro");
    let (code, said) = migrate(&[avro]);
    assert!(code == Some(2) && said.contains("kafka.schema_registry.url"), "{code:?} {said}");
    let (code, said) = migrate(&[avro, ("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL", "http://127.0.0.1:9/root")]);
    assert!(code == Some(3) && said.contains("http://127.0.0.1:9/root"), "{code:?} {said}");
    // Another server.
    let (code, said) = migrate(&[avro, ("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL", place.clickhouse())]);
    assert!(code == Some(2) && said.contains(place.clickhouse()) && said.contains("is no schema registry"), "{said}");
    let (code, said) = migrate(&[("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL", "http://u:s3cret@127.0.0.1:9")]);
    assert!(code == Some(2) && said.contains("user") && !said.contains("s3cret"), "{code:?} {said}");
    let (code, said) = migrate(&[("TAPEWIRE_KAFKA_FORMAT", "xml")]);
    assert!(code == Some(2) && said.contains("avro") && said.contains("json"), "{code:?} {said}");
}
