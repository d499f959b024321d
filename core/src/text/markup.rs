//! HTML in texts that may be plain.
//!
//! Reading every text as HTML would lose what follows the `<` of `P<E`. So a scan decides first what is markup: a `<`
//! that begins a tag of an HTML element, a comment or a declaration, and a `&` that begins a whole reference. All other
//! `<` and `&` are escaped. Then html5gum tokenizes the text as the WHATWG's standard says.

use html5gum::{DefaultEmitter, Token, Tokenizer};

/// HTML elements, also obsolete ones.
const ELEMENTS: [&str; 132] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "applet",
    "area",
    "article",
    "aside",
    "audio",
    "b",
    "base",
    "basefont",
    "bdi",
    "bdo",
    "bgsound",
    "big",
    "blink",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "datalist",
    "dd",
    "del",
    "details",
    "dfn",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "frame",
    "frameset",
    "g",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "ins",
    "kbd",
    "label",
    "legend",
    "li",
    "link",
    "main",
    "map",
    "mark",
    "marquee",
    "math",
    "menu",
    "meta",
    "meter",
    "nav",
    "nobr",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "output",
    "p",
    "param",
    "path",
    "picture",
    "pre",
    "progress",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "script",
    "section",
    "select",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "track",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
];

/// Elements that may occur within a word or sentence; every other element divides words.
const INLINE: [&str; 33] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt",
    "u", "var",
];

/// Whether words on both sides of a tag of this element are two words, not one.
pub fn divides_words(element: &str) -> bool {
    !INLINE.contains(&element)
}

/// Elements whose content no reader sees as text.
const UNSEEN: [&str; 9] = ["script", "style", "template", "iframe", "noembed", "noframes", "svg", "object", "math"];

/// Elements whose content the tokenizer reads as text up to their end tag. Without an end tag, it would read the whole
/// rest as text.
const READ_TO_THE_END: [&str; 2] = ["title", "textarea"];

/// Attributes without a value that may be the first of a tag.
const FLAGS: [&str; 12] = [
    "allowfullscreen",
    "async",
    "autoplay",
    "checked",
    "controls",
    "defer",
    "disabled",
    "hidden",
    "itemscope",
    "nowrap",
    "noshade",
    "selected",
];

/// The text without markup, and with its references decoded once; `None` if it has neither.
pub fn without(text: &str) -> Option<String> {
    if !text.contains(['<', '&']) {
        return None;
    }
    let scan = Scan::of(text);
    let read = tokens(&scan.escaped, scan.has_markup);
    (scan.has_markup || read != text).then_some(read)
}

/// The text of a document. If it has markup, runs of spaces become one space.
fn tokens(escaped: &str, has_markup: bool) -> String {
    let mut read = String::with_capacity(escaped.len());
    let mut is_parted = false;
    let mut unseen: Option<Vec<u8>> = None;
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    for token in Tokenizer::new_with_emitter(escaped, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) if unseen.is_none() => {
                is_parted |= !is_in(&INLINE, &tag.name);
                unseen = (is_in(&UNSEEN, &tag.name) && !tag.self_closing).then(|| tag.name.to_vec());
            }
            Token::EndTag(tag) => {
                is_parted |= !is_in(&INLINE, &tag.name);
                unseen = unseen.filter(|unseen| *unseen != **tag.name);
            }
            Token::String(string) if unseen.is_none() => {
                let string = String::from_utf8_lossy(&string);
                if !has_markup {
                    read.push_str(&string);
                    continue;
                }
                for c in string.chars() {
                    if c.is_whitespace() {
                        is_parted = true;
                    } else {
                        if std::mem::take(&mut is_parted) && !read.is_empty() {
                            read.push(' ');
                        }
                        read.push(c);
                    }
                }
            }
            _ => {}
        }
    }
    read
}

fn is_in(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}

/// A text while it is prepared for the tokenizer.
struct Scan<'a> {
    text: &'a str,
    /// The text in lower case, with the same byte positions.
    lower: String,
    escaped: String,
    has_markup: bool,
    last_gt: Option<usize>,
    last_comment_end: Option<usize>,
    has_cdata: bool,
    /// The position of the last end tag of each element that needs one.
    last_ends: Vec<(&'static str, Option<usize>)>,
}

/// What begins at a `<`.
enum Found {
    /// Not markup.
    Text,
    /// Markup for the tokenizer, of this length.
    Markup(usize),
    /// Markup of this length that the tokenizer would read differently from a person; it is left out.
    Skip(usize),
}

impl<'a> Scan<'a> {
    fn of(text: &'a str) -> Self {
        let lower = text.to_ascii_lowercase();
        let mut scan = Self {
            text,
            escaped: String::with_capacity(text.len()),
            has_markup: false,
            last_gt: text.rfind('>'),
            last_comment_end: text.rfind("-->").max(text.rfind("--!>")),
            has_cdata: text.contains("<![CDATA[") && text.contains("]]>"),
            last_ends: Vec::new(),
            lower,
        };
        let mut at = 0;
        while let Some(next) = scan.text[at..].find(['<', '&', ']']).map(|found| at + found) {
            scan.escaped.push_str(&text[at..next]);
            at = next + scan.special(next);
        }
        scan.escaped.push_str(&text[at..]);
        scan
    }

    /// Writes what begins at `at`, and returns its length in the text.
    fn special(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        if rest.starts_with('&') {
            return self.ampersand(rest);
        }
        if rest.starts_with(']') {
            if self.has_cdata && rest.starts_with("]]>") {
                self.has_markup = true;
                return 3;
            }
            self.escaped.push(']');
            return 1;
        }
        match self.markup(at) {
            Found::Text => {
                self.escaped.push_str("&lt;");
                1
            }
            Found::Markup(length) => {
                self.has_markup = true;
                // A `&` or `<` within it is not looked at.
                self.escaped.push_str(&rest[..length]);
                length
            }
            Found::Skip(length) => {
                self.has_markup = true;
                self.escaped.push(' ');
                length
            }
        }
    }

    /// Shortens references within references: `&amp;amp;lt;` becomes `&lt;`, so that it is not decoded once for each
    /// level.
    fn ampersand(&mut self, rest: &str) -> usize {
        let mut after = 1;
        while let Some(again) =
            ["amp;", "#38;", "#x26;", "#X26;", "AMP;"].iter().find(|name| rest[after..].starts_with(**name))
        {
            after += again.len();
        }
        let is_reference = is_reference(&rest[after..]);
        self.escaped.push_str(if is_reference { "&" } else { "&amp;" });
        after
    }

    fn markup(&mut self, at: usize) -> Found {
        let rest = &self.text[at..];
        if rest.starts_with("<!--") {
            return Found::Skip(self.comment(at));
        }
        if self.has_cdata && rest.starts_with("<![CDATA[") {
            return Found::Skip(9);
        }
        let is_closed = self.last_gt.is_some_and(|gt| gt > at);
        let length = || rest.find('>').map_or(Found::Text, |end| Found::Skip(end + 1));
        let lower = &self.lower[at..];
        if is_closed && (lower.starts_with("<!doctype") || lower.starts_with("<?xml")) {
            return length();
        }
        if let Some(name) = lower.strip_prefix("</") {
            let name = &name[..name_length(name)];
            let after = rest[2 + name.len()..].trim_start();
            let is_tag = is_element(name, &rest[2..]) && after.starts_with('>');
            return if is_tag { Found::Markup(rest.len() - after.len() + 1) } else { Found::Text };
        }
        let name = &lower[1..1 + name_length(&lower[1..])];
        if !is_element(name, &rest[1..]) {
            return Found::Text;
        }
        let (found, name) = (tag(rest, name.len() + 1, is_closed), name.to_owned());
        match found {
            Found::Markup(length)
                if self.needs_end(&name) && !self.has_end(&name, at) && !is_code(&name, &rest[length..]) =>
            {
                Found::Skip(length)
            }
            found => found,
        }
    }

    /// The length of the comment that begins at `at`; of one that is never closed, the length of its mark: what follows
    /// may be text.
    fn comment(&self, at: usize) -> usize {
        let inner = &self.text[at + 4..];
        let empty = [">", "->"].iter().find(|end| inner.starts_with(**end)).map(|end| end.len());
        let is_closed = self.last_comment_end.is_some_and(|end| end >= at + 4);
        let closed = || {
            // One search for both ends, which stops at the first: a text may consist of comments.
            let mut ends = inner.match_indices('>').map(|(found, _)| found);
            let is_end = |found: &usize| inner[..*found].ends_with("--") || inner[..*found].ends_with("--!");
            is_closed.then(|| ends.find(is_end)).flatten().map(|found| found + 1)
        };
        4 + empty.or_else(closed).unwrap_or(0)
    }

    fn needs_end(&self, name: &str) -> bool {
        UNSEEN.contains(&name) || READ_TO_THE_END.contains(&name)
    }

    /// Whether an end tag of this element comes after `at`.
    fn has_end(&mut self, name: &str, at: usize) -> bool {
        if let Some((_, last)) = self.last_ends.iter().find(|(known, _)| *known == name) {
            return last.is_some_and(|last| last > at);
        }
        let Some(known) = UNSEEN.iter().chain(&READ_TO_THE_END).find(|known| **known == name) else { return false };
        let end = format!("</{known}");
        let last = self
            .lower
            .rmatch_indices(&end)
            .map(|(found, _)| found)
            .find(|found| self.lower[found + end.len()..].trim_start().starts_with('>'));
        self.last_ends.push((known, last));
        last.is_some_and(|last| last > at)
    }
}

/// Whether `rest`, which follows the start tag of this element, is code. A provider may have cut the text off within a
/// script, which then has no end tag.
fn is_code(name: &str, rest: &str) -> bool {
    matches!(name, "script" | "style") && rest.contains(['{', '}', '='])
}

/// Whether `rest`, which follows a `&`, is the rest of a reference: a name or a number, and a semicolon.
fn is_reference(rest: &str) -> bool {
    let end = rest.bytes().take(33).position(|c| c == b';');
    let Some(name) = end.map(|end| &rest[..end]) else { return false };
    match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => !hex.is_empty() && hex.bytes().all(|c| c.is_ascii_hexdigit()),
            None => !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()),
        },
        None => name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|c| c.is_ascii_alphanumeric()),
    }
}

fn name_length(text: &str) -> usize {
    text.bytes().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b':' | b'_' | b'.')).count()
}

/// Whether a name in lower case is an element's. `spelled` begins with it as the text has it: a name with a prefix
/// (`o:p`) is written in small letters, a ticker (`X:BTCUSD`) is not.
fn is_element(name: &str, spelled: &str) -> bool {
    let has_prefix = name.split_once(':').is_some_and(|(prefix, local)| {
        !local.is_empty() && !prefix.is_empty() && prefix.bytes().all(|c| c.is_ascii_alphanumeric())
    });
    ELEMENTS.contains(&name) || has_prefix && spelled.starts_with(|c: char| c.is_ascii_lowercase())
}

/// The tag at the beginning of `text`, whose name ends at `after_name`. `is_closed`: a `>` follows somewhere.
fn tag(text: &str, after_name: usize, is_closed: bool) -> Found {
    let attributes = &text[after_name..];
    let first = attributes.trim_start();
    let begins = first.len() < attributes.len() || first.starts_with(['>', '/']);
    if !begins {
        return Found::Text;
    }
    if first.starts_with('>') || first.starts_with("/>") {
        return if is_closed { end_of_tag(text, after_name) } else { Found::Text };
    }
    let length = first.bytes().take_while(|c| c.is_ascii_alphanumeric() || b"-_:@.".contains(c)).count();
    let (name, after) = first.split_at(length);
    let has_value = !name.is_empty() && after.trim_start().starts_with('=');
    let is_flag = FLAGS.contains(&name.to_ascii_lowercase().as_str()) && after.starts_with(['>', '/', ' ']);
    match (has_value || is_flag && is_closed, is_closed) {
        (false, _) => Found::Text,
        (true, true) => end_of_tag(text, after_name),
        // The provider has cut the text off within a tag.
        (true, false) => Found::Skip(text.len()),
    }
}

/// The tag up to the first `>` outside quotes. If a quote is never closed, the tag up to the next `>`.
fn end_of_tag(text: &str, after_name: usize) -> Found {
    let bytes = text.as_bytes();
    let mut at = after_name;
    while at < bytes.len() {
        match bytes[at] {
            b'>' => return Found::Markup(at + 1),
            b'=' => {
                let value = at + 1 + bytes[at + 1..].iter().take_while(|c| c.is_ascii_whitespace()).count();
                at = match bytes.get(value) {
                    Some(quote @ (b'"' | b'\'')) => match bytes[value + 1..].iter().position(|c| c == quote) {
                        Some(end) => value + 2 + end,
                        None => return text.find('>').map_or(Found::Text, |end| Found::Skip(end + 1)),
                    },
                    _ => value.max(at + 1),
                };
            }
            _ => at += 1,
        }
    }
    text.find('>').map_or(Found::Text, |end| Found::Skip(end + 1))
}
