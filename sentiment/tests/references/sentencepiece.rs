//! Tokenizers of families with sentencepiece models, against sentencepiece's own ids.

use super::Text;
use super::common::{read, train};
use serde_json::json;
use std::path::{Path, PathBuf};
use tapewire_models::TokenizerFiles;
use tapewire_sentiment::SentimentError;
use tapewire_sentiment::engine::tokenizer::{Encoding, TextTokenizer};
use tapewire_sentiment::engine::windows::Overflow;

/// The families of the models in `models/train/sentencepiece_models`.
const FAMILIES: [&str; 2] = ["deberta-v2", "xlm-roberta"];

fn model(family: &str) -> PathBuf {
    train().join("sentencepiece_models").join(family).with_extension("model")
}

/// Reads a sentencepiece model as that of a family.
fn load(model: PathBuf, family: &str, settings: Option<&str>) -> Result<TextTokenizer, SentimentError> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, json!({"model_type": family}).to_string()).unwrap();
    let settings = settings.map(|settings| {
        let path = folder.path().join("tokenizer_config.json");
        std::fs::write(&path, settings).unwrap();
        path
    });
    TextTokenizer::load(&TokenizerFiles::SentencePiece { model, config, settings }, 64)
}

fn one(tokenizer: &TextTokenizer, text: &str, company: Option<&str>) -> Encoding {
    tokenizer.encode(text, company, Overflow::KeepStart).unwrap().remove(0).encoding
}

#[test]
fn ids_are_those_of_sentencepiece() {
    for family in FAMILIES {
        let tokenizer = load_long(family);
        let cases: Vec<Text> = read(&model(family).with_extension("json"));
        assert!(cases.len() > 40);
        for Text { text, company, input_ids, token_type_ids } in cases {
            let found = one(&tokenizer, &text, company.as_deref());
            assert_eq!(found.input_ids, input_ids, "{family}: {text:?} | {company:?}");
            assert_eq!(found.token_type_ids, token_type_ids, "{family}: {text:?} | {company:?}");
        }
    }
}

#[test]
fn windows_of_a_long_text_have_its_special_tokens_and_the_company() {
    // Start, end of the text, end of the company, segment of the company.
    for (family, start, between, end, segment) in
        [("deberta-v2", 1, &[2][..], 2, 1), ("xlm-roberta", 0, &[2, 2][..], 2, 0)]
    {
        let tokenizer = load(model(family), family, None).unwrap();
        let text = "Shares of Quillon Energy slipped in the quarter, ".repeat(6);
        let company = one(&tokenizer, "Selby", None).input_ids;
        let company = &company[1..company.len() - 1];
        let tail = [between, company, &[end]].concat();
        let windows = tokenizer.encode(&text, Some("Selby"), Overflow::Windows).unwrap();
        assert!(windows.len() > 2, "{family}");
        for window in &windows {
            let Encoding { input_ids, token_type_ids } = &window.encoding;
            assert!(input_ids.len() <= 64 && input_ids[0] == start && input_ids.ends_with(&tail), "{family}");
            let company = token_type_ids.iter().filter(|&&kind| kind == 1).count();
            assert_eq!(company, segment * (tail.len() - between.len()), "{family}");
        }
        // The windows without the company, put together, are the text's tokens.
        let whole = load_long(family);
        let whole = one(&whole, &text, None).input_ids;
        let alone = tokenizer.encode(&text, None, Overflow::Windows).unwrap();
        let total: f64 = alone.iter().map(|window| window.weight).sum();
        assert!((total - (whole.len() - 2) as f64).abs() < 1e-9, "{family}: {total}");
        assert!(alone.iter().all(|window| {
            let part = &window.encoding.input_ids[1..window.encoding.input_ids.len() - 1];
            whole.windows(part.len()).any(|at| at == part)
        }));
        // Asked about a company that is named in one window only.
        let text = format!("{text} Selby");
        let about = tokenizer.encode_about(&text, "Selby", |part| part.contains("Selby"), Overflow::Windows).unwrap();
        let asked: Vec<bool> = about.iter().map(|window| window.encoding.input_ids.ends_with(&tail)).collect();
        assert!(asked.last() == Some(&true) && !asked[0], "{family}: {asked:?}");
    }
}

fn load_long(family: &str) -> TextTokenizer {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, json!({"model_type": family}).to_string()).unwrap();
    let files = TokenizerFiles::SentencePiece { model: model(family), config, settings: None };
    TextTokenizer::load(&files, 4096).unwrap()
}

#[test]
fn a_text_of_which_nothing_is_left_is_not_seen() {
    for family in FAMILIES {
        let tokenizer = load(model(family), family, None).unwrap();
        for (text, is_seen) in [("", false), (" ", false), ("\u{200b}\u{a0}", false), (".", true), ("a", true)] {
            assert_eq!(tokenizer.sees(text), Ok(is_seen), "{family}: {text:?}");
        }
    }
}

/// A field of a protocol buffer that holds a number.
fn number(field: u32, value: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut tag = field << 3;
    while tag >= 0x80 {
        bytes.push(tag as u8 | 0x80);
        tag >>= 7;
    }
    bytes.extend([tag as u8, value]);
    bytes
}

/// The model of DeBERTa with one more message at its end, which protocol buffers merge into the one before.
fn with_part(field: u8, part: &[u8]) -> Vec<u8> {
    let mut bytes = std::fs::read(model("deberta-v2")).unwrap();
    bytes.extend([field << 3 | 2, part.len() as u8]);
    bytes.extend(part);
    bytes
}

#[test]
fn what_would_not_give_sentencepieces_ids_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8], family: &str, settings: Option<&str>| {
        let path = folder.path().join("spm.model");
        std::fs::write(&path, bytes).unwrap();
        let error = load(path, family, settings).expect_err("it is refused").to_string();
        assert!(error.contains("spm.model") && !error.contains('{'), "{error}");
        error
    };
    let plain = std::fs::read(model("deberta-v2")).unwrap();
    let unused = with_part(1, &[&[0x0a, 1, b'x'][..], &number(3, 5)].concat());
    for (bytes, family, settings, expected) in [
        (with_part(2, &number(3, 2)), "deberta-v2", None, "not a unigram model is not supported; write tokenizer.json"),
        (with_part(2, &number(35, 1)), "deberta-v2", None, "byte_fallback is not supported"),
        (with_part(2, &number(24, 1)), "deberta-v2", None, "treat_whitespace_as_suffix is not supported"),
        (with_part(3, &number(5, 0)), "deberta-v2", None, "without escape_whitespaces is not supported"),
        (unused, "deberta-v2", None, "unused pieces is not supported"),
        (with_part(1, &[]), "deberta-v2", None, "piece 180 is empty: the file is damaged"),
        (with_part(1, &[0x0a, 5, b'[', b'C', b'L', b'S', b']']), "deberta-v2", None, "piece 180, [CLS], occurs twice"),
        (with_part(1, &[0x0a, 1, b'~', 0x15, 0, 0, 0xc0, 0x7f]), "deberta-v2", None, "has the score NaN"),
        (plain.clone(), "deberta-v2", Some(r#"{"split_by_punct": true}"#), "split_by_punct is not supported"),
        (plain.clone(), "camembert", None, "a sentencepiece model of model_type camembert is not supported"),
        (plain.clone(), "xlm-roberta", None, "its first pieces are [PAD], [CLS], [SEP], not <unk>, <s>, </s>"),
        (plain[..plain.len() / 2].to_vec(), "deberta-v2", None, "not all of it"),
        (b"version https://git-lfs.github.com/spec/v1".to_vec(), "deberta-v2", None, "download it again"),
        (std::fs::read(model("xlm-roberta")).unwrap(), "deberta-v2", None, "it has no token [SEP]"),
    ] {
        let error = refused(&bytes, family, settings);
        assert!(error.contains(expected), "{error} where {expected} was expected");
    }
    // The same bytes with what is no change are read.
    let path = folder.path().join("spm.model");
    std::fs::write(&path, with_part(2, &number(3, 1))).unwrap();
    assert!(load(path, "deberta-v2", Some("{}")).is_ok());
}

#[test]
fn lower_case_is_a_setting_of_deberta() {
    let family = "deberta-v2";
    let [lower, plain] = [r#"{"do_lower_case": true}"#, r#"{"do_lower_case": false}"#]
        .map(|settings| load(model(family), family, Some(settings)).unwrap());
    assert_eq!(one(&lower, "SHARES Fall", None), one(&plain, "shares fall", None));
    assert_ne!(one(&plain, "SHARES Fall", None), one(&plain, "shares fall", None));
    let default = load(model(family), family, None).unwrap();
    assert_eq!(one(&default, "SHARES Fall", None), one(&plain, "SHARES Fall", None));
}

/// `tokenizer.json` as transformers 4 converts DeBERTa's model, with its `[CLS]` and `[SEP]`.
#[test]
fn a_unigram_tokenizer_file_is_read_with_its_own_special_tokens() {
    let json = r###"{
      "version": "1.0", "truncation": null, "padding": null,
      "added_tokens": [
        {"id": 0, "content": "[PAD]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
        {"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
        {"id": 2, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
      "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Strip", "strip_left": true, "strip_right": true},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
      "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}]},
      "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
        "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
                 {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]},
                           "[SEP]": {"id": "[SEP]", "ids": [2], "tokens": ["[SEP]"]}}},
      "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
      "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": false,
                "vocab": [["[PAD]", 0.0], ["[CLS]", 0.0], ["[SEP]", 0.0], ["[UNK]", 0.0],
                          ["▁profit", -2.0], ["▁rose", -2.5], ["▁", -3.0], ["s", -3.5], ["▁pro", -1.5], ["fit", -1.6]]}}"###;
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join("tokenizer.json");
    std::fs::write(path, json).unwrap();
    let tokenizer = TextTokenizer::load(&TokenizerFiles::Json(path.to_owned()), 8).unwrap();
    let found = one(&tokenizer, " profits  rose", Some("pro"));
    assert_eq!(found.input_ids, [1, 4, 7, 5, 2, 8, 2]);
    assert_eq!(found.token_type_ids, [0, 0, 0, 0, 0, 1, 1]);
    // Nine tokens in a model of eight: two windows, each with the company.
    let windows = tokenizer.encode("profit profit rose rose rose", Some("pro"), Overflow::Windows).unwrap();
    assert!(windows.len() > 1);
    for window in windows {
        let Encoding { input_ids, token_type_ids } = window.encoding;
        assert!(input_ids[0] == 1 && input_ids.ends_with(&[2, 8, 2]) && token_type_ids.ends_with(&[0, 1, 1]));
    }
    // Its normalizer and pre-tokenizer leave a space of a text in which nothing else is left.
    assert_eq!(tokenizer.sees("\u{3000}"), Ok(false));
}
