//! Scores of a whole replay, kept in a file so that they are computed once.
//!
//! The file has a line for each text and company: a hash of everything that the score depends on, the model included, and
//! the score. After an interruption the next run uses the lines that are there; another model adds lines of its own.

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tapewire_core::{Article, Mention, Probabilities, Run, Sentiment, Unscored};
use tapewire_runtime::Shutdown;
use tapewire_sentiment::companies::Companies;
use tapewire_sentiment::worker::WorkerConfig;
use tapewire_sentiment::worker::mentions::{Question, questions};
use tapewire_sentiment::{Engine, Request, ScoreError, TextScore};

/// Part of each hash. It is changed whenever the scores of the same text, company and model change, for example because
/// texts are cleaned or split into windows in another way.
const SCORING: &str = "tapewire scores 1";

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The hash, in hexadecimal.
    key: String,
    /// `None` where the tokenizer makes no token of the text.
    probabilities: Option<Probabilities>,
    windows: u16,
}

/// A score, or `None` where the tokenizer makes no token of the text.
type Known = Option<(Probabilities, u16)>;

/// The mentions of articles, as the worker makes them, in the order of `articles` and of the companies in each. A score
/// that is in the file of kept scores is not computed again; a new one is added to the file batch by batch.
///
/// # Errors
/// The file can't be read or written; a GPU failed; a signal came.
pub fn mentions(
    run: &Run,
    articles: &[Article],
    companies: &Companies,
    engine: &Engine,
    settings: &WorkerConfig,
    kept: Option<&Path>,
    stop: &Shutdown,
) -> anyhow::Result<Vec<Mention>> {
    let asked: Vec<Question> = articles.iter().flat_map(|article| questions(run, article, companies)).collect();
    let mut scores = Scores::open(kept, engine, settings)?;
    scores.compute(&asked, engine, settings.batch_tokens.get(), stop)?;
    asked.into_iter().map(|question| scores.answer(question, engine)).collect()
}

struct Scores {
    path: Option<PathBuf>,
    file: Option<File>,
    /// Hash of the model and of what else is the same for all texts.
    model: [u8; 32],
    known: HashMap<[u8; 32], Known>,
    /// Texts on which the model failed; tried again next time.
    failed: HashMap<[u8; 32], ScoreError>,
}

impl Scores {
    fn open(path: Option<&Path>, engine: &Engine, settings: &WorkerConfig) -> anyhow::Result<Self> {
        let mut model = Sha256::new();
        let device = settings.engine.device.to_string();
        let labels = settings.engine.labels.as_deref().unwrap_or_default();
        for part in [SCORING, engine.name(), engine.revision(), &device, labels] {
            model.update(part.len().to_le_bytes());
            model.update(part);
        }
        let (file, known) = match path {
            Some(path) => {
                let (file, known) = read(path)?;
                (Some(file), known)
            }
            None => (None, HashMap::new()),
        };
        let path = path.map(Path::to_owned);
        Ok(Self { path, file, model: model.finalize().into(), known, failed: HashMap::new() })
    }

    fn key(&self, request: &Request) -> [u8; 32] {
        Sha256::new_with_prefix(self.model).chain_update(request.key()).finalize().into()
    }

    /// Scores the texts that are not known, in batches of about `batch_tokens` tokens.
    fn compute(
        &mut self,
        asked: &[Question],
        engine: &Engine,
        batch_tokens: usize,
        stop: &Shutdown,
    ) -> anyhow::Result<()> {
        let requests = asked.iter().filter_map(Question::request);
        let mut unknown = HashSet::new();
        let mut missing: Vec<([u8; 32], &Request)> = Vec::new();
        let mut all = 0;
        for request in requests {
            all += 1;
            let key = self.key(request);
            if !self.known.contains_key(&key) && unknown.insert(key) {
                missing.push((key, request));
            }
        }
        let texts = missing.len();
        let bar = progress_bar(missing.iter().map(|(_, request)| request.tokens() as u64).sum());
        let mut rest = missing.as_slice();
        while !rest.is_empty() {
            if stop.is_cancelled() {
                bar.finish_and_clear();
                let done = texts - rest.len();
                match &self.path {
                    Some(path) => bail!(
                        "interrupted after {done} of {texts} texts; the same command continues with the scores in {}",
                        path.display()
                    ),
                    None => {
                        bail!("interrupted after {done} of {texts} texts; with -o or --scores their scores are kept")
                    }
                }
            }
            let mut tokens = 0;
            let fits = rest.iter().take_while(|(_, request)| {
                let before = tokens;
                tokens += request.tokens();
                before < batch_tokens
            });
            let (batch, after) = rest.split_at(fits.count().max(1));
            self.score(batch, engine)?;
            bar.inc(batch.iter().map(|(_, request)| request.tokens() as u64).sum());
            bar.set_message(format!("scored {} of {texts} texts", texts - after.len()));
            rest = after;
        }
        bar.finish_and_clear();
        let hint = if texts > 0 && self.file.is_none() { "; --scores FILE keeps them" } else { "" };
        eprintln!("scored {texts} texts; {} of {all} mentions had a score already or share one{hint}", all - texts);
        Ok(())
    }

    fn score(&mut self, batch: &[([u8; 32], &Request)], engine: &Engine) -> anyhow::Result<()> {
        let inputs: Vec<_> = batch.iter().map(|(_, request)| request.input()).collect();
        let (mut lines, mut broken) = (Vec::new(), None);
        for ((key, _), score) in batch.iter().zip(engine.score(&inputs)) {
            let known = match score {
                Ok(TextScore { probabilities, windows, .. }) => Some((probabilities, windows)),
                Err(ScoreError::NoTokens) => None,
                Err(ScoreError::Device(reason)) => {
                    broken = Some(reason);
                    break;
                }
                Err(error) => {
                    self.failed.insert(*key, error);
                    continue;
                }
            };
            let line = Line {
                key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
                probabilities: known.map(|(probabilities, _)| probabilities),
                windows: known.map_or(0, |(_, windows)| windows),
            };
            serde_json::to_writer(&mut lines, &line).context("a score could not be written as JSON")?;
            lines.push(b'\n');
            self.known.insert(*key, known);
        }
        if let (Some(file), Some(path)) = (&mut self.file, &self.path) {
            // One call, so that a kill can cut off at most the last line.
            file.write_all(&lines).with_context(|| format!("{}: scores can't be written", path.display()))?;
        }
        match (broken, &self.path) {
            (None, _) => Ok(()),
            (Some(reason), Some(path)) => {
                bail!("the GPU failed: {reason}; the scores so far are in {}", path.display())
            }
            (Some(reason), None) => bail!("the GPU failed: {reason}; --scores FILE would keep the scores so far"),
        }
    }

    /// The mention of a question, as the worker sends it.
    fn answer(&self, question: Question, engine: &Engine) -> anyhow::Result<Mention> {
        let key = question.request().map(|request| self.key(request));
        let sentiment: Result<Sentiment, Unscored> = match key.and_then(|key| self.known.get(&key)) {
            Some(&Some((probabilities, windows))) => {
                Ok(engine.sentiment(TextScore { probabilities, logits: None, windows }))
            }
            Some(None) => Err(Unscored::EmptyText),
            None => {
                if let Some(error) = key.and_then(|key| self.failed.get(&key)) {
                    tracing::warn!(article = question.article_id(), %error, "a text has no score; its mention says so");
                }
                Err(question.reason_unscored())
            }
        };
        // Only the live run reads a clock; all other runs take their times from the data.
        Ok(question.answered(sentiment, Timestamp::UNIX_EPOCH).1)
    }
}

/// Opens a file of scores, or makes it. A last line that a kill has cut off is removed.
fn read(path: &Path) -> anyhow::Result<(File, HashMap<[u8; 32], Known>)> {
    let failed = || format!("{}: the file of scores can't be read or made", path.display());
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).with_context(failed)?;
    let mut known = HashMap::new();
    let mut reader = BufReader::new(&file);
    let (mut whole, mut number) = (0_u64, 0);
    let mut bytes = Vec::new();
    let mut torn = false;
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes).with_context(failed)?;
        if read == 0 {
            break;
        }
        number += 1;
        match parsed(&bytes) {
            Some((key, score)) if bytes.ends_with(b"\n") => {
                known.insert(key, score);
                whole += read as u64;
            }
            // A line that this program began and did not finish.
            _ if !bytes.ends_with(b"\n") && (bytes.starts_with(b"{\"key\":") || b"{\"key\":".starts_with(&bytes)) => {
                torn = true;
            }
            _ => bail!(
                "{} line {number}: this is not a line of scores; delete the file to score everything again, or name \
                 another with --scores",
                path.display()
            ),
        }
    }
    if torn {
        file.set_len(whole).with_context(failed)?;
    }
    file.seek(SeekFrom::End(0)).with_context(failed)?;
    Ok((file, known))
}

fn parsed(bytes: &[u8]) -> Option<([u8; 32], Known)> {
    let line: Line = serde_json::from_slice(bytes).ok()?;
    let digits = |at: usize| u8::from_str_radix(line.key.get(2 * at..2 * at + 2)?, 16).ok();
    let mut key = [0; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = digits(at)?;
    }
    let is_share = |value: f64| (0.0..=1.0).contains(&value);
    let is_distribution = |p: &Probabilities| {
        [p.positive, p.neutral, p.negative].into_iter().all(is_share)
            && (p.positive + p.neutral + p.negative - 1.0).abs() < 1e-4
    };
    let is_valid = line.key.len() == 64 && line.probabilities.as_ref().is_none_or(is_distribution);
    is_valid.then_some((key, line.probabilities.map(|probabilities| (probabilities, line.windows))))
}

/// Progress on a terminal, with the time that is left; nothing in a pipe.
fn progress_bar(tokens: u64) -> ProgressBar {
    let bar = ProgressBar::new(tokens);
    let template = "{wide_bar} {percent} %  {msg}  {eta} left";
    bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str) -> String {
        format!(
            "{{\"key\":\"{}\",\"probabilities\":{{\"positive\":0.7,\"neutral\":0.2,\"negative\":0.1}},\"windows\":1}}\n",
            key.repeat(64)
        )
    }

    #[test]
    fn a_torn_line_is_taken_off_and_a_foreign_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.scores.jsonl");
        std::fs::write(&path, line("a") + &line("b")[..40]).unwrap();
        let (file, known) = read(&path).unwrap();
        drop(file);
        let probabilities = Probabilities { positive: 0.7, neutral: 0.2, negative: 0.1 };
        assert_eq!(known, HashMap::from([([0xaa; 32], Some((probabilities, 1)))]));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line("a"));
        let foreign = "{\"id\": 1, \"title\": \"x\"}\n".to_owned();
        for text in
            [foreign.clone(), line("a") + &foreign, "no newline".into(), line("g"), line("a").replace("0.7", "0.9")]
        {
            std::fs::write(&path, &text).unwrap();
            let said = format!("{:#}", read(&path).unwrap_err());
            assert!(said.contains("out.scores.jsonl line ") && said.contains("--scores"), "{said}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
