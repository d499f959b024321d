//! Spans of records: one for sending a record, one for what a stage does with it.
//!
//! Their attributes are those of OpenTelemetry's semantic conventions for messaging; what begins with `tapewire.`
//! says which article a span is about. None of them is an article's text.

use crate::consumer::Received;
use crate::topic::Topic;
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use tapewire_core::{Article, Mention, Run};
use tapewire_runtime::traces::{self, Moment, Parent, Span, SpanKind, TraceContext, Value};

/// What a record that was received belongs to, if that is a trace that is sampled and this process makes spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    context: TraceContext,
    read_at: Moment,
    /// Full name of the topic.
    topic: String,
    /// The reader's group, with the installation's prefix.
    group: String,
}

impl Incoming {
    /// What the headers of a message say.
    pub(crate) fn of(message: &rdkafka::message::BorrowedMessage<'_>, group: &str) -> Option<Box<Self>> {
        if !traces::is_on() {
            return None;
        }
        let headers = message.headers()?;
        // Of headers with one name the last counts, as for most of Kafka's clients.
        let find = |name: &str| {
            let value = headers.iter().filter(|header| header.key == name).last()?.value?;
            std::str::from_utf8(value).ok()
        };
        let context = TraceContext::from_headers(find(TraceContext::HEADER)?, find(TraceContext::STATE_HEADER))?;
        let (topic, group) = (message.topic().to_owned(), group.to_owned());
        Some(Box::new(Self { context, read_at: Moment::now(), topic, group }))
    }
}

impl Received {
    /// Begins the span of what a stage does with this record, from the moment at which it was read. `operation` says
    /// what that is: `score`, `join`, `archive`. A record that carries no trace has no span.
    pub fn span(&self, operation: &'static str) -> Span {
        let Some(incoming) = &self.trace else { return Span::none() };
        let (parent, name) = (Parent::Record(&incoming.context), || format!("{operation} {}", self.topic.base_name()));
        let mut span = Span::begin_at(parent, SpanKind::Consumer, incoming.read_at, name);
        span.describe(|| {
            [
                ("messaging.system", "kafka".into()),
                ("messaging.operation.name", operation.into()),
                ("messaging.operation.type", "process".into()),
                ("messaging.destination.name", incoming.topic.clone().into()),
                ("messaging.destination.partition.id", self.partition.to_string().into()),
                ("messaging.kafka.offset", self.offset.into()),
                ("messaging.consumer.group.name", incoming.group.clone().into()),
            ]
        });
        span
    }

    /// Notes on the record's trace that a stage could not read it and has kept it as a dead letter.
    pub fn unreadable(&self, operation: &'static str) {
        self.span(operation).fail("the record can't be read; it is among the dead letters, with the reason");
    }

    /// When the record was read, if it carries a trace.
    pub fn read_at(&self) -> Option<Moment> {
        self.trace.as_ref().map(|incoming| incoming.read_at)
    }
}

/// Begins the span of sending a record, which ends when the brokers have acknowledged it.
pub(crate) fn send(parent: Parent<'_>, topic: Topic, name: &str, partition: i32, key: &str) -> Span {
    let mut span = Span::begin(parent, SpanKind::Producer, || format!("send {}", topic.base_name()));
    span.describe(|| {
        [
            ("messaging.system", "kafka".into()),
            ("messaging.operation.name", "send".into()),
            ("messaging.operation.type", "send".into()),
            ("messaging.destination.name", name.to_owned().into()),
            ("messaging.destination.partition.id", partition.to_string().into()),
            ("messaging.kafka.message.key", key.to_owned().into()),
        ]
    });
    span
}

/// The headers of a record that is sent in this span; `None` without one.
pub(crate) fn headers(span: &Span) -> Option<OwnedHeaders> {
    let add = |headers: OwnedHeaders, (name, value): &(String, String)| {
        headers.insert(Header { key: name, value: Some(value.as_bytes()) })
    };
    span.is_recording().then(|| span.headers().iter().fold(OwnedHeaders::new(), add))
}

/// Says that a span is about this article, and about which companies the article is.
pub fn about_article(span: &mut Span, run: &Run, article: &Article) {
    span.describe(|| {
        let symbols = article.symbols.iter().map(|symbol| symbol.as_str());
        let symbols = (!article.symbols.is_empty()).then(|| ("tapewire.symbols", traces::texts(symbols)));
        about(run, &article.provider, &article.id).into_iter().chain(symbols)
    });
}

/// Says that a span is about this mention: an article, and one of its companies if it has any.
pub fn about_mention(span: &mut Span, run: &Run, mention: &Mention) {
    span.describe(|| {
        let symbol = mention.symbol.as_ref().map(|symbol| ("tapewire.symbol", symbol.as_str().to_owned().into()));
        about(run, &mention.provider, &mention.article_id).into_iter().chain(symbol)
    });
}

fn about(run: &Run, provider: &str, article: &str) -> [(&'static str, Value); 3] {
    [
        ("tapewire.run", run.as_str().to_owned().into()),
        ("tapewire.provider", provider.to_owned().into()),
        ("tapewire.article.id", article.to_owned().into()),
    ]
}
