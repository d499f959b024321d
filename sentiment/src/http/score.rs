//! `POST /v1/score`: the sentiment of texts towards companies.

use super::error::{ApiError, Body, ErrorType};
use super::{Api, company, text};
use crate::companies::Company;
use crate::{Request, TextScore};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tapewire_core::{Probabilities, ticker};

/// ```json
/// {"inputs": [{"text": "Apple gains as Microsoft slips", "companies": ["AAPL", "Microsoft"]}, {"text": "Markets close
/// higher"}]}
/// ```
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreRequest {
    inputs: Vec<ScoreInput>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScoreInput {
    text: String,
    /// Tickers, names or aliases; without any, the text is scored as a whole.
    #[serde(default)]
    companies: Vec<String>,
}

/// `results` has a list for each input, with one score for each of its companies, in their order.
///
/// ```json
/// {"model": "tapewire-e5-sentiment", "revision": "2ac0...", "results": [[
///  {"company": "Apple", "symbol": "AAPL", "asked_as": "Apple", "score": 0.884111, "label": "positive",
///   "probabilities": {"positive": 0.902011, "neutral": 0.080089, "negative": 0.0179}, "windows": 1}]]}
/// ```
#[derive(Debug, Serialize)]
pub struct ScoreResponse {
    model: String,
    revision: String,
    results: Vec<Vec<CompanyScore>>,
}

#[derive(Debug, Serialize)]
struct CompanyScore {
    /// Its name in the table of companies, otherwise as given; `null` if the input names no company.
    company: Option<String>,
    /// `null` if the tables of companies do not have it.
    symbol: Option<String>,
    /// The name by which the model was asked. `null` if no name of the company is known and the text does not mark its
    /// ticker; the text was then scored as a whole.
    asked_as: Option<String>,
    probabilities: Probabilities,
    /// p(positive) - p(negative)
    score: f64,
    label: &'static str,
    windows: u16,
}

pub(super) async fn score(
    State(api): State<Api>,
    Body(asked): Body<ScoreRequest>,
) -> Result<Json<ScoreResponse>, ApiError> {
    if asked.inputs.is_empty() {
        return Err(ApiError::new(ErrorType::Empty, "inputs: there is no text"));
    }
    // Before the texts are searched for the names, which takes long where both are long.
    api.check_batch(asked.inputs.iter().map(|input| input.companies.len().max(1)).sum())?;
    let mut requests = Vec::new();
    // The index of each request's input.
    let mut owners = Vec::new();
    for (at, input) in asked.inputs.into_iter().enumerate() {
        let of_input = requests_of(&format!("inputs[{at}]"), input, &api)?;
        owners.extend(of_input.iter().map(|_| at));
        requests.extend(of_input);
    }
    let asked: Vec<(Option<Arc<Company>>, Option<String>)> = requests.iter().map(company_and_name).collect();
    let scores = api.score(requests, |at| format!("inputs[{}]", owners[at])).await?;
    let mut results: Vec<Vec<CompanyScore>> = Vec::new();
    for ((owner, (company, asked_as)), scored) in owners.into_iter().zip(asked).zip(scores) {
        results.resize_with(owner + 1, Vec::new);
        results[owner].push(CompanyScore::new(company.as_deref(), asked_as, &scored));
    }
    let engine = api.queue.engine();
    Ok(Json(ScoreResponse { model: engine.name().to_owned(), revision: engine.revision().to_owned(), results }))
}

fn requests_of(place: &str, input: ScoreInput, api: &Api) -> Result<Vec<Request>, ApiError> {
    let text: Arc<str> = text(place, &input.text)?.into();
    if input.companies.is_empty() {
        return Ok(vec![Request::new(text, None)]);
    }
    let request = |(at, word)| {
        let place = format!("{place}.companies[{at}]");
        let word = company(&place, word)?;
        // An ISIN or CUSIP is not a name that a text could have.
        if let Err(reason) = ticker::decorated(&word) {
            return Err(ApiError::invalid(StatusCode::UNPROCESSABLE_ENTITY, format!("{place}: {reason}")));
        }
        if let Some(names) = api.companies.several(&word) {
            let problem = format!(
                "{place}: it names several companies ({}); give each as a company of its own",
                names.join(", ")
            );
            return Err(ApiError::invalid(StatusCode::UNPROCESSABLE_ENTITY, problem));
        }
        Ok(Request::new(Arc::clone(&text), Some(api.companies.find(&word))))
    };
    input.companies.into_iter().enumerate().map(request).collect()
}

/// The company of a request, and the name by which the model is asked about it.
fn company_and_name(Request { text, company, .. }: &Request) -> (Option<Arc<Company>>, Option<String>) {
    let name = company.as_deref().and_then(|company| company.name_in(text)).map(str::to_owned);
    (company.clone(), name)
}

impl CompanyScore {
    fn new(company: Option<&Company>, asked_as: Option<String>, scored: &TextScore) -> Self {
        Self {
            asked_as,
            company: company.map(|company| company.name().to_owned()),
            symbol: company.and_then(|company| Some(company.symbol()?.to_string())),
            probabilities: scored.probabilities,
            // Probabilities are multiples of 1e-6, so their difference is too.
            score: (scored.probabilities.score() * 1e6).round() / 1e6,
            label: scored.probabilities.label(),
            windows: scored.windows,
        }
    }
}
