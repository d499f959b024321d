//! Text to tokens, as the model was trained on them.

use super::windows::{self, Long};
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
use tokenizers::{AddedToken, EncodeInput, Encoding, Tokenizer};

/// One text as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tokens {
    /// Token ids, `[CLS]` or what the model has for it first.
    pub ids: Vec<u32>,
    /// Segment ids, one a token: 0 the text, 1 the company.
    pub types: Vec<u32>,
}

/// A stretch of a text, as the model reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The stretch with the special tokens, and the company where the model reads it.
    pub tokens: Tokens,
    /// How many of the text's tokens it speaks for: each token counts once, shared equally by
    /// the windows it stands in.
    pub weight: f64,
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
            TokenizerFiles::ByteLevelBpe { vocabulary, merges, settings } => {
                (vocabulary, build_byte_level_bpe(vocabulary, merges, settings.as_deref())?)
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

/// What `tokenizer_config.json` says of either tokenizer.
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

/// BERT's tokenizer from its vocabulary alone, for models that carry no `tokenizer.json`.
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

/// RoBERTa's tokenizer from its vocabulary and merges, for models that carry no `tokenizer.json`.
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

fn special(tokenizer: &Tokenizer, token: &str, vocabulary: &Path) -> Result<(String, u32), SentimentError> {
    let id = tokenizer.token_to_id(token).ok_or_else(|| unreadable(vocabulary, &format!("no {token} in it")))?;
    Ok((token.to_owned(), id))
}

/// Those of `tokens` that the vocabulary has are never divided.
fn with_specials(mut tokenizer: Tokenizer, tokens: &[&str]) -> tokenizers::Result<Tokenizer> {
    let known = tokens.iter().filter(|token| tokenizer.token_to_id(token).is_some());
    let specials: Vec<AddedToken> = known.map(|&token| AddedToken::from(token, true)).collect();
    tokenizer.add_special_tokens(specials)?;
    Ok(tokenizer)
}
