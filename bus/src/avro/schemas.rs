//! The schemas of this build, one for each topic, and reading and writing by them.

use super::encode;
use super::read;
use super::resolve::{self, Plan};
use super::shape::Shape;
use crate::Topic;
use std::sync::LazyLock;

/// The topics whose records have a schema: all but `dead-letter`, which a person must be able to read.
pub const TOPICS: [Topic; 7] =
    [Topic::News, Topic::Sentiment, Topic::Bars, Topic::Trades, Topic::Halts, Topic::Actions, Topic::Instruments];

static SCHEMAS: LazyLock<[TopicSchema; TOPICS.len()]> = LazyLock::new(|| {
    [
        include_str!("schemas/news.avsc"),
        include_str!("schemas/sentiment.avsc"),
        include_str!("schemas/bars.avsc"),
        include_str!("schemas/trades.avsc"),
        include_str!("schemas/halts.avsc"),
        include_str!("schemas/actions.avsc"),
        include_str!("schemas/instruments.avsc"),
    ]
    .map(TopicSchema::new)
});

/// The schema of a topic's records; `None` if they have none.
pub fn schema(topic: Topic) -> Option<&'static TopicSchema> {
    TOPICS.iter().position(|&known| known == topic).map(|place| &SCHEMAS[place])
}

/// The schema by which this build writes the records of a topic, and to which it resolves those of others.
#[derive(Debug)]
pub struct TopicSchema {
    text: String,
    shape: Shape,
}

impl TopicSchema {
    fn new(text: &str) -> Self {
        Self::parse(text).expect("a test reads every schema of this build")
    }

    /// Another schema than that of this build, given as JSON.
    ///
    /// # Errors
    /// Words for a person: the text is not a schema.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = without_white_space(text);
        Ok(Self { shape: Shape::parse(&text)?, text })
    }

    /// The schema as it is registered: JSON without white space, so that a change of its layout is no new schema.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A record's JSON in Avro's binary encoding, without what Kafka's clients put before it.
    ///
    /// # Errors
    /// Words for a person: it is not JSON of this topic's records, or has a field that the schema lacks.
    pub fn encode(&self, json: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::with_capacity(json.len() / 2);
        self.encode_after(json, &mut out).map(|()| out)
    }

    pub(super) fn encode_after(&self, json: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let json = serde_json::from_slice(json).map_err(|error| format!("it is not JSON: {error}"))?;
        encode::value(&self.shape, &json, out).map_err(|mismatch| mismatch.text())
    }

    /// A reader of what was written by another schema, given as JSON.
    ///
    /// # Errors
    /// Words for a person: the text is not a schema, or this build can't read what is written by it.
    pub fn reader(&self, writer: &str) -> Result<DatumReader, String> {
        Ok(DatumReader(resolve::plan(&Shape::parse(writer)?, &self.shape, "")?))
    }
}

/// Reads records of a topic that were written by one schema.
#[derive(Debug)]
pub struct DatumReader(Plan);

impl DatumReader {
    /// The JSON of a record in Avro's binary encoding, without what Kafka's clients put before it.
    ///
    /// # Errors
    /// Words for a person: the bytes are not a whole record of the writer's schema, and nothing else.
    pub fn json(&self, datum: &[u8]) -> Result<Vec<u8>, String> {
        read::json(&self.0, datum).map_err(|fault| fault.to_string())
    }
}

/// JSON without the white space that is not in a text.
fn without_white_space(json: &str) -> String {
    let (mut in_text, mut after_backslash) = (false, false);
    let is_kept = |&c: &char| {
        let kept = in_text || !c.is_ascii_whitespace();
        in_text ^= c == '"' && !after_backslash;
        after_backslash = in_text && c == '\\' && !after_backslash;
        kept
    };
    json.chars().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_in_texts_stays() {
        let json = "{ \"a b\" : [ 1 ,\n 2 ], \"c \\\" d\\\\\" : \" \" }";
        assert_eq!(without_white_space(json), "{\"a b\":[1,2],\"c \\\" d\\\\\":\" \"}");
    }

    #[test]
    fn every_schema_reads_what_it_writes_and_describes_every_field() {
        for topic in TOPICS {
            let schema = schema(topic).unwrap();
            schema.reader(schema.text()).unwrap_or_else(|error| panic!("{topic:?}: {error}"));
            let json: serde_json::Value = serde_json::from_str(schema.text()).unwrap();
            assert_documented(&json);
        }
        assert!(schema(Topic::DeadLetter).is_none());
        assert_eq!(TOPICS.len() + 1, Topic::ALL.len());
    }

    /// Every record and every field has a `doc`.
    fn assert_documented(json: &serde_json::Value) {
        match json {
            serde_json::Value::Object(own) => {
                if own.contains_key("name") {
                    assert!(own["doc"].as_str().is_some_and(|doc| !doc.is_empty()), "{own:?}");
                }
                own.iter().filter(|(key, _)| *key != "default").for_each(|(_, value)| assert_documented(value));
            }
            serde_json::Value::Array(items) => items.iter().for_each(assert_documented),
            _ => {}
        }
    }
}
