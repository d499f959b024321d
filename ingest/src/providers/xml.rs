//! Feeds of news as XML: RSS and Atom, taken apart into items before any of them is read.
//!
//! An item is found by its tags alone and parsed by itself, so one with a fault costs only itself. Real feeds have bare
//! `&`, entities of HTML, and other encodings than they should.

use super::items::{ItemResult, check_size};
use super::{Page, ProviderError, Reject};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_html5_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use std::borrow::Cow;
use tapewire_core::text::markup::divides_words;

/// What the outermost element of a feed may be called: RSS 2.0, Atom, RSS 1.0.
const ROOTS: [&str; 3] = ["rss", "feed", "rdf:RDF"];

/// What an item of a feed may be called.
const ITEMS: [&str; 2] = ["item", "entry"];

/// Elements of Atom that are made of others, and the one whose text counts. In RSS they have a text and no elements.
const STRUCTURED: [(&str, &str); 3] = [("author", "name"), ("contributor", "name"), ("source", "title")];

/// An element directly below an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name as written, with its prefix: `dc:creator`.
    pub name: String,
    /// Attributes as written, without entities.
    pub attributes: Vec<(String, String)>,
    /// Text of the element and all in it, without surrounding white space. Of a person in Atom, the name; of a source, the
    /// title.
    pub text: String,
}

impl Field {
    /// The value of an attribute; empty if it is missing.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }
}

/// An item of a feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item(pub Vec<Field>);

impl Item {
    /// Parses one `<item>…</item>`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(raw);
        reader.config_mut().allow_dangling_amp = true;
        let (mut fields, mut open): (Vec<Field>, Vec<String>) = (Vec::new(), Vec::new());
        loop {
            let event = reader.read_event().map_err(|error| format!("not well-formed XML: {error}"))?;
            match event {
                Event::Start(start) => {
                    begin(&mut fields, &open, &start)?;
                    open.push(name(start.name().as_ref()));
                }
                Event::Empty(start) => begin(&mut fields, &open, &start)?,
                Event::End(end) => {
                    separate(&mut fields, &open, &name(end.name().as_ref()));
                    open.pop();
                }
                Event::Text(text) => append(&mut fields, &open, &text.decode().map_err(said)?),
                Event::CData(text) => append(&mut fields, &open, &text.decode().map_err(said)?),
                Event::GeneralRef(entity) => append(&mut fields, &open, &resolved(&entity)?),
                Event::Eof if !open.is_empty() => return Err("not well-formed XML: it has no end".into()),
                Event::Eof => break,
                _ => {}
            }
        }
        for field in &mut fields {
            field.text = field.text.trim().to_owned();
        }
        Ok(Self(fields))
    }

    /// The text of the first field of this name that has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().filter(|field| field.name == name).map(|field| field.text.as_str()).find(|text| !text.is_empty())
    }

    /// The text of the first of these names that has one.
    pub fn any_text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.text(name))
    }

    /// All fields of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.0.iter().filter(move |field| field.name == name)
    }
}

fn field(start: &BytesStart<'_>) -> Result<Field, String> {
    let mut attributes = Vec::new();
    let mut written = start.attributes();
    // An attribute that is there twice costs nothing else.
    written.with_checks(false);
    for attribute in written.flatten() {
        let as_written = || String::from_utf8_lossy(&attribute.value).into_owned();
        // A bare `&`, as in many addresses.
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_or_else(|_| as_written(), Cow::into_owned);
        attributes.push((name(attribute.key.as_ref()), value));
    }
    Ok(Field { name: name(start.name().as_ref()), attributes, text: String::new() })
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An element begins below those that are `open`, of which the first is the item.
fn begin(fields: &mut Vec<Field>, open: &[String], start: &BytesStart<'_>) -> Result<(), String> {
    match open.len() {
        0 => {}
        1 => fields.push(field(start)?),
        _ => separate(fields, open, &name(start.name().as_ref())),
    }
    Ok(())
}

/// Adds a text within the elements that are `open`, unless it is a part that does not count.
fn append(fields: &mut [Field], open: &[String], text: &str) {
    let Some(field) = fields.last_mut().filter(|_| open.len() > 1) else { return };
    let counts = STRUCTURED.iter().find(|(own, _)| *own == plain(&field.name)).map(|(_, counts)| *counts);
    if counts.zip(open.get(2)).is_none_or(|(counts, part)| plain(part) == counts) {
        field.text.push_str(text);
    }
}

/// Adds a space where an element of this name begins or ends within a text, if it divides words.
fn separate(fields: &mut [Field], open: &[String], element: &str) {
    let Some(field) = fields.last_mut().filter(|_| open.len() > 1) else { return };
    if divides_words(plain(element)) && field.text.ends_with(|last: char| !last.is_whitespace()) {
        field.text.push(' ');
    }
}

/// A name without its prefix.
fn plain(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, plain)| plain)
}

/// What a reference stands for. One that is not known stays as it is written.
fn resolved(entity: &BytesRef<'_>) -> Result<String, String> {
    match entity.resolve_char_ref() {
        Ok(Some(character)) => return Ok(character.to_string()),
        Ok(None) => {}
        // Half of a pair of UTF-16, and the like.
        Err(_) => return Ok(char::REPLACEMENT_CHARACTER.to_string()),
    }
    let name = entity.decode().map_err(said)?;
    Ok(resolve_html5_entity(&name).map_or_else(|| format!("&{name};"), str::to_owned))
}

fn said(error: impl std::fmt::Display) -> String {
    format!("not well-formed XML: {error}")
}

/// A feed as text, and its items as they are written.
pub struct Feed<'a> {
    text: Cow<'a, str>,
    items: Vec<std::ops::Range<usize>>,
}

/// A feed that holds only this item, to read the item again.
pub fn feed_of(item: &str) -> Vec<u8> {
    format!("<feed>{item}</feed>").into_bytes()
}

impl<'a> Feed<'a> {
    /// Decodes a feed and finds its items.
    ///
    /// # Errors
    /// [`ProviderError::Unreadable`] if it is not a feed, or only the first part of one.
    pub fn new(provider: &str, path: &str, body: &'a [u8]) -> Result<Self, ProviderError> {
        let text = decode(body);
        let items = split(&text).map_err(|reason| ProviderError::unreadable(provider, path, reason))?;
        Ok(Self { text, items })
    }

    /// What is before the first item.
    fn head(&self) -> &str {
        &self.text[..self.items.first().map_or(self.text.len(), |first| first.start)]
    }

    /// What relative addresses of its items are relative to, where the feed says it.
    pub fn base(&self) -> Option<String> {
        let written = self.head().split_once("xml:base=").map(|(_, rest)| rest);
        let written = written.and_then(|rest| rest.split(['"', '\'']).nth(1)).map(str::to_owned);
        written.filter(|base| base.contains("://")).or_else(|| self.site())
    }

    /// The page that the feed names for itself: `<link>` of the channel, before its items.
    pub fn site(&self) -> Option<String> {
        let (_, rest) = self.head().split_once("<link>")?;
        let (link, _) = rest.split_once("</link>")?;
        Some(link.trim().to_owned()).filter(|link| !link.is_empty())
    }

    /// The items as they are written, in the feed's order.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|range| &self.text[range.clone()])
    }

    /// Reads the items one by one, as [`Page::read`]. `None` is an item that is not wanted.
    pub fn page<T>(&self, origin: &str, read: impl Fn(&Item) -> ItemResult<Option<T>>) -> Page<T> {
        let mut page = Page { items: Vec::new(), rejects: Vec::new(), origin: origin.to_owned(), next: None };
        for raw in self.items() {
            match check_size(raw).and_then(|()| read(&Item::parse(raw)?)) {
                Ok((item, flaw)) => {
                    page.items.extend(item);
                    page.rejects.extend(flaw.map(|flaw| Reject::new(raw, flaw)));
                }
                Err(reason) => page.rejects.push(Reject::new(raw, reason)),
            }
        }
        page
    }
}

/// The text of a document in the encoding that its first bytes or its declaration name, otherwise in UTF-8.
fn decode(body: &[u8]) -> Cow<'_, str> {
    let head = String::from_utf8_lossy(&body[..body.len().min(200)]);
    let declaration = head.split("?>").next().filter(|head| head.contains("<?xml")).unwrap_or_default();
    let label = declaration.split("encoding").nth(1).and_then(|rest| rest.split(['"', '\'']).nth(1));
    let declared = label.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8);
    // A declaration that could be read is not in UTF-16, whatever it says.
    let declared = if declared == UTF_16LE || declared == UTF_16BE { UTF_8 } else { declared };
    // A mark at the beginning is stronger than the declaration.
    declared.decode(body).0
}

/// The ranges of the items of a feed.
fn split(text: &str) -> Result<Vec<std::ops::Range<usize>>, String> {
    let beginning = || text.trim().chars().take(120).collect::<String>();
    let root = root(text).filter(|name| ROOTS.contains(&name.as_str()));
    let root = root.ok_or_else(|| format!("it is not RSS or Atom: {}", beginning()))?;
    // Some servers write comments after the end.
    let mut whole = text.trim_end();
    while let Some(begin) = whole.strip_suffix("-->").and_then(|rest| rest.rfind("<!--")) {
        whole = whole[..begin].trim_end();
    }
    if !whole.ends_with(&format!("</{root}>")) {
        return Err("it has no end: only a part of it came".into());
    }
    let (mut items, mut at, mut open) = (Vec::new(), 0, None);
    while let Some(found) = text[at..].find('<') {
        let start = at + found;
        let rest = &text[start..];
        match Skipped::at(rest) {
            Some(Skipped::Whole(length)) => {
                at = start + length;
                continue;
            }
            // It is part of the item that it is in, which is refused then.
            Some(Skipped::Unclosed(begin)) if open.is_some() => {
                at = start + begin.len();
                continue;
            }
            Some(Skipped::Unclosed(begin)) => {
                return Err(format!("`{begin}` has no end: only a part of it came, or it is not well-formed XML"));
            }
            None => {}
        }
        let is_close = rest.starts_with("</");
        let tag =
            rest[if is_close { 2 } else { 1 }..].split(|c: char| c.is_whitespace() || c == '>' || c == '/').next();
        let end = rest.find('>').map_or(text.len(), |length| start + length + 1);
        match (open, tag.filter(|tag| ITEMS.contains(tag)), is_close) {
            // An item within an item: the one before it has no end, and is refused as it is.
            (Some(from), Some(_), false) => {
                items.push(from..start);
                open = Some(start);
            }
            (None, Some(_), false) => open = Some(start),
            (Some(from), Some(_), true) => {
                items.push(from..end);
                open = None;
            }
            _ => {}
        }
        at = if tag.is_some_and(|tag| ITEMS.contains(&tag)) { end } else { start + 1 };
    }
    items.extend(open.map(|from| from..text.len()));
    Ok(items)
}

/// A part of a feed in which tags do not count: CDATA, a comment, an instruction.
enum Skipped {
    /// Its length in bytes.
    Whole(usize),
    /// What it begins with; it has no end.
    Unclosed(&'static str),
}

impl Skipped {
    /// The part that `rest` begins with. One that reaches over the beginning of another of its kind and over the tags of
    /// items has no end itself: its end is that of the other, and the items between would be lost.
    fn at(rest: &str) -> Option<Self> {
        const KINDS: [(&str, &str); 3] = [("<![CDATA[", "]]>"), ("<!--", "-->"), ("<?", "?>")];
        let (begin, end) = KINDS.into_iter().find(|(begin, _)| rest.starts_with(begin))?;
        let swallows_items = |length: &usize| {
            let inner = rest.get(begin.len()..*length).unwrap_or_default();
            inner.contains(begin) && ITEMS.iter().any(|item| inner.contains(&format!("<{item}")))
        };
        let length = rest.find(end).filter(|length| !swallows_items(length));
        Some(length.map_or(Self::Unclosed(begin), |length| Self::Whole(length + end.len())))
    }
}

fn root(text: &str) -> Option<String> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => return Some(name(start.name().as_ref())),
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// The moment that a feed writes as RFC 2822 has it, with seconds or without (`Tue, 25 Aug 2026 11:30 GMT`), or as
/// RFC 3339 (`2026-09-01T13:20:17-04:00`). A moment without a zone is refused.
///
/// # Errors
/// The reason, in words.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let strict = jiff::fmt::rfc2822::parse(text).map(|zoned| zoned.timestamp());
    if strict.is_ok() && !crate::epoch::has_known_zone(text) {
        return Err(format!("`{text}` names a time zone that RFC 2822 does not define"));
    }
    let at = strict.or_else(|first| text.parse::<Timestamp>().map_err(|_| first));
    let at = at.map_err(|error| format!("`{text}` is not a date: {error}"))?;
    if !crate::epoch::is_plausible(at) {
        let (first, last) = (crate::epoch::YEARS.start(), crate::epoch::YEARS.end());
        return Err(format!("`{text}` is not between the years {first} and {last}"));
    }
    Ok(crate::epoch::whole_microseconds(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(items: &str) -> String {
        format!("<?xml version=\"1.0\"?><rss><channel><title>x</title>{items}</channel></rss>")
    }

    fn titles(body: &str) -> (Vec<String>, Vec<Reject>) {
        let feed = Feed::new("wire", "/rss", body.as_bytes()).unwrap();
        let page = feed.page("/rss", |item| Ok((item.text("title").map(str::to_owned), None)));
        (page.items, page.rejects)
    }

    #[test]
    fn an_item_with_a_fault_costs_only_itself() {
        let (titles, rejects) = titles(&feed(
            "<item><title>one</title></item><item><title>two</titel></item><item/><item><title>open\
             <item a='1'>\n<title>AT&T &amp; P&nbsp;E &bogus; <![CDATA[</item> <b>]]> &#8217;</title></item>\
             <!-- <item><title>no</title></item> --><items><title>no</title></items><item><title>last</title></item>",
        ));
        assert_eq!(titles, ["one", "AT&T & P\u{a0}E &bogus; </item> <b> \u{2019}", "last"]);
        let bytes: Vec<String> = rejects.iter().map(|r| String::from_utf8_lossy(&r.bytes).into_owned()).collect();
        assert_eq!(bytes, ["<item><title>two</titel></item>", "<item><title>open"], "{rejects:?}");
        assert!(rejects.iter().all(|reject| reject.reason.contains("XML")), "{rejects:?}");
    }

    #[test]
    fn what_is_no_feed_or_a_part_of_one_is_refused() {
        let whole = feed("<item><title>one</title></item>");
        for body in ["", "busy, come back later", "<html><body>busy</body></html>", "{}", &whole[..whole.len() - 9]] {
            let error = Feed::new("wire", "/rss", body.as_bytes()).map(|_| ()).unwrap_err();
            assert!(error.is_retryable() && error.to_string().contains("/rss"), "{body}: {error}");
        }
        assert_eq!(titles(&whole).0, ["one"]);
    }

    #[test]
    fn what_has_no_end_is_refused_and_takes_no_item_with_it() {
        for (begin, end) in [("<!--", "-->"), ("<![CDATA[", "]]>")] {
            let item = |title: &str| format!("<item><title>{title}</title></item>");
            // Outside of items: those that follow may be commented out, so that the feed is not whole.
            let commented = format!("{begin}{}{end}", item("two"));
            for more in [format!("{begin} cut {}", item("one")), format!("{begin}{}{commented}", item("one"))] {
                let error = Feed::new("wire", "/rss", feed(&more).as_bytes()).map(|_| ()).unwrap_err();
                assert!(error.is_retryable() && error.to_string().contains("has no end"), "{more}: {error}");
            }
            // Within an item, whose end it hides.
            let open = format!("<item><title>open {begin}</title></item>");
            let whole = format!("<item>{begin} x {end}<title>three</title></item>");
            let (found, rejects) = titles(&feed(&format!("{}{open}{whole}{}", item("one"), item("four"))));
            assert_eq!(found, ["one", "three", "four"], "{begin}");
            let [reject] = &rejects[..] else { panic!("{begin}: {rejects:?}") };
            assert_eq!((reject.bytes.as_slice(), reject.reason.contains("XML")), (open.as_bytes(), true), "{reject:?}");
        }
        // As some editors comment on comments: no item is in them.
        let noted = feed("<!-- cached <!-- twice --><item><title>one</title></item>");
        assert_eq!(titles(&noted).0, ["one"]);
    }

    #[test]
    fn what_servers_and_editors_add_costs_nothing() {
        let item = "<item><title>one &#55357;</title><media url=\"https://i.test/x?w=1&h=2\" url=\"twice\"/></item>";
        let (found, rejects) = titles(&feed(item));
        assert_eq!((found, rejects.len()), (vec!["one \u{fffd}".to_owned()], 0));
        let link = Item::parse("<item><link href=\"https://x.test/?a=1&b=2\"/></item>").unwrap();
        assert_eq!(link.0.last().unwrap().attributes, [("href".to_owned(), "https://x.test/?a=1&b=2".to_owned())]);
        let whole = feed("<item><title>one</title></item>");
        let generated = format!("{whole}\n<!-- generated in 0.353 seconds --> <!-- cached -->\n");
        assert_eq!(titles(&generated).0, ["one"]);
        // As .NET writes a text that is then sent in UTF-8.
        assert_eq!(titles(&whole.replace("?>", " encoding=\"utf-16\"?>")).0, ["one"]);
    }

    #[test]
    fn a_zone_that_rfc_2822_does_not_define_is_refused() {
        assert_eq!(moment("Tue, 25 Aug 2026 11:30:00 EST").unwrap(), "2026-08-25T16:30:00Z".parse().unwrap());
        assert_eq!(moment("Tue, 25 Aug 2026 11:30:00 +0200 (CEST)").unwrap(), "2026-08-25T09:30:00Z".parse().unwrap());
        for zone in ["CEST", "JST", "BRT", "XYZ"] {
            assert!(moment(&format!("Tue, 25 Aug 2026 11:30:00 {zone}")).unwrap_err().contains("zone"), "{zone}");
        }
    }

    #[test]
    fn the_declared_encoding_is_used() {
        let latin =
            b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?><feed><entry><title>Soci\xe9t\xe9</title></entry></feed>";
        let feed = Feed::new("wire", "/", latin).unwrap();
        assert_eq!(Item::parse(feed.items().next().unwrap()).unwrap().text("title"), Some("Soci\u{e9}t\u{e9}"));
    }

    #[test]
    fn of_elements_within_elements_the_texts_that_count_are_taken_apart() {
        let item = Item::parse(
            "<entry><source><id>urn:x</id><title>Wire</title><updated>2026-08-25T11:30:00Z</updated></source>\
             <author><name>John Doe</name><email>j@x.test</email></author><dc:source>As RSS</dc:source>\
             <content type=\"xhtml\"><div><p>One<b>s</b>.</p><p>Two.<br/>Three</p></div></content></entry>",
        )
        .unwrap();
        assert_eq!((item.text("source"), item.text("author")), (Some("Wire"), Some("John Doe")));
        assert_eq!((item.text("content"), item.text("dc:source")), (Some("Ones. Two. Three"), Some("As RSS")));
        let rss = Item::parse("<item><author>j@x.test (John)</author><source url=\"u\">Wire</source></item>").unwrap();
        assert_eq!((rss.text("source"), rss.text("author")), (Some("Wire"), Some("j@x.test (John)")));
    }

    #[test]
    fn moments_have_a_zone_and_may_lack_seconds() {
        for (text, expected) in [
            ("Tue, 25 Aug 2026 11:30 GMT", "2026-08-25T11:30:00Z"),
            ("Wed, 10 Jun 2026 09:45:30 GMT", "2026-06-10T09:45:30Z"),
            ("Fri, 24 Jan 2025 11:00:00 -0500", "2025-01-24T16:00:00Z"),
            ("Fri, 24 Jan 2025 11:00:00 EST", "2025-01-24T16:00:00Z"),
            ("2026-09-01T13:20:17-04:00", "2026-09-01T17:20:17Z"),
        ] {
            assert_eq!(moment(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-09-01T13:20:17", "25 Aug 0026 11:30 GMT", "1756121400"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
