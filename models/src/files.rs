//! The files of one model.

use crate::ModelError;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// The weights, in one of the two common formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weights {
    /// `model.safetensors`.
    Safetensors(PathBuf),
    /// `pytorch_model.bin`: pickles, in a zip since PyTorch 1.6.
    PyTorch(PathBuf),
}

impl Weights {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Safetensors(path) | Self::PyTorch(path) => path,
        }
    }
}

/// The files of the tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenizerFiles {
    /// `tokenizer.json`: the complete tokenizer.
    Json(PathBuf),
    /// `vocab.txt`: the vocabulary of WordPiece, and its settings if there are any.
    Vocabulary {
        /// One token per line; its line number, counted from 0, is its id.
        vocabulary: PathBuf,
        /// `tokenizer_config.json`.
        settings: Option<PathBuf>,
    },
    /// `vocab.json` and `merges.txt`: the byte-level BPE of GPT-2 and RoBERTa, and its settings if there are any.
    ByteLevelBpe {
        /// Ids by token.
        vocabulary: PathBuf,
        /// Pairs that are merged, in the order of their priority.
        merges: PathBuf,
        /// `tokenizer_config.json`.
        settings: Option<PathBuf>,
    },
    /// `spm.model`, `sentencepiece.bpe.model` or `spiece.model`: a model of sentencepiece, and its settings if there
    /// are any.
    SentencePiece {
        /// A protocol buffer of pieces and settings.
        model: PathBuf,
        /// `config.json`: families differ in how they number pieces.
        config: PathBuf,
        /// `tokenizer_config.json`.
        settings: Option<PathBuf>,
    },
}

/// The files of a complete model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// The name that rows carry: the hub name, or the name of the folder.
    pub name: String,
    /// The revision that rows carry: the hub's commit, or the SHA-256 of the weights, in hex.
    pub revision: String,
    /// Architecture, sizes and labels: `config.json`.
    pub config: PathBuf,
    /// The weights.
    pub weights: Weights,
    /// The tokenizer.
    pub tokenizer: TokenizerFiles,
}

const CONFIG: &str = "config.json";
const SAFETENSORS: &str = "model.safetensors";
const PYTORCH: &str = "pytorch_model.bin";
const TOKENIZER: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.txt";
const BPE_VOCABULARY: &str = "vocab.json";
const BPE_MERGES: &str = "merges.txt";
const TOKENIZER_SETTINGS: &str = "tokenizer_config.json";
/// As DeBERTa, XLM-R, and other families call it.
const SENTENCEPIECE: [&str; 3] = ["spm.model", "sentencepiece.bpe.model", "spiece.model"];

const NO_TOKENIZER: &str = "tokenizer.json, vocab.txt, vocab.json with merges.txt, spm.model, \
    sentencepiece.bpe.model or spiece.model (another tokenizer becomes tokenizer.json by \
    AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) in transformers)";

impl ModelFiles {
    /// Finds a model's files in a folder. `revision` defaults to the hash of the weights.
    ///
    /// # Errors
    /// [`ModelError::Incomplete`] naming the file, [`ModelError::Io`] if the weights can't be hashed.
    pub(crate) fn in_folder(folder: &Path, name: &str, revision: Option<String>) -> Result<Self, ModelError> {
        let find = |file: &str| Some(folder.join(file)).filter(|path| path.is_file());
        let incomplete =
            |missing| ModelError::Incomplete { model: name.to_owned(), folder: folder.to_owned(), missing };

        let config = find(CONFIG).ok_or_else(|| incomplete(CONFIG))?;
        let weights = find(SAFETENSORS)
            .map(Weights::Safetensors)
            .or_else(|| find(PYTORCH).map(Weights::PyTorch))
            .ok_or_else(|| incomplete("model.safetensors or pytorch_model.bin"))?;
        let tokenizer = find(TOKENIZER)
            .map(TokenizerFiles::Json)
            .or_else(|| {
                let vocabulary = find(VOCABULARY)?;
                Some(TokenizerFiles::Vocabulary { vocabulary, settings: find(TOKENIZER_SETTINGS) })
            })
            .or_else(|| {
                let (vocabulary, merges) = (find(BPE_VOCABULARY)?, find(BPE_MERGES)?);
                Some(TokenizerFiles::ByteLevelBpe { vocabulary, merges, settings: find(TOKENIZER_SETTINGS) })
            })
            .or_else(|| {
                let model = SENTENCEPIECE.into_iter().find_map(find)?;
                let config = config.clone();
                Some(TokenizerFiles::SentencePiece { model, config, settings: find(TOKENIZER_SETTINGS) })
            })
            .ok_or_else(|| incomplete(NO_TOKENIZER))?;
        let revision = match revision {
            Some(revision) => revision,
            None => sha256(weights.path())?,
        };
        Ok(Self { name: name.to_owned(), revision, config, weights, tokenizer })
    }

    /// The files of a hub repository that are needed: one tokenizer and one copy of the weights.
    pub(crate) fn files_to_download<'a>(offered: &[&'a str]) -> Vec<&'a str> {
        let pick = |names: &[&str]| names.iter().find_map(|name| offered.iter().find(|file| *file == name)).copied();
        let tokenizer = match (pick(&[TOKENIZER, VOCABULARY]), pick(&[BPE_VOCABULARY]), pick(&[BPE_MERGES])) {
            (Some(whole), ..) => [Some(whole), None],
            (None, vocabulary @ Some(_), merges @ Some(_)) => [vocabulary, merges],
            (None, vocabulary, merges) => match pick(&SENTENCEPIECE) {
                Some(model) => [Some(model), None],
                None => [vocabulary, merges],
            },
        };
        let others = [pick(&[CONFIG]), pick(&[TOKENIZER_SETTINGS]), pick(&[SAFETENSORS, PYTORCH])];
        others.into_iter().chain(tokenizer).flatten().collect()
    }
}

/// SHA-256 of a file, lower-case hex.
pub(crate) fn sha256(path: &Path) -> Result<String, ModelError> {
    digest(path, Sha256::new())
}

/// Git's hash of a file with this content: the SHA-1 of its length and bytes, lower-case hex.
pub(crate) fn git_blob(path: &Path) -> Result<String, ModelError> {
    let length = path.metadata().map_err(|source| ModelError::Io { path: path.to_owned(), source })?.len();
    digest(path, Sha1::new_with_prefix(format!("blob {length}\0")))
}

fn digest(path: &Path, mut hasher: impl Digest) -> Result<String, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
    let mut block = vec![0; 1 << 20];
    loop {
        let read = reader.read(&mut block).map_err(io)?;
        if read == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&block[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_and_the_better_format_preferred() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), name).unwrap();
        let find = || ModelFiles::in_folder(folder.path(), "m", None);
        for (missing, next) in [(CONFIG, CONFIG), (PYTORCH, PYTORCH), (VOCABULARY, VOCABULARY)] {
            assert!(find().unwrap_err().to_string().contains(missing));
            write(next);
        }
        let files = find().unwrap();
        assert_eq!(files.weights, Weights::PyTorch(folder.path().join(PYTORCH)));
        let vocabulary = folder.path().join(VOCABULARY);
        assert_eq!(files.tokenizer, TokenizerFiles::Vocabulary { vocabulary: vocabulary.clone(), settings: None });

        std::fs::remove_file(&vocabulary).unwrap();
        write(BPE_VOCABULARY);
        assert!(find().unwrap_err().to_string().contains(BPE_MERGES));
        write(BPE_MERGES);
        let (vocabulary, merges) = (folder.path().join(BPE_VOCABULARY), folder.path().join(BPE_MERGES));
        assert_eq!(find().unwrap().tokenizer, TokenizerFiles::ByteLevelBpe { vocabulary, merges, settings: None });

        std::fs::remove_file(folder.path().join(BPE_MERGES)).unwrap();
        let config = folder.path().join(CONFIG);
        for name in SENTENCEPIECE.iter().rev() {
            write(name);
            let model = folder.path().join(name);
            let found = find().unwrap().tokenizer;
            assert_eq!(found, TokenizerFiles::SentencePiece { model, config: config.clone(), settings: None });
        }

        write(SAFETENSORS);
        write(TOKENIZER);
        let files = find().unwrap();
        assert_eq!(files.weights, Weights::Safetensors(folder.path().join(SAFETENSORS)));
        assert_eq!(files.tokenizer, TokenizerFiles::Json(folder.path().join(TOKENIZER)));
        // sha256 of the bytes "model.safetensors"
        assert_eq!(files.revision, sha256(&folder.path().join(SAFETENSORS)).unwrap());
        assert_eq!(files.revision.len(), 64);
    }

    #[test]
    fn one_tokenizer_and_one_copy_of_the_weights_are_wanted() {
        let wanted = |offered: &[&'static str]| {
            let mut wanted = ModelFiles::files_to_download(offered);
            wanted.sort_unstable();
            wanted.join(" ")
        };
        let all = [CONFIG, PYTORCH, SAFETENSORS, TOKENIZER, VOCABULARY, BPE_VOCABULARY, BPE_MERGES, "README.md"];
        assert_eq!(wanted(&all), "config.json model.safetensors tokenizer.json");
        let old = [CONFIG, PYTORCH, BPE_VOCABULARY, BPE_MERGES];
        assert_eq!(wanted(&old), "config.json merges.txt pytorch_model.bin vocab.json");
        let deberta = [CONFIG, SAFETENSORS, "spm.model", "added_tokens.json", TOKENIZER_SETTINGS];
        assert_eq!(wanted(&deberta), "config.json model.safetensors spm.model tokenizer_config.json");
        let xlm_r = [CONFIG, PYTORCH, SAFETENSORS, "sentencepiece.bpe.model"];
        assert_eq!(wanted(&xlm_r), "config.json model.safetensors sentencepiece.bpe.model");
        let both = [CONFIG, SAFETENSORS, "sentencepiece.bpe.model", TOKENIZER];
        assert_eq!(wanted(&both), "config.json model.safetensors tokenizer.json");
    }

    #[test]
    fn hashes_match_sha256sum_and_git_hash_object() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(file.path()).unwrap(), of_abc);
        assert_eq!(git_blob(file.path()).unwrap(), "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
    }
}
