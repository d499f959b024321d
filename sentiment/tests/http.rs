//! The HTTP API with the shipped model, over real connections.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::{Family, report, shipped, train};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tapewire_runtime::http::{HttpConfig, Token};
use tapewire_runtime::{Shutdown, Telemetry};
use tapewire_sentiment::companies::{Companies, Company};
use tapewire_sentiment::http::{self, Api, OPENAPI, ServeConfig};
use tapewire_sentiment::{Engine, EngineConfig, Input, Queue, QueueConfig, Request, SentimentError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const MIXED: &str = "Northgate Bank gains on upgrade while Selby Trust sinks on heavy losses";
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server on a port of its own.
struct Server {
    url: String,
    queue: Queue,
    client: Client,
    shutdown: Shutdown,
    running: JoinHandle<Result<(), SentimentError>>,
}

impl Server {
    async fn start(config: ServeConfig, queue: QueueConfig) -> Self {
        Self::of(shipped(), config, HttpConfig::default(), queue).await
    }

    async fn of(engine: Arc<Engine>, config: ServeConfig, limits: HttpConfig, queue: QueueConfig) -> Self {
        /// One per process.
        static TELEMETRY: LazyLock<Telemetry> = LazyLock::new(|| Telemetry::install().unwrap());
        let listener = http::listen("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let queue = Queue::new(engine, &queue).unwrap();
        let api = Api::new(queue.clone(), Companies::load(None).unwrap(), &config, &limits);
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        let running =
            tokio::spawn(async move { http::serve(listener, api, TELEMETRY.clone(), &config, &limits, stop).await });
        Self { url, queue, client: Client::new(), shutdown, running }
    }

    async fn with_defaults() -> Self {
        Self::start(ServeConfig::default(), QueueConfig::default()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.url)).json(body).send().await.unwrap()
    }

    async fn answer(&self, path: &str, body: &Value) -> Value {
        let response = self.post(path, body).await;
        let status = response.status();
        let answer = response.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// Occupies the whole queue until the request is answered, which takes about a second, or aborted.
    async fn occupy(&self) -> JoinHandle<Response> {
        let text = json!({"inputs": [{"text": occupying()}]});
        let (client, url) = (self.client.clone(), format!("{}/v1/score", self.url));
        let occupying = tokio::spawn(async move {
            loop {
                let answer = client.post(&url).json(&text).send().await.unwrap();
                // One of the texts below was admitted first.
                if answer.status() != StatusCode::TOO_MANY_REQUESTS {
                    return answer;
                }
            }
        });
        let full = async {
            let mut seed = 0;
            while self.queue.try_submit_all(vec![Request::new(report(9, seed), None)]).await.is_ok() {
                seed += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, full).await.expect("the text is submitted");
        occupying
    }
}

fn occupying() -> String {
    report(30_000, 1)
}

/// A queue that the text of [`Server::occupy`] fills.
fn small_queue() -> QueueConfig {
    let tokens = u32::try_from(Request::new(occupying(), None).tokens()).unwrap();
    QueueConfig { capacity_tokens: NonZeroU32::new(tokens).unwrap(), ..QueueConfig::default() }
}

fn labels(classes: &Value) -> Vec<&str> {
    classes.as_array().unwrap().iter().map(|class| class["label"].as_str().unwrap()).collect()
}

fn scores(classes: &Value) -> Vec<f64> {
    classes.as_array().unwrap().iter().map(|class| class["score"].as_f64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn predict_answers_one_input_with_a_list_and_a_batch_with_lists() {
    let server = Server::with_defaults().await;
    let one = server.answer("/predict", &json!({"inputs": MIXED})).await;
    let expected = shipped().score(&[Input::new(MIXED, None)]).remove(0).unwrap();
    let p = expected.probabilities;
    assert_eq!(labels(&one)[0], p.label());
    assert!(scores(&one).is_sorted_by(|a, b| a >= b), "{one}");
    let by_label: BTreeMap<&str, f64> = labels(&one).into_iter().zip(scores(&one)).collect();
    assert_eq!(by_label, BTreeMap::from([("positive", p.positive), ("neutral", p.neutral), ("negative", p.negative)]));
    assert_eq!(server.answer("/predict", &json!({"inputs": [MIXED]})).await, one);

    let batch = json!({"inputs": [[MIXED, "Northgate Bank"], [MIXED, "Selby Trust"], [MIXED]]});
    let batch = server.answer("/predict", &batch).await;
    assert_eq!((labels(&batch[0])[0], labels(&batch[1])[0], &batch[2]), ("positive", "negative", &one));
    assert_eq!(server.answer("/predict", &json!({"inputs": [MIXED, "Selby Trust"]})).await, batch[1]);
    assert_eq!(server.answer("/predict", &json!({"inputs": [[MIXED]]})).await, json!([one]));

    let raw = server.answer("/predict", &json!({"inputs": MIXED, "raw_scores": true})).await;
    assert_eq!(labels(&raw), labels(&one));
    let total: f64 = scores(&raw).iter().map(|logit| logit.exp()).sum();
    assert!(scores(&raw).iter().zip(scores(&one)).all(|(logit, p)| (logit.exp() / total - p).abs() < 2e-6), "{raw}");
}

#[tokio::test(flavor = "multi_thread")]
async fn predict_truncates_a_long_text_only_on_request() {
    let server = Server::with_defaults().await;
    let text = format!("{} {}", "profit doubled ".repeat(300), "heavy losses ".repeat(300));
    let refused = server.post("/predict", &json!({"inputs": [["a"], [text]], "truncate": false})).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let error: Value = refused.json().await.unwrap();
    let message = error["error"].as_str().unwrap();
    assert!(message.contains("inputs[1]") && message.contains("1202 tokens") && message.contains("512"), "{error}");
    let right = server.answer("/predict", &json!({"inputs": text, "truncate": true})).await;
    let left = json!({"inputs": text, "truncate": true, "truncation_direction": "Left"});
    let left = server.answer("/predict", &left).await;
    let of = |answer: &Value, label: &str| scores(answer)[labels(answer).iter().position(|l| *l == label).unwrap()];
    assert!(of(&right, "positive") > of(&left, "positive"), "{right} {left}");
    assert!(of(&left, "negative") > of(&right, "negative"), "{right} {left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_is_for_a_company_by_ticker_name_or_alias() {
    let server = Server::with_defaults().await;
    let text = "Apple gains on record profit while Citi sinks on heavy losses";
    let asked =
        json!({"inputs": [{"text": text, "companies": ["AAPL", "citi", "Orsay"]}, {"text": "Markets close higher"}]});
    let answer = server.answer("/v1/score", &asked).await;
    assert_eq!((&answer["model"], &answer["revision"]), (&json!(shipped().name()), &json!(shipped().revision())));
    let [of_companies, of_text] = [&answer["results"][0], &answer["results"][1]];
    let named: Vec<(&Value, &Value)> =
        of_companies.as_array().unwrap().iter().map(|score| (&score["company"], &score["symbol"])).collect();
    let null = Value::Null;
    assert_eq!(
        named,
        [(&json!("Apple"), &json!("AAPL")), (&json!("Citigroup"), &json!("C")), (&json!("Orsay"), &null)]
    );
    assert_eq!((&of_companies[0]["label"], &of_companies[1]["label"]), (&json!("positive"), &json!("negative")));
    assert_eq!((&of_text[0]["company"], &of_text[0]["windows"]), (&null, &json!(1)));
    for score in of_companies.as_array().unwrap() {
        let p = |class: &str| score["probabilities"][class].as_f64().unwrap();
        assert!((p("positive") - p("negative") - score["score"].as_f64().unwrap()).abs() < 1e-9, "{score}");
    }
    let long = json!({"inputs": [{"text": "profit doubled ".repeat(600)}]});
    assert_eq!(server.answer("/v1/score", &long).await["results"][0][0]["windows"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_explained() {
    let server = Server::with_defaults().await;
    let json = "application/json";
    let company_too_long = json!({"inputs": [{"text": report(600, 1), "companies": [report(400, 2)]}]}).to_string();
    let nested = "[".repeat(5_000);
    for (path, content_type, body, status, said) in [
        ("/predict", json, "", 400, "EOF"),
        ("/predict", json, "{\"inputs\": \"a", 400, "EOF"),
        ("/predict", json, "{\"inputs\": \"\u{1}\"}", 400, "control character"),
        ("/predict", json, &*nested, 400, "recursion"),
        ("/predict", "text/plain", "{\"inputs\": \"a\"}", 415, "Content-Type"),
        ("/predict", json, "[]", 422, "PredictRequest"),
        ("/predict", json, "{}", 422, "inputs"),
        ("/predict", json, "{\"inputs\": 7}", 422, "[text, company]"),
        ("/predict", json, "{\"inputs\": [\"a\", [\"b\"]]}", 422, "[text, company]"),
        ("/predict", json, "{\"inputs\": [\"a\", \"b\", \"c\"]}", 422, "batch as [[text]"),
        ("/predict", json, "{\"inputs\": [[\"a\"], [\"b\", \"c\", \"d\"]]}", 422, "inputs[1]"),
        ("/predict", json, "{\"inputs\": \"a\", \"truncation_direction\": \"up\"}", 422, "up"),
        ("/predict", json, "{\"inputs\": \"a\", \"truncate\": \"yes\"}", 422, "boolean"),
        ("/predict", json, "{\"inputs\": \"\"}", 400, "the text is empty"),
        ("/predict", json, "{\"inputs\": []}", 400, "no text"),
        ("/predict", json, "{\"inputs\": [[\"a\"], []]}", 400, "inputs[1]"),
        ("/predict", json, "{\"inputs\": [[\"a\"], [\" \\n\"]]}", 400, "inputs[1]: the text is empty"),
        ("/predict", json, "{\"inputs\": [\"a\", \"\"]}", 400, "the company is empty"),
        ("/v1/score", json, "{\"inputs\": []}", 400, "no text"),
        ("/v1/score", json, "{\"inputs\": [{\"text\": \"\"}]}", 400, "inputs[0]: the text is empty"),
        ("/predict", json, "{\"inputs\": \"\\u200b\"}", 400, "the text is empty"),
        ("/predict", json, "{\"inputs\": \"\\ue000\"}", 400, "no token"),
        ("/v1/score", json, "{\"inputs\": [{\"text\": \"<p>&nbsp;</p>\"}]}", 400, "inputs[0]: the text is empty"),
        ("/v1/score", json, "{\"inputs\": [{\"text\": \"a\", \"companies\": [\"b\", \" \"]}]}", 400, "companies[1]"),
        ("/v1/score", json, "{\"inputs\": [{\"text\": \"a\", \"company\": \"b\"}]}", 422, "`company`"),
        ("/v1/score", json, "{\"inputs\": [{\"companies\": [\"b\"]}]}", 422, "`text`"),
        ("/v1/score", json, "{\"inputs\": [{\"text\": \"a\", \"companies\": [\"US0378331005\"]}]}", 422, "ISIN"),
        ("/v1/score", json, "{\"inputs\": [{\"text\": \"a\", \"companies\": [\"Apple, Microsoft\"]}]}", 422, "several"),
        ("/v1/score", json, "{\"inputs\": \"a\"}", 422, "sequence"),
        ("/v1/score", json, &*company_too_long, 413, "half of the model's 512 tokens"),
        ("/nothing", json, "{}", 404, "/openapi.json"),
        ("/health", json, "{}", 405, "POST"),
    ] {
        let request = server.client.post(format!("{}{path}", server.url)).header(CONTENT_TYPE, content_type);
        let response = request.body(body.to_owned()).send().await.unwrap();
        let (found, answer) = (response.status().as_u16(), response.text().await.unwrap());
        let place = format!("{path} {}: {found} {answer}", &body[..body.len().min(80)]);
        assert_eq!(found, status, "{place}");
        let error: Value = serde_json::from_str(&answer).expect(&place);
        assert!(error["error"].as_str().is_some_and(|error| error.contains(said)), "{place}");
        let kind = if status == 400 && !["EOF", "control character", "recursion"].contains(&said) {
            "Empty"
        } else {
            "Validation"
        };
        assert_eq!(error["error_type"], kind, "{place}");
    }
    let bytes = server.client.post(format!("{}/predict", server.url)).header(CONTENT_TYPE, json);
    assert_eq!(bytes.body(b"{\"inputs\": \"\xff\"}".to_vec()).send().await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_only_health_and_readiness_are_open() {
    let limits = HttpConfig { token: Some(Token::new("s3cret")), ..HttpConfig::default() };
    let server = Server::of(shipped(), ServeConfig::default(), limits, QueueConfig::default()).await;
    let get = |path: &str| server.client.get(format!("{}{path}", server.url));
    for path in ["/info", "/openapi.json", "/metrics"] {
        assert_eq!(get(path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(get(path).bearer_auth("s3cret").send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    for path in ["/health", "/ready"] {
        assert_eq!(get(path).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    let body = json!({"inputs": MIXED});
    for path in ["/predict", "/v1/score"] {
        let refused = server.post(path, &body).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let refused: Value = refused.json().await.unwrap();
        assert!(refused["error"].as_str().unwrap().contains("Authorization: Bearer"), "{refused}");
        assert_matches(&described("/components/schemas/Error"), &refused, path);
    }
    let request = server.client.post(format!("{}/predict", server.url)).json(&body);
    assert_eq!(request.bearer_auth("s3cret").send().await.unwrap().status(), StatusCode::OK);
    let counted = get("/metrics").bearer_auth("s3cret").send().await.unwrap().text().await.unwrap();
    assert!(counted.contains(r#"tapewire_http_requests_total{route="/predict",status="401"}"#), "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let limits = HttpConfig { read_timeout: Duration::from_millis(300), ..HttpConfig::default() };
    let server = Server::of(shipped(), ServeConfig::default(), limits, QueueConfig::default()).await;
    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
    let headers = "host: test\r\ncontent-type: application/json\r\ncontent-length: 100";
    connection.write_all(format!("POST /predict HTTP/1.1\r\n{headers}\r\n\r\n{{\"inp").as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(TIMEOUT, connection.read_to_string(&mut answer)).await.expect("it is answered").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("http.read_timeout"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_matches(&described("/components/schemas/Error"), &serde_json::from_str(body).unwrap(), "408");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_batches_are_limited() {
    let config =
        ServeConfig { max_body_bytes: 1000, max_batch: NonZeroUsize::new(3).unwrap(), ..ServeConfig::default() };
    let server = Server::start(config, QueueConfig::default()).await;
    let four = server.post("/predict", &json!({"inputs": [["a"], ["b"], ["c"], ["d"]]})).await;
    assert_eq!(four.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(four.text().await.unwrap().contains("batch size 4 > maximum allowed batch size 3"));
    let companies = json!({"inputs": [{"text": "a", "companies": ["b", "c"]}, {"text": "d", "companies": ["e", "f"]}]});
    assert_eq!(server.post("/v1/score", &companies).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let long = server.post("/predict", &json!({"inputs": "a ".repeat(500)})).await;
    assert_eq!(long.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(long.json::<Value>().await.unwrap()["error_type"], "Validation");
    assert_eq!(server.post("/predict", &json!({"inputs": [["a"], ["b"], ["c"]]})).await.status(), StatusCode::OK);

    // A text of slightly more than half of the queue's capacity, for two companies.
    let server = Server::start(ServeConfig::default(), small_queue()).await;
    let text = report(16_000, 1);
    let asked = |companies: &[&str]| json!({"inputs": [{"text": text, "companies": companies}]});
    let two = server.post("/v1/score", &asked(&["Northgate", "Selby"])).await;
    assert_eq!(two.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let error: Value = two.json().await.unwrap();
    let message = error["error"].as_str().unwrap();
    let capacity = small_queue().capacity_tokens.to_string();
    assert!(message.contains("capacity_tokens") && message.contains(&capacity), "{message}");
    assert_eq!(server.post("/v1/score", &asked(&["Northgate"])).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_when_to_retry_and_a_client_that_disconnects_frees_it() {
    let server = Server::start(ServeConfig::default(), small_queue()).await;
    let occupying = server.occupy().await;
    let refused = server.post("/predict", &json!({"inputs": "Profit doubled"})).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers()[RETRY_AFTER].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    assert_eq!(refused.json::<Value>().await.unwrap()["error_type"], "Overloaded");

    occupying.abort();
    let taken = async {
        while server.post("/predict", &json!({"inputs": "Profit doubled"})).await.status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, taken).await.expect("the capacity is released");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_shutdown_pending_requests_are_answered_and_new_ones_refused() {
    let server = Server::start(ServeConfig::default(), small_queue()).await;
    let answering = server.occupy().await;
    server.shutdown.cancel();
    let refused = async {
        // A client without a connection, like new clients.
        while Client::new().get(format!("{}/health", server.url)).send().await.is_ok() {}
    };
    tokio::time::timeout(TIMEOUT, refused).await.expect("new clients are refused");
    let answer = answering.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap()["results"][0].as_array().unwrap().len(), 1);
    server.running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_request_does_not_prevent_shutdown() {
    let config = ServeConfig { longest_drain: Duration::from_millis(50), ..ServeConfig::default() };
    let server = Server::start(config, QueueConfig::default()).await;
    let mut stalled = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
    stalled.write_all(b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    // Answered on another connection, so the connection of the incomplete request was accepted before.
    server.answer("/predict", &json!({"inputs": "Profit doubled"})).await;
    server.shutdown.cancel();
    tokio::time::timeout(TIMEOUT, server.running).await.expect("it stops").unwrap().unwrap();
}

impl Server {
    async fn info(&self) -> Value {
        self.client.get(format!("{}/info", self.url)).send().await.unwrap().json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_described() {
    let (server, engine) = (Server::with_defaults().await, shipped());
    let info = server.info().await;
    assert_eq!(
        (&info["model_id"], &info["model_sha"], &info["engine"], &info["family"], &info["reads_company"]),
        (&json!(engine.name()), &json!(engine.revision()), &json!("tapewire"), &json!("BERT"), &json!(true))
    );
    assert_eq!(info["max_input_length"], 512);
    let classes = &info["model_type"]["classifier"];
    for (id, label) in engine.labels().iter().enumerate() {
        assert_eq!((&classes["id2label"][id.to_string()], &classes["label2id"][label]), (&json!(label), &json!(id)));
    }
}

/// A DeBERTa whose tokenizer is a sentencepiece model, behind the same queue and routes.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_candle_transformers_answers_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut family = Family::all().into_iter().find(|family| family.name == "deberta-v3").unwrap();
    family.config["vocab_size"] = 200.into();
    family.config["max_position_embeddings"] = 64.into();
    family.tensors.insert("deberta.embeddings.word_embeddings.weight".into(), vec![200, 48]);
    family.write(folder.path());
    std::fs::remove_file(folder.path().join("vocab.txt")).unwrap();
    std::fs::copy(train().join("sentencepiece_models/deberta-v2.model"), folder.path().join("spm.model")).unwrap();
    let engine = Arc::new(Engine::load(&common::files(folder.path()), &EngineConfig::default()).unwrap());
    let server =
        Server::of(Arc::clone(&engine), ServeConfig::default(), HttpConfig::default(), QueueConfig::default()).await;
    let info = server.info().await;
    assert_eq!(
        (&info["engine"], &info["family"], &info["model_dtype"], &info["max_input_length"], &info["reads_company"]),
        (&json!("candle-transformers"), &json!("DeBERTa"), &json!("f32"), &json!(64), &json!(false))
    );

    let long = format!("The {}. Selby sinks. The {}.", report(60, 1), report(60, 2));
    let inputs = json!({"inputs": [{"text": MIXED}, {"text": long}, {"text": long, "companies": ["Selby"]}]});
    let answer = server.answer("/v1/score", &inputs).await;
    let selby = Company::named("Selby");
    let asked = [Input::new(MIXED, None), Input::new(&long, None), Input::new(&long, Some(&selby))];
    let expected = engine.score(&asked).into_iter().map(Result::unwrap);
    for (at, expected) in expected.enumerate() {
        let found = &answer["results"][at][0];
        assert_eq!(found["probabilities"]["positive"], expected.probabilities.positive, "{at}: {found}");
        assert_eq!(found["windows"], expected.windows);
    }
    let windows = |at: usize| answer["results"][at][0]["windows"].as_u64().unwrap();
    // It does not read the company, but the sentences that name it.
    assert!(windows(1) > 3 && windows(2) < windows(1), "{answer}");
}

/// The schema or example at a JSON pointer of the document.
fn described(pointer: &str) -> Value {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    document.pointer(pointer).cloned().unwrap_or(Value::Null)
}

fn assert_matches(schema: &Value, value: &Value, place: &str) {
    let mut schema = schema.clone();
    schema["components"] = described("/components");
    if let Err(error) = jsonschema::validate(&schema, value) {
        panic!("{place}: {error}: {value}");
    }
}

fn examples(content: &Value) -> Vec<Value> {
    let examples = content["examples"].as_object();
    examples.into_iter().flatten().map(|(_, example)| example["value"].clone()).collect()
}

#[test]
fn the_description_is_valid_openapi() {
    let openapi: Value = serde_json::from_str(include_str!("data/openapi/schema.json")).unwrap();
    if let Err(error) = jsonschema::validate(&openapi, &described("")) {
        panic!("{}: {error}", error.instance_path());
    }
    // OpenAPI leaves the contents of the schemas to JSON Schema.
    for (name, schema) in described("/components/schemas").as_object().unwrap() {
        if let Err(error) = jsonschema::meta::validate(schema) {
            panic!("{name}{}: {error}", error.instance_path());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_matches_every_route_and_example() {
    let server = Server::with_defaults().await;
    // Something for the metrics to count.
    server.answer("/predict", &json!({"inputs": "Profit doubled"})).await;
    let sources = [include_str!("../src/http/mod.rs"), include_str!("../../bus/runtime/src/telemetry.rs")];
    let routes: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.split(".route(\"").skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let paths = described("/paths");
    let paths = paths.as_object().unwrap();
    assert_eq!(paths.keys().map(String::as_str).collect::<BTreeSet<_>>(), routes);

    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = &response["content"]["application/json"];
                for example in examples(content) {
                    assert_matches(&content["schema"], &example, &format!("{method} {path}, example of {status}"));
                }
            }
            let body = &operation["requestBody"]["content"]["application/json"];
            let requests = if method == "get" { vec![Value::Null] } else { examples(body) };
            assert!(!requests.is_empty(), "{method} {path} has no example");
            for request in requests {
                let place = format!("{method} {path} {request}");
                let response = if method == "get" {
                    server.client.get(format!("{}{path}", server.url)).send().await.unwrap()
                } else {
                    assert_matches(&body["schema"], &request, &place);
                    server.post(path, &request).await
                };
                // Another test's server may be shutting down, and readiness belongs to the process.
                assert!(response.status() == StatusCode::OK || path == "/ready", "{place}: {}", response.status());
                let content = &operation["responses"][response.status().as_str()]["content"];
                let text = response.text().await.unwrap();
                match content.get("application/json") {
                    Some(json) => assert_matches(&json["schema"], &serde_json::from_str(&text).unwrap(), &place),
                    None => {
                        assert!(text.contains("tapewire_http_requests_total"), "{place}: {text}")
                    }
                }
            }
        }
    }
}
