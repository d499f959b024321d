//! Answers of providers in which the bars are not a list of objects: each becomes rows.
//!
//! | shape | of |
//! |---|---|
//! | `{"Time Series (1min)": {"2025-05-12 09:30:00": {"1. open": ...}}}` | Alpha Vantage |
//! | `{"t": [...], "o": [...], "h": [...], "l": [...], "c": [...], "v": [...]}`, also of objects keyed by row | Finnhub, pandas |
//! | `{"columns": [...], "index": [...], "data": [[...]]}` | pandas |
//! | `{"bars": {"AAPL": [{"t": ..., "o": ...}]}}` | Alpaca |
//! | `{"chart": {"result": [{"timestamp": [...], "indicators": {"quote": [{...}]}}]}}` | Yahoo |

use crate::replay::values::quoted;
use std::sync::Arc;
use tapewire_formats::{Row, Value};

type Fields = Vec<(Arc<str>, Value)>;
type Object = [(String, Value)];

/// The rows of a row that holds several bars; `None` if it is a row of its own.
///
/// # Errors
/// Why the bars can't be told from each other.
pub(in crate::replay) fn rows_of(row: &Row) -> Result<Option<Vec<Row>>, String> {
    let own: Vec<(String, Value)> = match row.fields.iter().any(|(_, value)| is_nested(value)) {
        true => row.fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        false => return Ok(None),
    };
    let found = match by_time(&own).or_else(|| by_symbol(&own)) {
        Some(rows) => Some(rows),
        None => match split(&own)? {
            Some(rows) => Some(rows),
            None => chart(&own)?.map_or_else(|| columns(&own), |rows| Ok(Some(rows)))?,
        },
    };
    let to_row = |(at, fields): (usize, Fields)| {
        let row = Row { number: at as u64 + 1, raw: Vec::new(), fields };
        Row { raw: row.to_json().into_bytes(), ..row }
    };
    Ok(found.map(|rows| rows.into_iter().enumerate().map(to_row).collect()))
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Object(_))
}

fn field<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.iter().rfind(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn object<'a>(fields: &'a Object, name: &str) -> Option<&'a Object> {
    match field(fields, name)? {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn named(name: &str, value: Value) -> (Arc<str>, Value) {
    (name.into(), value)
}

fn shared(fields: &Object) -> Fields {
    fields.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect()
}

/// Alpha Vantage: an object of objects by time, and beside it an object with the symbol and the zone.
fn by_time(own: &Object) -> Option<Vec<Fields>> {
    let is_series = |(name, _): &&(String, Value)| name.contains("Time Series");
    let Some((_, Value::Object(series))) = own.iter().find(is_series) else { return None };
    let about = own.iter().find(|(name, _)| name == "Meta Data").map(|(_, value)| value);
    let said = |what: &str| match about {
        Some(Value::Object(about)) => about.iter().find_map(|(name, value)| match value {
            Value::Text(text) if name.ends_with(what) => Some(text.clone()),
            _ => None,
        }),
        _ => None,
    };
    let zone = said("Time Zone").filter(|zone| zone.contains('/') || zone == "UTC");
    // Of two currencies, neither is the symbol.
    let symbol = match (said("From Symbol"), said("To Symbol")) {
        (Some(from), Some(to)) => Some(format!("{from}{to}")),
        (None, None) => said("Symbol"),
        _ => None,
    };
    let row = |(time, values): &(String, Value)| {
        let Value::Object(values) = values else { return vec![named("start", Value::Text(time.clone()))] };
        let time = match &zone {
            Some(zone) if time.contains(':') => format!("{time} {zone}"),
            _ => time.clone(),
        };
        let mut fields = vec![named("start", Value::Text(time))];
        fields.extend(symbol.clone().map(|symbol| named("symbol", Value::Text(symbol))));
        fields.extend(shared(values));
        fields
    };
    Some(series.iter().map(row).collect())
}

/// Alpaca: lists of bars by symbol.
fn by_symbol(own: &Object) -> Option<Vec<Fields>> {
    let symbols = object(own, "bars")?;
    let mut rows = Vec::new();
    for (symbol, bars) in symbols {
        let Value::List(bars) = bars else { return None };
        for bar in bars {
            let Value::Object(bar) = bar else { return None };
            let mut fields = vec![named("symbol", Value::Text(symbol.clone()))];
            fields.extend(shared(bar));
            rows.push(fields);
        }
    }
    (!rows.is_empty()).then_some(rows)
}

/// The table of pandas with names, index and rows apart.
fn split(own: &Object) -> Result<Option<Vec<Fields>>, String> {
    let (Some(Value::List(names)), Some(Value::List(data))) = (field(own, "columns"), field(own, "data")) else {
        return Ok(None);
    };
    let names = names.iter().map(|name| match name {
        Value::Text(name) => Ok(name.as_str()),
        other => Err(format!("its `columns` has {}, which is no name", quoted(other))),
    });
    let names = names.collect::<Result<Vec<&str>, _>>()?;
    let index = match field(own, "index") {
        Some(Value::List(index)) if index.len() == data.len() => Some(index),
        _ => None,
    };
    let rows = data.iter().enumerate().map(|(at, values)| match values {
        Value::List(values) if values.len() == names.len() => {
            let mut fields: Fields = names.iter().zip(values).map(|(name, value)| named(name, value.clone())).collect();
            fields.extend(index.map(|index| named("", index[at].clone())));
            Ok(fields)
        }
        _ => Err(format!("row {} of its `data` does not have a value for each of its `columns`", at + 1)),
    });
    rows.collect::<Result<_, _>>().map(Some)
}

/// Yahoo's chart: times and prices in lists, several objects deep.
fn chart(own: &Object) -> Result<Option<Vec<Fields>>, String> {
    let Some(Value::List(results)) = object(own, "chart").and_then(|chart| field(chart, "result")) else {
        return Ok(None);
    };
    let mut rows = Vec::new();
    for result in results {
        let Value::Object(result) = result else { continue };
        let quote = object(result, "indicators").and_then(|indicators| field(indicators, "quote"));
        let Some(Value::List(quotes)) = quote else { continue };
        let (Some(Value::Object(prices)), Some(times)) = (quotes.first(), field(result, "timestamp")) else { continue };
        let mut columns_of = prices.clone();
        columns_of.push(("timestamp".into(), times.clone()));
        let symbol = object(result, "meta").and_then(|meta| field(meta, "symbol")).cloned();
        for mut fields in columns(&columns_of)?.unwrap_or_default() {
            fields.extend(symbol.clone().map(|symbol| named("symbol", symbol)));
            rows.push(fields);
        }
    }
    Ok(Some(rows))
}

/// A list for each column, as Finnhub has it, or an object by row for each column, as pandas writes a table.
fn columns(own: &Object) -> Result<Option<Vec<Fields>>, String> {
    let has_column = |names: [&str; 2]| {
        let values = names.iter().find_map(|name| own.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)));
        values.is_some_and(|(_, value)| is_nested(value))
    };
    if ![["o", "open"], ["h", "high"], ["l", "low"], ["c", "close"]].into_iter().all(has_column) {
        return Ok(None);
    }
    let mut rows: Vec<Fields> = Vec::new();
    let mut index: Option<Vec<String>> = None;
    for (name, values) in own {
        let values: Vec<&Value> = match values {
            Value::List(values) => values.iter().collect(),
            Value::Object(fields) => {
                let keys: Vec<String> = fields.iter().map(|(key, _)| key.clone()).collect();
                if *index.get_or_insert_with(|| keys.clone()) != keys {
                    return Err(format!("its columns have other rows in `{name}` than in the column before"));
                }
                fields.iter().map(|(_, value)| value).collect()
            }
            _ => continue,
        };
        if rows.is_empty() {
            rows = vec![Vec::new(); values.len()];
        }
        if rows.len() != values.len() {
            let (own, first) = (values.len(), rows.len());
            return Err(format!(
                "its columns are of different lengths: `{name}` has {own} values, and another {first}"
            ));
        }
        rows.iter_mut().zip(values).for_each(|(row, value)| row.push(named(name, value.clone())));
    }
    // The index of pandas is the time, if no column is.
    let is_time = |key: &String| key.len() > 8;
    if let Some(index) = index.filter(|index| index.iter().all(is_time)) {
        rows.iter_mut().zip(index).for_each(|(row, key)| row.push(named("", Value::Text(key))));
    }
    Ok(Some(rows))
}
