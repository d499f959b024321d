//! A webhook that takes every alert.

use std::sync::{Arc, Mutex};

/// The webhook. It runs until the test ends.
pub struct Webhook {
    pub url: String,
    subjects: Arc<Mutex<Vec<String>>>,
}

impl Webhook {
    pub fn start() -> Self {
        let subjects = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&subjects);
        let address = tapewire_testkit::receive("HTTP/1.1 204 No Content\r\n\r\n", move |request| {
            let alert: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            kept.lock().unwrap().push(alert["subject"].as_str().unwrap().to_owned());
        });
        Self { url: format!("http://{address}/alerts"), subjects }
    }

    /// What the alerts so far are about, in the order in which they came.
    pub fn subjects(&self) -> Vec<String> {
        self.subjects.lock().unwrap().clone()
    }
}
