//! Text to tokens, as the model was trained on them.

use super::windows::{self, Long, Window};
use crate::{ScoreError, SentimentError};
use serde::Deserialize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tapewire_models::TokenizerFiles;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, EncodeInput, Encoding, Tokenizer};

/// One text as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tokens {
    /// Token ids, `[CLS]` first.
    pub ids: Vec<u32>,
    /// Segment ids, one a token: 0 the text, 1 the company.
    pub types: Vec<u32>,
}

/// A tokenizer with the model's length limit.
#[derive(Debug)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    limit: usize,
}

impl TextTokenizer {
    /// Reads the tokenizer. Padding and truncation baked into a `tokenizer.json` are dropped:
    /// they belong to how the model was trained, not to how it is used here.
    ///
    /// # Errors
    /// [`SentimentError::Unreadable`].
    pub fn load(files: &TokenizerFiles, limit: usize) -> Result<Self, SentimentError> {
        let (path, mut tokenizer) = match files {
            TokenizerFiles::Json(path) => (path, read_json(path)?),
            TokenizerFiles::Vocabulary { vocabulary, settings } => {
                (vocabulary, build_wordpiece(vocabulary, settings.as_deref())?)
            }
        };
        tokenizer.with_padding(None).with_truncation(None).map_err(|error| unreadable(path, &error))?;
        Ok(Self { tokenizer, limit })
    }

    /// `[CLS] text [SEP]`, or `[CLS] text [SEP] company [SEP]`: one window, or several of them
    /// where the text is beyond the model's limit. The company is in each and is never cut.
    ///
    /// # Errors
    /// [`ScoreError::Tokenizer`]; for a text beyond the limit [`ScoreError::CompanyTooLong`], and
    /// [`ScoreError::Length`] where such texts are refused.
    pub fn encode(&self, text: &str, company: Option<&str>, long: Long) -> Result<Vec<Window>, ScoreError> {
        let input: EncodeInput<'_> = match company {
            Some(company) => (text, company).into(),
            None => text.into(),
        };
        // The tokenizer has been known to panic on odd Unicode; one text must not stop the others.
        let encoding = catch_unwind(AssertUnwindSafe(|| self.tokenizer.encode_fast(input, true)))
            .map_err(|_| ScoreError::Tokenizer("it panicked".into()))?
            .map_err(|error| ScoreError::Tokenizer(error.to_string()))?;
        if encoding.len() <= self.limit {
            let tokens = Tokens { ids: encoding.get_ids().to_vec(), types: encoding.get_type_ids().to_vec() };
            return Ok(vec![Window { tokens, weight: 1.0 }]);
        }
        self.cut(&encoding, long)
    }

    fn cut(&self, encoding: &Encoding, long: Long) -> Result<Vec<Window>, ScoreError> {
        let is_text = |at: &usize| encoding.token_to_sequence(*at) == Some(0);
        let start = (0..encoding.len()).find(is_text).unwrap_or_default();
        let length = (start..encoding.len()).take_while(is_text).count();
        let room = self.limit.saturating_sub(encoding.len() - length);
        // Windows that were mostly company would be many and say little.
        if room < self.limit / 2 || room == 0 {
            return Err(ScoreError::CompanyTooLong { limit: self.limit });
        }
        let mut places = windows::places(length, room);
        match long {
            Long::Windows => {}
            Long::Beginning => places.truncate(1),
            Long::End => drop(places.drain(..places.len() - 1)),
            Long::Refuse => return Err(ScoreError::Length { tokens: encoding.len(), limit: self.limit }),
        }
        let weights = windows::weights(&places, length);
        let window = |(place, weight): (&Range<usize>, f64)| {
            let (place, after) = (start + place.start..start + place.end, start + length);
            let around = |numbers: &[u32]| [&numbers[..start], &numbers[place.clone()], &numbers[after..]].concat();
            Window {
                tokens: Tokens { ids: around(encoding.get_ids()), types: around(encoding.get_type_ids()) },
                weight,
            }
        };
        Ok(places.iter().zip(weights).map(window).collect())
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> SentimentError {
    SentimentError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

fn read_json(path: &Path) -> Result<Tokenizer, SentimentError> {
    Tokenizer::from_file(path).map_err(|error| unreadable(path, &error))
}

/// What `tokenizer_config.json` says about BERT's tokenizer.
#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    do_lower_case: bool,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { do_lower_case: true, strip_accents: None, tokenize_chinese_chars: true }
    }
}

/// BERT's tokenizer from its vocabulary alone, for models that carry no `tokenizer.json`.
fn build_wordpiece(vocabulary: &Path, settings: Option<&Path>) -> Result<Tokenizer, SentimentError> {
    let settings = match settings {
        None => Settings::default(),
        Some(path) => {
            let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
            serde_json::from_slice(&text).map_err(|error| unreadable(path, &error))?
        }
    };
    let bytes = std::fs::read(vocabulary).map_err(|error| unreadable(vocabulary, &error))?;
    let model = WordPiece::read_bytes(&bytes)
        .and_then(|tokens| WordPiece::builder().vocab(tokens).unk_token("[UNK]".into()).build())
        .map_err(|error| unreadable(vocabulary, &error))?;
    let mut tokenizer = Tokenizer::new(model);
    let special = |token: &'static str| {
        let id = tokenizer.token_to_id(token);
        id.map(|id| (token.to_owned(), id)).ok_or_else(|| unreadable(vocabulary, &format!("no {token} in it")))
    };
    let (separator, classifier) = (special("[SEP]")?, special("[CLS]")?);
    let normalizer =
        BertNormalizer::new(true, settings.tokenize_chinese_chars, settings.strip_accents, settings.do_lower_case);
    tokenizer.with_normalizer(Some(normalizer)).map_err(|error| unreadable(vocabulary, &error))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(separator, classifier)));
    let specials: Vec<AddedToken> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .into_iter()
        .filter(|token| tokenizer.token_to_id(token).is_some())
        .map(|token| AddedToken::from(token, true))
        .collect();
    tokenizer.add_special_tokens(specials).map_err(|error| unreadable(vocabulary, &error))?;
    Ok(tokenizer)
}
