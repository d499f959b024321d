//! The simulated provider's REST interface, with the real provider's parameters and answers.

use super::Simulator;
use super::history::{aggregate, fold};
use super::stories::Story;
use super::tape::instruments;
use super::truth::Truth;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Parameters of `GET /v2/reference/news`, from the URL or from a cursor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct NewsQuery {
    ticker: Option<String>,
    #[serde(rename = "published_utc.gt")]
    gt: Option<String>,
    #[serde(rename = "published_utc.gte")]
    gte: Option<String>,
    #[serde(rename = "published_utc.lt")]
    lt: Option<String>,
    #[serde(rename = "published_utc.lte")]
    lte: Option<String>,
    order: Option<String>,
    sort: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
    /// Last article of the page before: publication and id.
    after: Option<(Timestamp, String)>,
}

/// Why a request is refused.
pub(super) enum Refusal {
    Unauthorized,
    RateLimited,
    ErrorBody,
    BadRequest(String),
    NotFound(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = |words: &str| Json(json!({"status": "ERROR", "request_id": "simulated", "error": words}));
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, error("Unknown API Key")).into_response(),
            Self::RateLimited => (
                StatusCode::TOO_MANY_REQUESTS,
                [("retry-after", "1")],
                error("You've exceeded the maximum requests per minute."),
            )
                .into_response(),
            Self::ErrorBody => error("simulated failure behind HTTP 200").into_response(),
            Self::BadRequest(words) => (StatusCode::BAD_REQUEST, error(&words)).into_response(),
            Self::NotFound(words) => {
                let body = json!({"status": "NOT_FOUND", "request_id": "simulated", "message": words});
                (StatusCode::NOT_FOUND, Json(body)).into_response()
            }
        }
    }
}

pub(super) async fn news(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Query(mut query): Query<NewsQuery>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    if let Some(cursor) = &query.cursor {
        query = read_cursor(cursor)?;
    }
    let page = Page::of(&query)?;
    let now = simulator.now();
    let market = simulator.market();
    let visible = market.stories().iter().filter(|story| story.visible_at <= now && page.wants(story));
    let ordered: Vec<&Story> = if page.descending { visible.rev().collect() } else { visible.collect() };
    let shown = &ordered[..ordered.len().min(page.limit)];
    let mut results = Vec::with_capacity(shown.len());
    let every = simulator.config().faults.malformed_article_every;
    for (number, story) in shown.iter().enumerate() {
        results.push(article(story, now));
        if every > 0 && (number + 1) % every == 0 {
            results
                .push(json!({"id": number, "title": ["this", "is no headline"], "published_utc": story.published_at}));
        }
    }
    let mut body = json!({"status": "OK", "request_id": "simulated", "count": results.len(), "results": results});
    if let Some(last) = shown.last().filter(|_| ordered.len() > shown.len()) {
        let next = NewsQuery { after: Some((last.published_at, last.id.clone())), cursor: None, ..query };
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        body["next_url"] = json!(format!("http://{host}/v2/reference/news?cursor={}", write_cursor(&next)));
    }
    Ok(Json(body))
}

/// `GET /v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}`: bars of minutes, of hours, and of a day.
pub(super) async fn aggregates(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    uri: Uri,
    Path((ticker, multiplier, timespan, from, to)): Path<(String, String, String, String, String)>,
    Query(query): Query<AggregatesQuery>,
) -> Result<Json<Value>, Refusal> {
    simulator.admit(&headers)?;
    let multiplier = multiplier.parse().map_err(|_| Refusal::BadRequest("bad multiplier".into()))?;
    let (from, to) = (range_end(&from, false)?, range_end(&to, true)?);
    let limit = query.limit.unwrap_or(5000).clamp(1, 50_000);
    let bars = match instruments().position(|company| company.symbol == ticker) {
        Some(instrument) => simulator.market().bars(instrument, from, to, simulator.now()),
        None => Vec::new(),
    };
    let mut bars = fold(&bars, multiplier, &timespan)?;
    let is_descending = query.sort.as_deref() == Some("desc");
    if is_descending {
        bars.reverse();
    }
    let shown = &bars[..bars.len().min(limit)];
    let mut body = json!({
        "ticker": ticker, "queryCount": shown.len(), "resultsCount": shown.len(), "adjusted": false, "status": "OK",
        "request_id": "simulated", "count": shown.len(),
    });
    // The provider leaves `results` out where there are none.
    if !shown.is_empty() {
        body["results"] = shown.iter().map(aggregate).collect();
    }
    if let Some(next) = bars.get(limit) {
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let path = uri.path().rsplitn(3, '/').last().unwrap_or_default();
        let (from, to, sort) = match is_descending {
            // The bar that is next, to its last minute.
            true => (from, shown.last().map_or(to, |last| last.start - SignedDuration::from_millis(1)), "desc"),
            false => (next.start, to, "asc"),
        };
        let (from, to) = (from.as_millisecond(), to.as_millisecond());
        body["next_url"] = json!(format!("http://{host}{path}/{from}/{to}?limit={limit}&sort={sort}"));
    }
    Ok(Json(body))
}

/// Parameters of [`aggregates`].
#[derive(Debug, Deserialize)]
pub(super) struct AggregatesQuery {
    limit: Option<usize>,
    sort: Option<String>,
}

/// `GET /sim/truth`: what was planted so far. The real provider has no such path.
pub(super) async fn truth(State(simulator): State<Simulator>) -> Json<Vec<Truth>> {
    Json(simulator.truth())
}

/// A news query, checked.
struct Page {
    ticker: Option<String>,
    from: Timestamp,
    from_excluded: bool,
    to: Timestamp,
    to_excluded: bool,
    descending: bool,
    limit: usize,
    after: Option<(Timestamp, String)>,
}

impl Page {
    fn of(query: &NewsQuery) -> Result<Self, Refusal> {
        if query.sort.as_deref().is_some_and(|sort| sort != "published_utc") {
            return Err(Refusal::BadRequest("sort must be published_utc".into()));
        }
        let limit =
            query.limit.as_deref().map_or(Ok(10), str::parse).map_err(|_| Refusal::BadRequest("bad limit".into()))?;
        if !(1..=1000).contains(&limit) {
            return Err(Refusal::BadRequest("limit must be within 1 and 1000".into()));
        }
        let time = |given: &Option<String>| given.as_deref().map(|text| range_end(text, false)).transpose();
        Ok(Self {
            ticker: query.ticker.clone(),
            from: time(&query.gt)?.or(time(&query.gte)?).unwrap_or(Timestamp::MIN),
            from_excluded: query.gt.is_some(),
            to: time(&query.lt)?.or(time(&query.lte)?).unwrap_or(Timestamp::MAX),
            to_excluded: query.lt.is_some(),
            // Newest first unless asked otherwise, as the provider does.
            descending: query.order.as_deref() != Some("asc"),
            limit,
            after: query.after.clone(),
        })
    }

    fn wants(&self, story: &Story) -> bool {
        let at = story.published_at;
        let later = if self.from_excluded { at > self.from } else { at >= self.from };
        let earlier = if self.to_excluded { at < self.to } else { at <= self.to };
        let of_ticker = self.ticker.as_deref().is_none_or(|ticker| story.tickers.contains(&ticker));
        let not_shown = self.after.as_ref().is_none_or(|(last, id)| {
            let (this, last) = ((at, story.id.as_str()), (*last, id.as_str()));
            if self.descending { this < last } else { this > last }
        });
        later && earlier && of_ticker && not_shown
    }
}

/// Unix milliseconds, an RFC 3339 moment, or a day in New York: its beginning, or its last moment.
pub(super) fn range_end(text: &str, end_of_day: bool) -> Result<Timestamp, Refusal> {
    let bad = || Refusal::BadRequest(format!("`{text}` is not a time"));
    if let Ok(ms) = text.parse::<i64>() {
        return Timestamp::from_millisecond(ms).map_err(|_| bad());
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && !text.contains('T')
    {
        let (hour, minute) = if end_of_day { (23, 59) } else { (0, 0) };
        return Ok(super::sessions::at(date, hour, minute));
    }
    text.parse().map_err(|_| bad())
}

fn article(story: &Story, now: Timestamp) -> Value {
    let mut article = json!({
        "id": story.id,
        "publisher": {"name": story.publisher, "homepage_url": "http://simulator.invalid/"},
        "title": story.title,
        "published_utc": story.published_at,
        "article_url": format!("http://simulator.invalid/{}", story.id),
        "tickers": story.tickers,
        "keywords": ["simulated"],
    });
    if let Some(author) = story.author {
        article["author"] = json!(author);
    }
    let edited = story.edit.as_ref().filter(|(at, _)| *at <= now).map(|(_, description)| description);
    if let Some(description) = edited.or(story.description.as_ref()) {
        article["description"] = json!(description);
    }
    article
}

/// A cursor holds the parameters of the request for its page.
pub(super) fn write_cursor(query: &impl Serialize) -> String {
    hex::encode(serde_json::to_vec(query).expect("a query is strings"))
}

/// The parameters that a cursor holds.
///
/// # Errors
/// [`Refusal::BadRequest`] if it is not one of ours.
pub(super) fn read_cursor<Query: DeserializeOwned>(cursor: &str) -> Result<Query, Refusal> {
    let read = hex::decode(cursor).ok().and_then(|text| serde_json::from_slice(&text).ok());
    read.ok_or_else(|| Refusal::BadRequest("bad cursor".into()))
}
