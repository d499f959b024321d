//! Prices and volumes.

use super::{is_missing, quoted, quoted_text};
use tapewire_formats::{Row, Value};

/// Reads a number; `None` if the value says that it is missing. A comma divides thousands only where it can't be a
/// decimal mark: in `1,918,517`, in `1,002.00`, and in `12,300` if `point` is true, which means that another number of
/// the row has a decimal point.
///
/// # Errors
/// Why the value is not a number, or may be one of two. The reason quotes the value.
pub fn number(value: &Value, point: bool) -> Result<Option<f64>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::Text(text) if is_missing(text) => return Ok(None),
        Value::Text(text) | Value::Number(text) => text.trim(),
        _ => return Err(format!("{} is not a number", quoted(value))),
    };
    if matches!(value, Value::Number(_)) && is_missing(text) {
        return Ok(None);
    }
    let plain = without_thousands(dollars(text), point).map_err(|why| format!("{} {why}", quoted_text(text)))?;
    let number = plain.parse::<f64>().ok().filter(|number| number.is_finite());
    if number.is_some_and(is_undefined) {
        return Err(format!("{} is Databento's mark for an undefined price", quoted_text(text)));
    }
    number.map(Some).ok_or_else(|| format!("{} is too large for a number", quoted_text(text)))
}

/// Whether a number is the largest of 64 bits, or that many billionths: where Databento has no price, it writes one of these.
fn is_undefined(number: f64) -> bool {
    const LARGEST: f64 = i64::MAX as f64;
    number == LARGEST || (number - LARGEST / 1e9).abs() < 1e-5
}

/// Whether a value is a number whose point can only be a decimal mark: `194.5`, `1002.125` and `1,002.000` are;
/// `12.300` is not, because it is twelve thousand in some countries.
pub fn shows_decimal_point(value: &Value) -> bool {
    let (Value::Text(text) | Value::Number(text)) = value else { return false };
    let text = dollars(text.trim()).trim_start_matches(['-', '+']);
    let Some((whole, fraction)) = text.split_once('.') else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(fraction) {
        return false;
    }
    let grouped = whole.contains(',') && groups(whole, ',').is_some();
    grouped || digits(whole) && (fraction.len() != 3 || whole.len() > 3 || whole.starts_with('0'))
}

/// The number without a mark for US dollars before or after it.
fn dollars(text: &str) -> &str {
    let bare = ["US$", "USD", "$"].into_iter().find_map(|mark| text.strip_prefix(mark));
    let bare = bare.or_else(|| ["USD", "$"].into_iter().find_map(|mark| text.strip_suffix(mark)));
    bare.map_or(text, str::trim)
}

fn without_thousands(text: &str, point: bool) -> Result<String, &'static str> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (&text[..1], digits),
        None => ("", text),
    };
    if is_plain(digits) {
        return Ok(text.to_owned());
    }
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let fraction = match fraction {
        Some(fraction) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => fraction,
        None => "",
        Some(_) => return Err(why_not(digits)),
    };
    for (mark, is_certain) in [
        (',', point),
        (' ', true),
        ('\u{a0}', true),
        ('\u{202f}', true),
        ('\u{2009}', true),
        ('\'', true),
        ('\u{2019}', true),
    ] {
        if let Some((joined, marks)) = groups(whole, mark) {
            return match is_certain || marks > 1 || !fraction.is_empty() {
                true => Ok(format!("{sign}{joined}.{fraction}0")),
                false => Err("may be thousands or have a decimal comma; write it without the comma"),
            };
        }
    }
    Err(why_not(digits))
}

/// Whether a text is digits with at most one point and an exponent.
fn is_plain(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_exponent = |text: &str| {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        !text.is_empty() && digits(text)
    };
    digits(whole)
        && digits(fraction)
        && mantissa.len() > mantissa.matches('.').count()
        && exponent.is_none_or(is_exponent)
}

/// The digits of `1,918,517` without the marks, and how many there are; `None` if these are not groups of three.
fn groups(whole: &str, mark: char) -> Option<(String, usize)> {
    let mut parts = whole.split(mark);
    let first = parts.next()?;
    let digits = |part: &str, count: std::ops::RangeInclusive<usize>| {
        count.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    // The comma of `0,500` is a decimal mark.
    if !digits(first, 1..=3) || first.starts_with('0') || !parts.clone().all(|part| digits(part, 3..=3)) {
        return None;
    }
    let marks = parts.count();
    (marks > 0).then(|| (whole.replace(mark, ""), marks))
}

fn why_not(digits: &str) -> &'static str {
    let comma_last = digits.rfind(',') > digits.rfind('.') && digits.matches(',').count() == 1;
    let numeric = |c: char| c.is_ascii_digit() || ",.".contains(c);
    if comma_last && digits.chars().all(|c| numeric(c) || c.is_whitespace()) {
        "has a decimal comma; write it with a point, as 1234.56"
    } else if !digits.is_empty() && digits.chars().all(numeric) {
        "has marks that do not divide groups of three digits; write it without them"
    } else if digits.starts_with(|c: char| c.is_ascii_digit()) && digits.ends_with(['K', 'M', 'B', 'k', 'm', 'b']) {
        "is rounded to a unit; write all its digits"
    } else if digits.contains(['€', '£', '¥', '₹']) {
        "is not in US dollars"
    } else {
        "is not a number"
    }
}

/// Whether a row is one of Databento, which counts prices in billionths, with these prices.
pub fn is_in_billionths(row: &Row, prices: &[&Value]) -> bool {
    let is_whole = |value: &&Value| match value {
        Value::Text(text) | Value::Number(text) => {
            !text.trim().is_empty() && text.trim().bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    };
    is_of_databento(row) && prices.iter().all(is_whole)
}

/// Whether a row has the columns of Databento's records.
pub fn is_of_databento(row: &Row) -> bool {
    ["rtype", "publisher_id", "instrument_id"].into_iter().all(|name| row.get(name).is_some())
}
