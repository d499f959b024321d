//! Whether the scores of an earlier run are those that this run would give.
//!
//! An output has the rows, the model and the names that it was asked by, but not which column had the texts, nor which
//! labels the settings renamed. So the first scores are computed again, and the names of all are compared.

use super::columns::Score;
use super::row::{Item, Row};
use super::{FilesError, JobEvent, Run};
use std::sync::Arc;
use tapewire_sentiment::companies::Company;
use tapewire_sentiment::{Input, ScoreError};

/// How many scores of an earlier run are computed again.
const COMPUTED_AGAIN: usize = 8;

/// How far a probability may be from the one that is computed again: not all processors round in the same way.
const NEAR: f64 = 0.01;

/// A score of an earlier run, and what it is of.
struct Continued<'a> {
    row: &'a Row,
    score: &'a Score,
    company: Option<Arc<Company>>,
}

impl<T: FnMut(JobEvent<'_>)> Run<'_, T> {
    /// Compares what an earlier run wrote of some rows with what this run would write.
    ///
    /// # Errors
    /// [`FilesError::Differs`]; [`FilesError::Device`].
    pub(super) fn check_continued(
        &mut self,
        items: &[Item],
        known: &[Option<Option<Score>>],
    ) -> Result<(), FilesError> {
        let mut again = Vec::new();
        for (item, known) in items.iter().zip(known) {
            let (Item::Row(row), Some(Some(score))) = (item, known) else { continue };
            let continued = self.checked(row, score)?;
            if self.computed_again + again.len() < COMPUTED_AGAIN {
                again.push(continued);
            }
        }
        self.computed_again += again.len();
        let inputs: Vec<Input<'_>> = again
            .iter()
            .filter_map(|of| Some(Input::new(of.row.text.as_deref().ok()?, of.company.as_deref())))
            .collect();
        for (of, answer) in again.iter().zip(self.engine.score(&inputs)) {
            let now = match answer {
                Ok(scored) => scored.probabilities,
                Err(ScoreError::Device(reason)) => return Err(FilesError::Device(reason)),
                Err(error) => return Err(self.differs(of.row, &format!("it has a score there, and here: {error}"))),
            };
            let then = of.score.probabilities;
            let pairs = [(now.positive, then.positive), (now.neutral, then.neutral), (now.negative, then.negative)];
            if pairs.iter().any(|(now, then)| (now - then).abs() > NEAR) {
                let (now, then) = (now.score(), then.score());
                return Err(self.differs(of.row, &format!("its score is {then:.6} there, and {now:.6} here")));
            }
        }
        Ok(())
    }

    /// Refuses the score of an earlier run where the row has none now, or one about another company.
    fn checked<'r>(&self, row: &'r Row, score: &'r Score) -> Result<Continued<'r>, FilesError> {
        let none = |reason: &String| self.differs(row, &format!("it has a score there, and none here: {reason}"));
        let text = row.text.as_deref().map_err(none)?;
        let company = self.company(row).map_err(|reason| none(&reason))?;
        let asked_as = Score::asked_as(text, company.as_deref());
        if asked_as != score.asked_as {
            let about = |name: &Option<Box<str>>| match name {
                Some(name) => format!("about {name}"),
                None => "about no company".to_owned(),
            };
            let (then, now) = (about(&score.asked_as), about(&asked_as));
            return Err(self.differs(row, &format!("its score is {then} there, and would be {now} here")));
        }
        Ok(Continued { row, score, company })
    }

    /// The error of a row that this run would write in another way.
    pub(super) fn differs(&self, row: &Row, problem: &str) -> FilesError {
        let place = self.job.output.as_ref().map_or_else(String::new, |path| path.display().to_string());
        FilesError::Differs {
            place,
            problem: format!(
                "it was not made from this input with these options (the columns of texts and companies, --company, \
                 the labels, the tables of companies): of {}, {problem}",
                row.place
            ),
        }
    }
}
