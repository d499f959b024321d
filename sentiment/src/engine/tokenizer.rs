//! Tokenizing texts the way the model was trained.

use super::sentencepiece;
use super::windows::{self, Overflow};
use crate::{ScoreError, SentimentError};
use serde::Deserialize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tapewire_models::TokenizerFiles;
use tokenizers::models::bpe::BPE;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, EncodeInput, Tokenizer};

/// One part in this many of the longest input is kept free for the company in a text of several windows: 32 of 512
/// tokens. Names have two to eight.
const SHARE_FOR_COMPANY: usize = 16;

/// The piece of a sentencepiece model that stands for a space. Some tokenizers put it before every text, also before one
/// in which nothing else is left.
const SPACE: &str = "▁";

/// The input of the model for one text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// Token ids, beginning with `[CLS]` or the model's equivalent.
    pub input_ids: Vec<u32>,
    /// Token type (segment) ids, one per token: 0 for the text, 1 for the company.
    pub token_type_ids: Vec<u32>,
}

/// A part of a text that fits into the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The part with the special tokens, and with the company if the model reads it.
    pub encoding: Encoding,
    /// The number of the text's tokens that it represents: each token counts once in total, divided equally among the
    /// windows that contain it.
    pub weight: f64,
}

/// A tokenizer, and the longest input of its model.
#[derive(Debug)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    max_seq_len: usize,
}

impl TextTokenizer {
    /// Reads the tokenizer of a model that takes at most `max_seq_len` tokens. Padding and truncation in a
    /// `tokenizer.json` are ignored: they describe how the model was trained, not how it is used here.
    ///
    /// # Errors
    /// [`SentimentError::Unreadable`]; [`SentimentError::Unsupported`] for a sentencepiece model that needs a
    /// `tokenizer.json`.
    pub fn load(files: &TokenizerFiles, max_seq_len: usize) -> Result<Self, SentimentError> {
        let (path, mut tokenizer) = match files {
            TokenizerFiles::Json(path) => (path, read_json(path)?),
            TokenizerFiles::Vocabulary { vocabulary, settings } => {
                (vocabulary, build_wordpiece(vocabulary, settings.as_deref())?)
            }
            TokenizerFiles::ByteLevelBpe { vocabulary, merges, settings } => {
                (vocabulary, build_byte_level_bpe(vocabulary, merges, settings.as_deref())?)
            }
            TokenizerFiles::SentencePiece { model, config, settings } => {
                (model, sentencepiece::build(model, config, settings.as_deref())?)
            }
        };
        tokenizer.with_padding(None).with_truncation(None).map_err(|error| unreadable(path, &error))?;
        // `[SEP]` in a text is what somebody wrote, and not the end of the text.
        tokenizer.set_encode_special_tokens(true);
        Ok(Self { tokenizer, max_seq_len })
    }

    /// Whether the model sees a token of the text: of some invisible characters it sees none.
    ///
    /// # Errors
    /// [`ScoreError::Tokenizer`].
    pub fn sees(&self, text: &str) -> Result<bool, ScoreError> {
        // Of other letters some are marks, which a tokenizer may drop as accents.
        if text.contains(|c: char| c.is_ascii_alphanumeric()) {
            return Ok(true);
        }
        let encoding = without_panic(|| self.tokenizer.encode_fast(text, true))?;
        let is_seen = |at: usize| encoding.token_to_sequence(at) == Some(0) && encoding.get_tokens()[at] != SPACE;
        Ok((0..encoding.len()).any(is_seen))
    }

    /// Encodes `[CLS] text [SEP]`, or `[CLS] text [SEP] company [SEP]`, as one window, or as several if the text is too
    /// long for the model. Every window contains the whole company.
    ///
    /// # Errors
    /// [`ScoreError::Tokenizer`]; for a text that is too long, [`ScoreError::CompanyTooLong`], and
    /// [`ScoreError::Length`] with [`Overflow::Refuse`].
    pub fn encode(&self, text: &str, company: Option<&str>, overflow: Overflow) -> Result<Vec<Window>, ScoreError> {
        let input: EncodeInput<'_> = match company {
            Some(company) => (text, company).into(),
            None => text.into(),
        };
        let encoding = without_panic(|| self.tokenizer.encode_fast(input, true))?;
        self.windows(&encoding, overflow)
    }

    fn windows(&self, encoding: &tokenizers::Encoding, overflow: Overflow) -> Result<Vec<Window>, ScoreError> {
        if encoding.len() <= self.max_seq_len {
            let (input_ids, token_type_ids) = (encoding.get_ids().to_vec(), encoding.get_type_ids().to_vec());
            return Ok(vec![Window { encoding: Encoding { input_ids, token_type_ids }, weight: 1.0 }]);
        }
        self.split(encoding, overflow)
    }

    /// As [`TextTokenizer::encode`], but of a text in several windows only those that name the company, as `is_named`
    /// tells from their part of the text, are asked about it. The others have no second segment, and are the same for
    /// every company of the text: an article about forty companies is not read forty times.
    ///
    /// # Errors
    /// As [`TextTokenizer::encode`].
    pub fn encode_about(
        &self,
        text: &str,
        company: &str,
        is_named: impl Fn(&str) -> bool,
        overflow: Overflow,
    ) -> Result<Vec<Window>, ScoreError> {
        let about = without_panic(|| self.tokenizer.encode_fast((text, company), true))?;
        let windows = self.windows(&about, overflow)?;
        if windows.len() == 1 || overflow != Overflow::Windows {
            return Ok(windows);
        }
        // With the position of each token in the text, in bytes.
        let alone = without_panic(|| self.tokenizer.encode(text, true))?;
        let (start, length) = text_tokens(&about);
        if text_tokens(&alone) != (start, length) {
            return Ok(windows);
        }
        // The same for all companies whose names are not very long, so that their windows are the same.
        let reserved = alone.len() - length + self.max_seq_len / SHARE_FOR_COMPANY;
        let room = self.max_seq_len.saturating_sub(reserved.max(about.len() - length));
        if room < self.max_seq_len / 2 {
            return Ok(windows);
        }
        let spans = windows::spans(length, room);
        let weights = windows::weights(&spans, length);
        let window = |(span, weight): (&Range<usize>, f64)| {
            let offsets = &alone.get_offsets()[start + span.start..start + span.end];
            let part = offsets.first().zip(offsets.last()).and_then(|(first, last)| text.get(first.0..last.1));
            let encoding = if part.is_none_or(&is_named) { &about } else { &alone };
            Window { encoding: cut(encoding, start, span, length), weight }
        };
        Ok(spans.iter().zip(weights).map(window).collect())
    }

    fn split(&self, encoding: &tokenizers::Encoding, overflow: Overflow) -> Result<Vec<Window>, ScoreError> {
        let (start, length) = text_tokens(encoding);
        let room = self.max_seq_len.saturating_sub(encoding.len() - length);
        // Windows that consist mostly of the company would be many and contain little text.
        if room < self.max_seq_len / 2 || room == 0 {
            return Err(ScoreError::CompanyTooLong { limit: self.max_seq_len });
        }
        let mut spans = windows::spans(length, room);
        match overflow {
            Overflow::Windows => {}
            Overflow::KeepStart => spans.truncate(1),
            Overflow::KeepEnd => drop(spans.drain(..spans.len() - 1)),
            Overflow::Refuse => return Err(ScoreError::Length { tokens: encoding.len(), limit: self.max_seq_len }),
        }
        let weights = windows::weights(&spans, length);
        let window =
            |(span, weight): (&Range<usize>, f64)| Window { encoding: cut(encoding, start, span, length), weight };
        Ok(spans.iter().zip(weights).map(window).collect())
    }
}

/// The tokenizer library has panicked on unusual Unicode; one text must not stop the others.
fn without_panic(
    encode: impl FnOnce() -> tokenizers::Result<tokenizers::Encoding>,
) -> Result<tokenizers::Encoding, ScoreError> {
    catch_unwind(AssertUnwindSafe(encode))
        .map_err(|_| ScoreError::Tokenizer("it panicked".into()))?
        .map_err(|error| ScoreError::Tokenizer(error.to_string()))
}

/// Index of the first token of the text, after those that begin every input, and the number of its tokens.
fn text_tokens(encoding: &tokenizers::Encoding) -> (usize, usize) {
    let is_text = |at: &usize| encoding.token_to_sequence(*at) == Some(0);
    let start = (0..encoding.len()).find(is_text).unwrap_or_default();
    (start, (start..encoding.len()).take_while(is_text).count())
}

/// The input with only the tokens `span` of the text, whose `length` tokens begin at `start`.
fn cut(encoding: &tokenizers::Encoding, start: usize, span: &Range<usize>, length: usize) -> Encoding {
    let (span, after) = (start + span.start..start + span.end, start + length);
    let cut = |ids: &[u32]| [&ids[..start], &ids[span.clone()], &ids[after..]].concat();
    Encoding { input_ids: cut(encoding.get_ids()), token_type_ids: cut(encoding.get_type_ids()) }
}

pub(super) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> SentimentError {
    SentimentError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

fn read_json(path: &Path) -> Result<Tokenizer, SentimentError> {
    Tokenizer::from_file(path).map_err(|error| unreadable(path, &error))
}

/// `tokenizer_config.json`, for both kinds of tokenizer.
///
/// ```json
/// {"do_lower_case": true, "strip_accents": null, "tokenize_chinese_chars": true, "add_prefix_space": false}
/// ```
#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    do_lower_case: bool,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
    add_prefix_space: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { do_lower_case: true, strip_accents: None, tokenize_chinese_chars: true, add_prefix_space: false }
    }
}

impl Settings {
    fn read(path: Option<&Path>) -> Result<Self, SentimentError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        serde_json::from_slice(&text).map_err(|error| unreadable(path, &error))
    }
}

/// BERT's tokenizer from its vocabulary alone, for models without a `tokenizer.json`.
fn build_wordpiece(vocabulary: &Path, settings: Option<&Path>) -> Result<Tokenizer, SentimentError> {
    let settings = Settings::read(settings)?;
    let wrong = |error: tokenizers::Error| unreadable(vocabulary, &error);
    let bytes = std::fs::read(vocabulary).map_err(|error| unreadable(vocabulary, &error))?;
    let model = WordPiece::read_bytes(&bytes)
        .and_then(|tokens| WordPiece::builder().vocab(tokens).unk_token("[UNK]".into()).build())
        .map_err(wrong)?;
    let mut tokenizer = Tokenizer::new(model);
    let [separator, classifier] = ["[SEP]", "[CLS]"].map(|token| special(&tokenizer, token, vocabulary));
    let normalizer =
        BertNormalizer::new(true, settings.tokenize_chinese_chars, settings.strip_accents, settings.do_lower_case);
    tokenizer.with_normalizer(Some(normalizer)).map_err(wrong)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(separator?, classifier?)));
    with_specials(tokenizer, &["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]).map_err(wrong)
}

/// RoBERTa's tokenizer from its vocabulary and merges, for models without a `tokenizer.json`.
fn build_byte_level_bpe(
    vocabulary: &Path,
    merges: &Path,
    settings: Option<&Path>,
) -> Result<Tokenizer, SentimentError> {
    let Settings { add_prefix_space, .. } = Settings::read(settings)?;
    let wrong = |error: tokenizers::Error| unreadable(vocabulary, &error);
    let [vocabulary_path, merges_path] = [vocabulary, merges].map(Path::to_string_lossy);
    let model = BPE::from_file(&vocabulary_path, &merges_path).build().map_err(wrong)?;
    let mut tokenizer = Tokenizer::new(model);
    let [separator, classifier] = ["</s>", "<s>"].map(|token| special(&tokenizer, token, vocabulary));
    let byte_level = ByteLevel::default().add_prefix_space(add_prefix_space);
    tokenizer.with_pre_tokenizer(Some(byte_level));
    let processing = RobertaProcessing::new(separator?, classifier?).add_prefix_space(add_prefix_space);
    tokenizer.with_post_processor(Some(processing));
    with_specials(tokenizer, &["<s>", "<pad>", "</s>", "<unk>", "<mask>"]).map_err(wrong)
}

pub(super) fn special(tokenizer: &Tokenizer, token: &str, vocabulary: &Path) -> Result<(String, u32), SentimentError> {
    let id = tokenizer.token_to_id(token).ok_or_else(|| unreadable(vocabulary, &format!("it has no token {token}")))?;
    Ok((token.to_owned(), id))
}

/// Marks as special those of `tokens` that the vocabulary has, so that they are never split.
fn with_specials(mut tokenizer: Tokenizer, tokens: &[&str]) -> tokenizers::Result<Tokenizer> {
    let known = tokens.iter().filter(|token| tokenizer.token_to_id(token).is_some());
    let specials: Vec<AddedToken> = known.map(|&token| AddedToken::from(token, true)).collect();
    tokenizer.add_special_tokens(specials)?;
    Ok(tokenizer)
}
