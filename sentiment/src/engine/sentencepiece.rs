//! The tokenizer of a sentencepiece model, for models without a `tokenizer.json`.
//!
//! The file is a protocol buffer (`sentencepiece_model.proto`): pieces with their log probabilities, and a table of what
//! is replaced before a text is split. The tokenizer that is made of it gives sentencepiece's own ids, with two
//! exceptions, in which it does what a `tokenizer.json` does: a special token in a text stays one token, and a combining
//! mark after a letter that the table replaces is dropped. A model that needs more than this is refused.

use super::tokenizer::{special, unreadable};
use crate::SentimentError;
use prost::Message;
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, Precompiled, Prepend, Replace, Sequence};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::processors::bert::BertProcessing;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, NormalizerWrapper, Tokenizer};

/// What stands for a space inside pieces.
const SPACE: char = '▁';

const REMEDY: &str =
    "write tokenizer.json by AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) in transformers";

#[derive(Message)]
struct SentencePiece {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<Normalizer>,
}

#[derive(Message)]
struct Piece {
    #[prost(string, tag = "1")]
    piece: String,
    #[prost(float, tag = "2")]
    score: f32,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

impl Piece {
    const UNKNOWN: i32 = 2;
    const CONTROL: i32 = 3;
    const USER_DEFINED: i32 = 4;
    const UNUSED: i32 = 5;

    fn is(&self, kind: i32) -> bool {
        self.kind == Some(kind)
    }

    fn is_special(&self) -> bool {
        self.is(Self::UNKNOWN) || self.is(Self::CONTROL)
    }
}

#[derive(Message)]
struct Trainer {
    /// 1 is unigram, which is also the default; 2 is BPE, 3 whole words, 4 characters.
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(bool, tag = "24")]
    treat_whitespace_as_suffix: bool,
    #[prost(bool, tag = "35")]
    byte_fallback: bool,
}

#[derive(Message)]
struct Normalizer {
    #[prost(bytes = "vec", tag = "2")]
    precompiled_charsmap: Vec<u8>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    escape_whitespaces: Option<bool>,
}

/// How a family numbers pieces, and which special tokens it puts around texts.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// `[CLS] text [SEP] company [SEP]`; ids are the numbers of pieces.
    Deberta,
    /// `<s> text </s></s> company </s>`; ids are those of fairseq: `<s>`, `<pad>`, `</s>`, `<unk>`, then the pieces
    /// after the first three.
    XlmRoberta,
}

/// `config.json`, of which only the family is needed here.
#[derive(Deserialize)]
struct Config {
    model_type: String,
}

/// `tokenizer_config.json`; DeBERTa's defaults are not BERT's.
///
/// ```json
/// {"do_lower_case": false, "split_by_punct": false}
/// ```
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    do_lower_case: bool,
    split_by_punct: bool,
}

/// The tokenizer of the model in `path`, whose family `config` names.
pub(super) fn build(path: &Path, config: &Path, settings: Option<&Path>) -> Result<Tokenizer, SentimentError> {
    let unsupported = |what: &str| SentimentError::Unsupported {
        path: path.to_owned(),
        what: what.to_owned(),
        remedy: REMEDY.to_owned(),
    };
    let Config { model_type } = read_json(config)?;
    let layout = match model_type.as_str() {
        "deberta-v2" => Layout::Deberta,
        "xlm-roberta" => Layout::XlmRoberta,
        other => return Err(unsupported(&format!("a sentencepiece model of model_type {other}"))),
    };
    let Settings { do_lower_case, split_by_punct } = settings.map(read_json).transpose()?.unwrap_or_default();
    if split_by_punct {
        return Err(unsupported("split_by_punct"));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let model = SentencePiece::decode(bytes.as_slice()).map_err(|error| {
        unreadable(path, &format!("not a sentencepiece model, or not all of it: {error}; download it again"))
    })?;
    if let Some(what) = unsupported_part(&model) {
        return Err(unsupported(what));
    }
    let wrong = |error: tokenizers::Error| unreadable(path, &error);
    let mut tokenizer = Tokenizer::new(unigram(&model.pieces, layout).map_err(|reason| unreadable(path, &reason))?);
    let normalizer = normalizer(model.normalizer.as_ref(), do_lower_case).map_err(wrong)?;
    tokenizer.with_normalizer(Some(Sequence::new(normalizer))).map_err(wrong)?;
    // Pieces begin with spaces, so a text can be split before each, which is faster; the ids are the same.
    let splits = !model.pieces.iter().any(|piece| piece.piece.chars().skip(1).any(|c| c == SPACE));
    tokenizer.with_pre_tokenizer(Some(Metaspace::new(SPACE, PrependScheme::Never, splits)));
    let token = |token| special(&tokenizer, token, path);
    match layout {
        Layout::Deberta => {
            let processing = BertProcessing::new(token("[SEP]")?, token("[CLS]")?);
            tokenizer.with_post_processor(Some(processing));
        }
        Layout::XlmRoberta => {
            let processing = RobertaProcessing::new(token("</s>")?, token("<s>")?).trim_offsets(false);
            tokenizer.with_post_processor(Some(processing));
        }
    }
    add_tokens(&mut tokenizer, &model.pieces, layout).map_err(wrong)?;
    Ok(tokenizer)
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, SentimentError> {
    let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(path, &error))
}

/// What of the model its tokenizer would not reproduce.
fn unsupported_part(model: &SentencePiece) -> Option<&'static str> {
    if model.trainer.as_ref().and_then(|trainer| trainer.model_type).is_some_and(|kind| kind != 1) {
        return Some("a sentencepiece model that is not a unigram model");
    }
    if model.trainer.as_ref().is_some_and(|trainer| trainer.byte_fallback) {
        return Some("a sentencepiece model with byte_fallback");
    }
    if model.trainer.as_ref().is_some_and(|trainer| trainer.treat_whitespace_as_suffix) {
        return Some("a sentencepiece model with treat_whitespace_as_suffix");
    }
    if model.normalizer.as_ref().is_some_and(|normalizer| normalizer.escape_whitespaces == Some(false)) {
        return Some("a sentencepiece model without escape_whitespaces");
    }
    model.pieces.iter().any(|piece| piece.is(Piece::UNUSED)).then_some("a sentencepiece model with unused pieces")
}

/// Refuses pieces that sentencepiece refuses, too: an empty one would match everywhere.
fn check(pieces: &[Piece]) -> Result<(), String> {
    let mut seen = HashSet::new();
    let wrong = pieces.iter().enumerate().find_map(|(number, Piece { piece, score, .. })| {
        if piece.is_empty() {
            Some(format!("piece {number} is empty"))
        } else if !seen.insert(piece) {
            Some(format!("piece {number}, {piece}, occurs twice"))
        } else {
            (!score.is_finite()).then(|| format!("piece {number}, {piece}, has the score {score}"))
        }
    });
    wrong.map_or(Ok(()), |wrong| Err(format!("{wrong}: the file is damaged; download it again")))
}

fn unigram(pieces: &[Piece], layout: Layout) -> Result<Unigram, String> {
    check(pieces)?;
    let scored = |piece: &Piece| (piece.piece.clone(), f64::from(piece.score));
    let vocabulary: Vec<(String, f64)> = match layout {
        Layout::Deberta => pieces.iter().map(scored).collect(),
        Layout::XlmRoberta => {
            let first: Vec<&str> = pieces.iter().take(3).map(|piece| piece.piece.as_str()).collect();
            if first != ["<unk>", "<s>", "</s>"] {
                return Err(format!("its first pieces are {}, not <unk>, <s>, </s> as in XLM-R", first.join(", ")));
            }
            let fixed = ["<s>", "<pad>", "</s>", "<unk>"].map(|token| (token.to_owned(), 0.0));
            let mask = ("<mask>".to_owned(), 0.0);
            fixed.into_iter().chain(pieces[3..].iter().map(scored)).chain([mask]).collect()
        }
    };
    let unknown = match layout {
        Layout::Deberta => pieces.iter().position(|piece| piece.is(Piece::UNKNOWN)),
        Layout::XlmRoberta => Some(3),
    };
    let unknown = unknown.ok_or("it has no piece for what is unknown")?;
    Unigram::from(vocabulary, Some(unknown), false).map_err(|error| error.to_string())
}

/// What sentencepiece does to a text before it splits it.
fn normalizer(settings: Option<&Normalizer>, lower_case: bool) -> tokenizers::Result<Vec<NormalizerWrapper>> {
    let is_set = |setting: fn(&Normalizer) -> Option<bool>| settings.and_then(setting).unwrap_or(true);
    let replace = |pattern: &str, by: String| Replace::new(ReplacePattern::Regex(pattern.into()), by);
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if lower_case {
        steps.push(Lowercase.into());
    }
    if let Some(table) = settings.map(|settings| &settings.precompiled_charsmap).filter(|table| !table.is_empty()) {
        steps.push(Precompiled::from(table)?.into());
    }
    if is_set(|settings| settings.remove_extra_whitespaces) {
        steps.push(replace("^ +| +$", String::new())?.into());
        steps.push(replace(" {2,}", " ".into())?.into());
    }
    steps.push(replace(" ", SPACE.into())?.into());
    if is_set(|settings| settings.add_dummy_prefix) {
        steps.push(Prepend::new(SPACE.into()).into());
    }
    Ok(steps)
}

/// Special tokens are never split, nor are symbols that the model's author defined.
fn add_tokens(tokenizer: &mut Tokenizer, pieces: &[Piece], layout: Layout) -> tokenizers::Result<()> {
    let mask = match layout {
        Layout::Deberta => "[MASK]",
        Layout::XlmRoberta => "<mask>",
    };
    let fixed: &[&str] = if layout == Layout::XlmRoberta { &["<pad>"] } else { &[] };
    let names = pieces.iter().filter(|piece| piece.is_special()).map(|piece| piece.piece.as_str());
    let special: Vec<AddedToken> =
        names.chain(fixed.iter().copied()).chain([mask]).map(|token| AddedToken::from(token, true)).collect();
    let defined = pieces.iter().filter(|piece| piece.is(Piece::USER_DEFINED));
    let defined: Vec<AddedToken> =
        defined.map(|piece| AddedToken::from(piece.piece.as_str(), false).normalized(false)).collect();
    tokenizer.add_tokens(defined)?;
    tokenizer.add_special_tokens(special)?;
    Ok(())
}
