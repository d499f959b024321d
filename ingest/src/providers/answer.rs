//! Bodies of answers as providers should send them: in UTF-8, and JSON of which every item can be found.
//!
//! Both are done here for all providers, before any of them reads the answer. What is neither JSON nor XML stays as it is.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The deepest object in which a list with a broken item is looked for.
const MOST_DEPTH: usize = 16;

/// An item that is not JSON, as it stands in its list for the code that reads the list.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotJson {
    /// Why, in words.
    #[serde(rename = "tapewire: not JSON")]
    pub reason: String,
    /// The item as received.
    pub raw: String,
}

impl NotJson {
    /// The broken item that an item stands for, if it does.
    pub fn of(item: &str) -> Option<Self> {
        item.starts_with("{\"tapewire: not JSON\"").then(|| serde_json::from_str(item).ok())?
    }
}

/// The body of an answer with this `Content-Type`: in UTF-8 without a mark at its beginning, and with a [`NotJson`] in the
/// place of each item of a list that is not JSON, so that such an item costs only itself.
pub fn readable(body: Vec<u8>, content_type: &str) -> Vec<u8> {
    let converted = in_utf8(&body, content_type).and_then(|text| match text {
        Cow::Owned(text) => Some(text.into_bytes()),
        Cow::Borrowed(text) => (text.len() < body.len()).then(|| text.as_bytes().to_vec()),
    });
    let text = converted.unwrap_or(body);
    let is_json = text.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'['));
    if !is_json || serde_json::from_slice::<IgnoredAny>(&text).is_ok() {
        return text;
    }
    let repaired = std::str::from_utf8(&text).ok().and_then(|text| {
        let mut repaired = String::with_capacity(text.len());
        repair(text.trim(), &mut repaired, 0)?;
        Some(repaired)
    });
    repaired.map_or(text, String::into_bytes)
}

/// The text of a body of JSON or XML. `None` for anything else, and for XML whose encoding is in itself: `xml.rs` reads that.
///
/// JSON, and XML that declares nothing, are in UTF-8 if they can be read as that, for many servers name an encoding without
/// looking; otherwise in the encoding of `Content-Type`. Without one, each byte that is not UTF-8 is read as Windows-1252.
fn in_utf8<'a>(body: &'a [u8], content_type: &str) -> Option<Cow<'a, str>> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        let (text, _) = encoding.decode_without_bom_handling(&body[mark..]);
        return Some(text).filter(|text| text.trim_start().starts_with(['{', '[']));
    }
    let start = body.trim_ascii_start();
    match start.first()? {
        b'{' | b'[' => {}
        b'<' if !declares_encoding(start) => {}
        _ => return None,
    }
    let label = content_type.split(';').skip(1).find_map(|part| part.trim().strip_prefix("charset="));
    let named = label.and_then(|label| Encoding::for_label_no_replacement(label.trim_matches(['"', '\'']).as_bytes()));
    match (std::str::from_utf8(body), named) {
        (Ok(text), named) if named.is_none_or(Encoding::is_ascii_compatible) => Some(Cow::Borrowed(text)),
        (_, Some(named)) if named != UTF_8 => Some(named.decode_without_bom_handling(body).0),
        _ => Some(Cow::Owned(mixed(body))),
    }
}

fn declares_encoding(xml: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&xml[..xml.len().min(200)]).into_owned();
    head.starts_with("<?xml") && head.split("?>").next().is_some_and(|declaration| declaration.contains("encoding"))
}

fn mixed(body: &[u8]) -> String {
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.push_str(&WINDOWS_1252.decode_without_bom_handling(chunk.invalid()).0);
    }
    text
}

/// Writes `value` with a [`NotJson`] for each element of its outermost lists that is not JSON. `None` if that does not make it
/// JSON: it is cut, or what is broken is not in a list.
fn repair(value: &str, out: &mut String, depth: usize) -> Option<()> {
    if serde_json::from_str::<&RawValue>(value).is_ok() {
        out.push_str(value);
        return Some(());
    }
    let is_list = value.starts_with('[');
    if depth > MOST_DEPTH || !is_list && !value.starts_with('{') {
        return None;
    }
    let (bytes, mut at) = (value.as_bytes(), 1);
    out.push_str(&value[..1]);
    loop {
        if !is_list {
            let name = span(value, at)?;
            serde_json::from_str::<&RawValue>(name.1).ok().filter(|name| name.get().starts_with('"'))?;
            at = skip_white(bytes, name.0);
            (bytes.get(at) == Some(&b':')).then_some(())?;
            at += 1;
            out.push_str(name.1);
            out.push(':');
        }
        let (end, element) = span(value, at)?;
        match (is_list, serde_json::from_str::<&RawValue>(element)) {
            (true, Err(error)) => {
                let broken = NotJson { reason: format!("not JSON: {error}"), raw: element.to_owned() };
                out.push_str(&serde_json::to_string(&broken).ok()?);
            }
            (_, Ok(_)) => out.push_str(element),
            (false, Err(_)) => repair(element, out, depth + 1)?,
        }
        at = skip_white(bytes, end);
        let next = *bytes.get(at)?;
        at += 1;
        out.push(char::from(next));
        match next {
            b',' => {}
            b']' if is_list => break,
            b'}' if !is_list => break,
            _ => return None,
        }
    }
    (at == bytes.len()).then_some(())
}

fn skip_white(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The value that begins at `from` or after white space there, and where it ends. Only quotes and brackets count.
fn span(text: &str, from: usize) -> Option<(usize, &str)> {
    let bytes = text.as_bytes();
    let start = skip_white(bytes, from);
    let (mut at, mut open) = (start, Vec::new());
    loop {
        match *bytes.get(at)? {
            b'"' => {
                at += 1;
                while *bytes.get(at)? != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            // The end of the list or object that the value, a word or a number, is in.
            b',' | b'}' | b']' if open.is_empty() => return (at > start).then(|| (at, text[start..at].trim_end())),
            close @ (b'}' | b']') => (open.pop() == Some(close)).then_some(())?,
            _ => {}
        }
        at += 1;
        if open.is_empty() && matches!(bytes[at - 1], b'"' | b'}' | b']') {
            return Some((at, &text[start..at]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &[u8], content_type: &str) -> String {
        String::from_utf8(readable(body.to_vec(), content_type)).unwrap()
    }

    #[test]
    fn text_in_another_encoding_is_read_in_it() {
        let expected = "{\"title\":\"Soci\u{e9}t\u{e9} \u{20ac}\"}";
        assert_eq!(
            text(expected.as_bytes(), "application/json; charset=ISO-8859-1"),
            expected,
            "it is UTF-8 all the same"
        );
        assert_eq!(text(&[b"\xef\xbb\xbf", expected.as_bytes()].concat(), ""), expected);
        let wide: Vec<u8> =
            "\u{feff}".encode_utf16().chain(expected.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&wide, "application/json"), expected);
        let latin = b"{\"title\":\"Soci\xe9t\xe9 \x80\"}";
        for content_type in
            ["", "application/json", "application/json;charset=utf-8", "text/json; charset=\"iso-8859-1\""]
        {
            assert_eq!(text(latin, content_type), expected, "{content_type}");
        }
        assert_eq!(
            text(b"{\"a\":\"\xcf\xf0\xe8\"}", "application/json; charset=windows-1251"),
            "{\"a\":\"\u{41f}\u{440}\u{438}\"}"
        );
        let both = [b"{\"a\":\"\xe9 ", "\u{4e2d}\"}".as_bytes()].concat();
        assert_eq!(text(&both, ""), "{\"a\":\"\u{e9} \u{4e2d}\"}", "one bad byte does not spoil the rest");
    }

    #[test]
    fn xml_has_the_encoding_of_its_declaration_or_else_of_the_header() {
        let feed = b"<rss><title>\xcf\xf0\xe8</title></rss>";
        assert_eq!(text(feed, "text/xml; charset=windows-1251"), "<rss><title>\u{41f}\u{440}\u{438}</title></rss>");
        for kept in [
            &b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><rss>\xe9</rss>"[..],
            b"\xef\xbb\xbf<rss/>",
            b"\x1f\x8b\xff",
        ] {
            assert_eq!(readable(kept.to_vec(), "text/xml; charset=windows-1251"), kept);
        }
    }

    #[test]
    fn an_item_that_is_not_json_stands_alone() {
        let broken = ["{\"id\":2,\"title\":\"a\u{1}b, \\\"]\"}", "{\"id\": NaN}", "{\"id\":4,\"t\":[1,,2]}"];
        let body = format!("{{\"data\": {{\"list\": [{{\"id\":1}}, {}]}} , \"next\": null}}\n", broken.join(" ,"));
        let answer: serde_json::Value = serde_json::from_slice(&readable(body.into_bytes(), "")).unwrap();
        assert!(answer["next"].is_null());
        let list = answer["data"]["list"].as_array().unwrap();
        assert_eq!(list[0]["id"], 1);
        for (item, raw) in list[1..].iter().zip(broken) {
            let found: NotJson = serde_json::from_value(item.clone()).unwrap();
            assert!(found.raw == raw && found.reason.starts_with("not JSON: "), "{found:?}");
        }
        assert_eq!(list.len(), 4);
    }

    #[test]
    fn what_is_cut_or_broken_outside_of_a_list_stays_as_it_is() {
        for body in [
            "{\"data\":[{\"id\":1},{\"id\":",
            "{\"count\":NaN}",
            "[1,2",
            "{\"a\":[1 2]",
            "{]",
            "[1],",
            "{\"a\" 1}",
            "[",
            "{",
        ] {
            assert_eq!(text(body.as_bytes(), ""), body);
        }
    }
}
