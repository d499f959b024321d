//! A server that takes what a program sends over HTTP: alerts, traces.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// What was sent.
#[derive(Debug)]
pub struct Request {
    /// Method, path and version.
    pub line: String,
    /// In lower case, a line each.
    pub headers: String,
    /// As it was sent.
    pub body: Vec<u8>,
}

/// Gives each request to `take`, from a thread for each connection, and then answers it with `answer`, a whole response.
/// It listens on a free port of this machine until the process ends.
///
/// # Panics
/// No port is free. A request without `Content-Length`, or one that ends early, panics in its connection's thread: the
/// program that sent it has no answer.
pub fn receive(answer: &'static str, take: impl Fn(Request) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("the listener is bound");
    let take = Arc::new(take);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let take = Arc::clone(&take);
            std::thread::spawn(move || serve(connection, answer, &*take));
        }
    });
    address
}

fn serve(connection: TcpStream, answer: &str, take: &impl Fn(Request)) {
    let mut reader = BufReader::new(connection.try_clone().expect("a socket can be shared"));
    let mut writer = connection;
    loop {
        let (mut line, mut headers) = (String::new(), String::new());
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        while reader.read_line(&mut headers).expect("headers are text") > 0
            && !headers.ends_with("\r\n\r\n")
            && headers != "\r\n"
        {}
        let headers = headers.to_lowercase();
        let length = headers.lines().find_map(|header| header.strip_prefix("content-length:"));
        let mut body = vec![0; length.and_then(|text| text.trim().parse().ok()).expect("a request has its length")];
        reader.read_exact(&mut body).expect("the body is whole");
        take(Request { line: line.trim().to_owned(), headers, body });
        writer.write_all(answer.as_bytes()).expect("the answer is read");
    }
}
