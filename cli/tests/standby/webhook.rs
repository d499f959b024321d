//! A webhook that takes every alert.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The webhook. It runs until the test ends.
pub struct Webhook {
    pub url: String,
    subjects: Arc<Mutex<Vec<String>>>,
}

impl Webhook {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        let subjects = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&subjects);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(connection, &kept));
            }
        });
        Self { url, subjects }
    }

    /// What the alerts so far are about, in the order in which they came.
    pub fn subjects(&self) -> Vec<String> {
        self.subjects.lock().unwrap().clone()
    }
}

/// Answers the requests of a connection.
fn serve(connection: TcpStream, subjects: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut writer = connection;
    loop {
        let (mut line, mut headers) = (String::new(), String::new());
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        while reader.read_line(&mut headers).unwrap() > 0 && !headers.ends_with("\r\n\r\n") {}
        let headers = headers.to_lowercase();
        let length = headers.lines().find_map(|header| header.strip_prefix("content-length:")).unwrap();
        let mut body = vec![0; length.trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let alert: serde_json::Value = serde_json::from_slice(&body).unwrap();
        subjects.lock().unwrap().push(alert["subject"].as_str().unwrap().to_owned());
        writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    }
}
