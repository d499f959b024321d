//! `POST /predict`, as text-embeddings-inference answers it.

use super::error::{ApiError, Body, ErrorType};
use super::{Api, company, text};
use crate::companies::Company;
use crate::engine::windows::Overflow;
use crate::{Request, TextScore};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// ```json
/// {"inputs": [["Northgate gains, Selby sinks", "Selby"], ["Markets close higher"]], "truncate": true, "raw_scores":
/// false}
/// ```
#[derive(Debug, Deserialize)]
pub struct PredictRequest {
    inputs: Inputs,
    /// Whether a text that is too long for the model is truncated; otherwise it is refused.
    #[serde(default)]
    truncate: Option<bool>,
    #[serde(default)]
    truncation_direction: Direction,
    /// Logits instead of probabilities.
    #[serde(default)]
    raw_scores: bool,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "inputs: expected a text, [text], [text, company] or a batch [[text], [text, company], ...]"
)]
enum Inputs {
    Text(String),
    Sequence(Vec<String>),
    Batch(Vec<Vec<String>>),
}

/// Which end of a text is cut off.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
enum Direction {
    #[serde(alias = "left")]
    Left,
    #[default]
    #[serde(alias = "right")]
    Right,
}

/// The classes of one text, the most likely first.
type Classes = Vec<Prediction>;

/// `{"score": 0.918, "label": "positive"}`
#[derive(Debug, Serialize)]
pub struct Prediction {
    score: f64,
    label: &'static str,
}

/// One list for one input, a list of lists for a batch.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Predictions {
    /// The answer to one input.
    Single(Classes),
    /// The answers to a batch.
    Batch(Vec<Classes>),
}

pub(super) async fn predict(
    State(api): State<Api>,
    Body(asked): Body<PredictRequest>,
) -> Result<Json<Predictions>, ApiError> {
    let overflow = match (asked.truncate, asked.truncation_direction) {
        (Some(true), Direction::Right) => Overflow::KeepStart,
        (Some(true), Direction::Left) => Overflow::KeepEnd,
        _ => Overflow::Refuse,
    };
    let request = |place: &str, sequence: Vec<String>| request(place, sequence, overflow);
    let (requests, is_batch) = match asked.inputs {
        Inputs::Text(text) => (vec![(request("inputs", vec![text])?)], false),
        Inputs::Sequence(sequence) => (vec![request("inputs", sequence)?], false),
        Inputs::Batch(batch) => {
            let requests =
                batch.into_iter().enumerate().map(|(at, sequence)| request(&format!("inputs[{at}]"), sequence));
            (requests.collect::<Result<_, _>>()?, true)
        }
    };
    let scores = api.score(requests, |at| if is_batch { format!("inputs[{at}]") } else { "inputs".into() }).await?;
    let mut classes = scores.iter().map(|scored| classes(scored, asked.raw_scores));
    Ok(Json(if is_batch {
        Predictions::Batch(classes.collect())
    } else {
        Predictions::Single(classes.next().expect("one input has one answer"))
    }))
}

fn request(place: &str, sequence: Vec<String>, overflow: Overflow) -> Result<Request, ApiError> {
    let count = sequence.len();
    let mut parts = sequence.into_iter();
    let (first, second) = match (parts.next(), parts.next(), count) {
        (Some(first), second, 1 | 2) => (first, second),
        (None, ..) => return Err(ApiError::new(ErrorType::Empty, format!("{place}: there is no text"))),
        _ => {
            let problem = format!("{place}: {count} strings; write a batch as [[text], [text, company], ...]");
            return Err(ApiError::invalid(StatusCode::UNPROCESSABLE_ENTITY, problem));
        }
    };
    let company = second.map(|name| company(place, name)).transpose()?.map(|name| Arc::new(Company::named(name)));
    Ok(Request { overflow, ..Request::new(text(place, &first)?, company) })
}

fn classes(scored: &TextScore, raw: bool) -> Classes {
    let probabilities = scored.probabilities;
    let [positive, neutral, negative] = match scored.logits.filter(|_| raw) {
        Some(logits) => logits.map(f64::from),
        None => [probabilities.positive, probabilities.neutral, probabilities.negative],
    };
    let mut classes = vec![
        Prediction { score: positive, label: "positive" },
        Prediction { score: neutral, label: "neutral" },
        Prediction { score: negative, label: "negative" },
    ];
    classes.sort_by(|a, b| b.score.total_cmp(&a.score));
    classes
}
