//! `tapewire serve` as an operator uses it: an address, its pages, and SIGTERM.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed when a test ends without stopping it.
struct Server {
    address: SocketAddr,
    process: Child,
}

impl Server {
    /// Starts a server on a port that was free a moment ago; returns once the model is loaded.
    fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_tapewire"))
            .args(["serve", "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { address, process };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(120), "it does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        let ready = server.ask("GET /ready", "");
        assert!(ready.starts_with("HTTP/1.1 200") && ready.contains(r#""ready":true"#), "{ready}");
        server
    }

    fn send(&self, route: &str, body: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).unwrap();
        let headers = format!(
            "host: test\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}",
            body.len()
        );
        write!(connection, "{route} HTTP/1.1\r\n{headers}\r\n\r\n{body}").unwrap();
        connection
    }

    fn ask(&self, route: &str, body: &str) -> String {
        answer(self.send(route, body))
    }

    fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn answer(mut connection: TcpStream) -> String {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_counts_what_it_answers_and_answers_what_it_has_before_it_stops() {
    let mut server = Server::start();
    let scored = server.ask("POST /predict", r#"{"inputs": "Profit doubled"}"#);
    // The answer has all labels, the likeliest first.
    let first = scored.split(r#""label":"#).nth(1).unwrap_or_default();
    assert!(scored.starts_with("HTTP/1.1 200") && first.starts_with(r#""positive""#), "{scored}");
    let metrics = server.ask("GET /metrics", "");
    assert!(metrics.contains(r#"tapewire_http_requests_total{route="/predict",status="200"} 1"#), "{metrics}");

    // Many batches, so that the signal comes between two of them.
    let text = "Profit doubled at Northgate Bank. ".repeat(3000);
    let owed = server.send("POST /v1/score", &format!(r#"{{"inputs": [{{"text": "{text}"}}]}}"#));
    while server.ask("GET /metrics", "").contains("tapewire_inference_batch_tokens_count 1\n") {}
    server.terminate();
    let owed = answer(owed);
    assert!(owed.starts_with("HTTP/1.1 200"), "{}", &owed[..owed.len().min(200)]);
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(server.address).is_err());
}
