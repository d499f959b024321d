//! The registry's API, as Confluent defines it: schemas by their id, and the ids of schemas by subject.

use super::{RegistryError, SchemaRegistryConfig};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::{Value, json};
use std::error::Error as _;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Most bytes of an answer that are read. A schema of ours has up to 10 KB.
const LARGEST_ANSWER: usize = 4 << 20;

/// Most characters of a registry's message that are passed on.
const LONGEST_MESSAGE: usize = 400;

/// Code of the API: there is no schema with this id, or none like this under the subject.
const NO_SCHEMA: i64 = 40_403;
/// Code of the API: there is no such subject.
const NO_SUBJECT: i64 = 40_401;

/// A client of the registry. Cheap to clone. One call is one request: retries are the caller's.
#[derive(Debug, Clone)]
pub(super) struct Registry {
    http: Client,
    root: Url,
    /// The root as the settings have it.
    shown: String,
}

/// What the registry said to a request that it did not grant.
struct Refusal {
    status: StatusCode,
    code: i64,
    message: String,
}

impl Registry {
    /// The registry that the settings name; `None` if they name none. Does not connect yet.
    ///
    /// # Errors
    /// [`RegistryError::Config`].
    pub fn new(config: &SchemaRegistryConfig) -> Result<Option<Self>, RegistryError> {
        let Some(shown) = config.url.clone() else { return Ok(None) };
        let unusable = |reason: String| RegistryError::Config { url: shown.clone(), reason };
        let root = Url::parse(&shown).map_err(|error| unusable(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(login) = login(config) {
            let reason = || unusable("the password or the token has characters that no HTTP header can hold".into());
            let mut login = HeaderValue::from_str(&login).map_err(|_| reason())?;
            login.set_sensitive(true);
            headers.insert(AUTHORIZATION, login);
        }
        let mut http = Client::builder()
            .timeout(config.request_timeout)
            .user_agent(concat!("tapewire/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // As Kafka's and ClickHouse's clients, which know no proxy.
            .no_proxy()
            // A redirect would take the password to another host.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(authorities) = &config.ca_file {
            http = http.tls_backend_preconfigured(authorities.connector());
        }
        let http = http.build().map_err(|error| unusable(tapewire_runtime::chain(&error)))?;
        Ok(Some(Self { http, root, shown }))
    }

    /// Root of the API, as the settings have it.
    pub fn url(&self) -> &str {
        &self.shown
    }

    /// The schema with this id as JSON, or why it can't be used, in words.
    ///
    /// # Errors
    /// The registry could not be asked.
    pub async fn schema(&self, id: u32) -> Result<Result<String, String>, RegistryError> {
        let answer = match self.ask(Method::GET, &["schemas", "ids", &id.to_string()], None).await? {
            Ok(answer) => answer,
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
                return Ok(Err(format!("the schema registry at {} has no schema with the id {id}", self.shown)));
            }
            Err(refusal) => return Err(self.refused(&format!("the schema with the id {id}"), refusal)),
        };
        // Confluent's registry leaves the type out where it is Avro.
        match answer["schemaType"].as_str() {
            None | Some("AVRO") => {}
            Some(other) => return Ok(Err(format!("the schema with the id {id} is of the type {other}, not AVRO"))),
        }
        if answer["references"].as_array().is_some_and(|references| !references.is_empty()) {
            return Ok(Err(format!("the schema with the id {id} refers to other schemas, which is not supported")));
        }
        let schema = answer["schema"].as_str().map(str::to_owned);
        schema.map(Ok).ok_or_else(|| self.not_a_registry("an answer has no schema"))
    }

    /// The id of a schema under a subject; `None` if it is not registered there.
    ///
    /// # Errors
    /// The registry could not be asked.
    pub async fn id(&self, subject: &str, schema: &str) -> Result<Option<u32>, RegistryError> {
        match self.ask(Method::POST, &["subjects", subject], Some(json!({"schema": schema}))).await? {
            Ok(answer) => self.id_in(&answer).map(Some),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
            Err(refusal) => Err(self.refused(&format!("the id of the schema of {subject}"), refusal)),
        }
    }

    /// Registers a schema under a subject and returns its id; that of the registered one if it is there already.
    ///
    /// # Errors
    /// [`RegistryError::Incompatible`]; the registry could not be asked.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let path = ["subjects", subject, "versions"];
        match self.ask(Method::POST, &path, Some(json!({"schema": schema}))).await? {
            Ok(answer) => self.id_in(&answer),
            Err(refusal) if refusal.status == StatusCode::CONFLICT => {
                let (url, subject, reason) = (self.shown.clone(), subject.to_owned(), refusal.message);
                Err(RegistryError::Incompatible { url, subject, reason })
            }
            Err(refusal) => Err(self.refused(&format!("to register the schema of {subject}"), refusal)),
        }
    }

    /// Sets which schemas a subject accepts. `false` if the registry does not do so for a subject that it does not have
    /// yet.
    ///
    /// # Errors
    /// The registry could not be asked.
    pub async fn set_compatibility(&self, subject: &str, compatibility: &str) -> Result<bool, RegistryError> {
        let body = json!({"compatibility": compatibility});
        match self.ask(Method::PUT, &["config", subject], Some(body)).await? {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(false),
            Err(refusal) => Err(self.refused(&format!("to set the compatibility of {subject}"), refusal)),
        }
    }

    fn id_in(&self, answer: &Value) -> Result<u32, RegistryError> {
        let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| self.not_a_registry("an answer has no id"))
    }

    /// Sends a request. The answer is one of a registry, whether it grants the request or not.
    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Result<Value, Refusal>, RegistryError> {
        let mut url = self.root.clone();
        let unusable = || RegistryError::Config { url: self.shown.clone(), reason: "it can't have paths".into() };
        url.path_segments_mut().map_err(|()| unusable())?.pop_if_empty().extend(path);
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let response = request.send().await.map_err(|error| self.no_answer(error))?;
        let status = response.status();
        let unreachable = |reason: String| RegistryError::Unreachable { url: self.shown.clone(), reason };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(RegistryError::Login { url: self.shown.clone(), reason: format!("HTTP {status}") });
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                return Err(unreachable(format!("HTTP {status}")));
            }
            status if status.is_server_error() => return Err(unreachable(format!("HTTP {status}"))),
            _ => {}
        }
        let answer: Value = serde_json::from_slice(&self.body(response).await?).unwrap_or_default();
        match (status.is_success(), answer["error_code"].as_i64()) {
            (true, _) if !answer.is_null() => Ok(Ok(answer)),
            // A missing page of some other server is not the registry's word that there is no such schema.
            (false, Some(code)) if status != StatusCode::NOT_FOUND || [NO_SCHEMA, NO_SUBJECT].contains(&code) => {
                let message = answer["message"].as_str().unwrap_or("it does not say why");
                let message = message.chars().take(LONGEST_MESSAGE).collect();
                Ok(Err(Refusal { status, code, message }))
            }
            _ => Err(self.not_a_registry(&format!("HTTP {status}"))),
        }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, RegistryError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(self.not_a_registry(&format!("an answer is larger than {} MiB", LARGEST_ANSWER >> 20)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn no_answer(&self, error: reqwest::Error) -> RegistryError {
        let url = self.shown.clone();
        let reason = deepest_reason(&error.without_url());
        match reason.split_once("certificate verify failed") {
            Some((_, rest)) => {
                // `certificate verify failed:../ssl/x.c:1889: (hostname mismatch)`
                let said = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
                RegistryError::Certificate { url, reason: said.map_or("it can't be verified", |(said, _)| said).into() }
            }
            None => RegistryError::Unreachable { url, reason },
        }
    }

    fn not_a_registry(&self, reason: &str) -> RegistryError {
        RegistryError::NotARegistry { url: self.shown.clone(), reason: reason.to_owned() }
    }

    fn refused(&self, request: &str, refusal: Refusal) -> RegistryError {
        let Refusal { status, code, message } = refusal;
        let reason = format!("{message} (HTTP {}, code {code})", status.as_u16());
        RegistryError::Refused { url: self.shown.clone(), request: request.to_owned(), reason }
    }
}

/// The value of the header that says who asks.
fn login(config: &SchemaRegistryConfig) -> Option<String> {
    use base64::Engine as _;
    match (&config.token, &config.user) {
        (Some(token), _) => Some(format!("Bearer {token}")),
        (None, Some(user)) => {
            let login = format!("{user}:{}", config.password.as_deref().unwrap_or_default());
            Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login)))
        }
        (None, None) => None,
    }
}

/// The causes of an error, without the first, which says only that a request could not be sent.
fn deepest_reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    error.source().map_or_else(|| error.to_string(), tapewire_runtime::chain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    /// A server that answers one request with this text, and returns the request.
    fn answering(answer: &'static str) -> (String, JoinHandle<String>) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/root", server.local_addr().unwrap());
        let request = std::thread::spawn(move || {
            let (connection, _) = server.accept().unwrap();
            let mut reader = BufReader::new(&connection);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut request).unwrap() > 0, "the request ends early");
            }
            let length = request.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            (&connection).write_all(answer.as_bytes()).unwrap();
            request + &String::from_utf8(body).unwrap()
        });
        (url, request)
    }

    fn http(status: &str, body: &str) -> &'static str {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").leak()
    }

    fn registry(url: String) -> Registry {
        let config = SchemaRegistryConfig { url: Some(url), ..SchemaRegistryConfig::default() };
        Registry::new(&config).unwrap().unwrap()
    }

    #[tokio::test]
    async fn user_and_password_or_a_token_go_with_every_request() {
        let text = |text: &str| Some(text.to_owned());
        for (user, password, token, header) in [
            (text("ann"), text("s3cret"), None, "authorization: Basic YW5uOnMzY3JldA=="),
            (None, None, text("t0ken"), "authorization: Bearer t0ken"),
        ] {
            let (url, request) = answering(http("200 OK", "{\"id\":7}"));
            let config =
                SchemaRegistryConfig { url: Some(url), user, password, token, ..SchemaRegistryConfig::default() };
            let registry = Registry::new(&config).unwrap().unwrap();
            assert_eq!(registry.id("a/b-value", "\"int\"").await.unwrap(), Some(7));
            let request = request.join().unwrap();
            assert!(request.starts_with("POST /root/subjects/a%2Fb-value HTTP/1.1\r\n"), "{request}");
            assert!(request.lines().any(|line| line == header), "{request}");
            assert!(request.ends_with(r#"{"schema":"\"int\""}"#), "{request}");
            assert!(!format!("{registry:?}").contains("s3cret") && !format!("{registry:?}").contains("t0ken"));
        }
    }

    #[tokio::test]
    async fn only_the_registrys_own_word_says_that_a_schema_is_unknown() {
        let (url, _) = answering(http("404 Not Found", r#"{"error_code":40403,"message":"Schema 7 not found"}"#));
        let unknown = registry(url).schema(7).await.unwrap().unwrap_err();
        assert!(unknown.contains("no schema with the id 7"), "{unknown}");
        for (status, body, retryable) in [
            ("404 Not Found", "<html>nothing here</html>", false),
            ("404 Not Found", r#"{"error_code":404,"message":"no such path"}"#, false),
            ("200 OK", "<html>welcome</html>", false),
            ("200 OK", "{}", false),
            ("302 Found", "", false),
            ("401 Unauthorized", r#"{"error_code":40101,"message":"no"}"#, false),
            ("503 Service Unavailable", "", true),
            ("500 Internal Server Error", r#"{"error_code":50001,"message":"store"}"#, true),
            ("429 Too Many Requests", "", true),
        ] {
            let (url, _) = answering(http(status, body));
            let error = registry(url.clone()).schema(7).await.unwrap_err();
            assert_eq!(error.is_retryable(), retryable, "{status}: {error}");
            assert!(error.to_string().contains(&url), "{error}");
        }
        // Nothing listens there.
        let error = registry("http://127.0.0.1:1".into()).schema(7).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("at http://127.0.0.1:1 ("), "{error}");
    }

    #[tokio::test]
    async fn schemas_that_are_not_avro_or_not_whole_are_refused_in_words() {
        for (body, said) in [
            (r#"{"schema":"{}","schemaType":"JSON"}"#, "of the type JSON"),
            (r#"{"schema":"{}","references":[{"name":"x","subject":"y","version":1}]}"#, "refers to other"),
        ] {
            let (url, _) = answering(http("200 OK", body));
            let reason = registry(url).schema(7).await.unwrap().unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
        let (url, _) = answering(http("409 Conflict", r#"{"error_code":409,"message":"field c has no default"}"#));
        let error = registry(url).register("news-value", "\"int\"").await.unwrap_err();
        assert!(matches!(error, RegistryError::Incompatible { .. }), "{error}");
        assert!(error.to_string().contains("news-value") && error.to_string().contains("field c"), "{error}");
    }
}
