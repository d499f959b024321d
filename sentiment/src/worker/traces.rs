//! The spans of a batch's articles: from the moment a record was read until its mentions are acknowledged. In it are
//! how long it waited for the engine, and how long the engine took.

use crate::queue::{Answer, Computed};
use std::ops::Range;
use tapewire_bus::Received;
use tapewire_bus::traces::about_article;
use tapewire_core::{Article, Run};
use tapewire_runtime::traces::{Moment, Parent, Span, SpanKind};

/// What the worker does with a record, in the names of its spans.
pub(super) const OPERATION: &str = "score";

/// The articles of a batch that are traced, in the order of their questions. Empty where nothing is traced.
#[derive(Default)]
pub(super) struct Traced(Vec<ArticleSpan>);

struct ArticleSpan {
    span: Span,
    read_at: Moment,
    /// Which of the batch's questions are about the article.
    questions: Range<usize>,
}

impl Traced {
    /// Adds an article, if it is traced, which has `count` of the batch's questions from `first`.
    pub(super) fn add(&mut self, record: &Received, run: &Run, article: &Article, first: usize, count: usize) {
        let Some(read_at) = record.read_at() else { return };
        let mut span = record.span(OPERATION);
        about_article(&mut span, run, article);
        self.0.push(ArticleSpan { span, read_at, questions: first..first + count });
    }

    /// Notes for each article when the engine computed its scores. `answers` has one for each of the batch's questions.
    pub(super) fn scored(&mut self, answers: &[Option<Answer>]) {
        for ArticleSpan { span, read_at, questions } in &mut self.0 {
            let own = || answers[questions.clone()].iter().flatten();
            let computed: Vec<Computed> = own().filter_map(|answer| answer.computed).collect();
            span.describe(|| [("tapewire.texts.computed", (computed.len() as i64).into())]);
            let Some(Computed { from, to }) = computed.into_iter().reduce(Computed::and) else { continue };
            let (from, to) = (Moment::of(from), Moment::of(to));
            let begin = |at, name: &str| Span::begin_at(Parent::Span(span), SpanKind::Internal, at, || name.to_owned());
            begin(*read_at, "queue").done_at(from);
            let mut inference = begin(from, "inference");
            if own().any(|answer| answer.score.is_err()) {
                inference.fail("the model gave no score for a text; the log says why");
            }
            inference.done_at(to);
        }
    }

    /// Where the span of sending the answer to one of the batch's questions begins.
    pub(super) fn of(&self, question: usize) -> Parent<'_> {
        let next = self.0.partition_point(|article| article.questions.end <= question);
        match self.0.get(next) {
            Some(article) if article.questions.contains(&question) => Parent::Span(&article.span),
            _ => Parent::None,
        }
    }

    /// Ends the spans: the mentions are acknowledged, or not all of them are.
    pub(super) fn sent(self, all: bool) {
        for ArticleSpan { mut span, .. } in self.0 {
            if !all {
                span.fail("kafka did not acknowledge all mentions of the batch");
            }
            span.done();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_sent_in_the_span_of_its_article() {
        let article = |questions| ArticleSpan { span: Span::none(), read_at: Moment::now(), questions };
        // The articles of questions 0, 3 and 4 are not traced.
        let traced = Traced(vec![article(1..3), article(5..6)]);
        let found: Vec<Option<usize>> = (0..7)
            .map(|question| match traced.of(question) {
                Parent::Span(span) => traced.0.iter().position(|article| std::ptr::eq(&article.span, span)),
                _ => None,
            })
            .collect();
        assert_eq!(found, [None, Some(0), Some(0), None, None, Some(1), None]);
    }
}
