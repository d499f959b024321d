//! Columns of the inputs, the choice of the text column, and the columns that scores are written to.

use super::FilesError;
use super::row::json;
use serde_json::value::RawValue;
use std::collections::HashMap;
use tapewire_core::Probabilities;
use tapewire_sentiment::TextScore;
use tapewire_sentiment::companies::Company;

/// Names of the text column if none is given, in order of preference.
const DEFAULT_TEXT_COLUMNS: [&str; 4] = ["text", "headline", "title", "sentence"];

/// A column of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    /// Its type in a typed output (Parquet); `None` if every value so far is null.
    pub kind: Option<Kind>,
}

impl Column {
    pub fn text(name: &str) -> Self {
        Self { name: name.to_owned(), kind: Some(Kind::Text) }
    }
}

/// Merges columns by name; a column gets the narrowest kind that holds the values of all.
pub(crate) fn unite(columns: &mut Vec<Column>, more: impl IntoIterator<Item = Column>) {
    let mut places: HashMap<String, usize> =
        (0..).zip(&*columns).map(|(at, column)| (column.name.clone(), at)).collect();
    for Column { name, kind } in more {
        let at = *places.entry(name).or_insert_with_key(|name| {
            columns.push(Column { name: name.clone(), kind });
            columns.len() - 1
        });
        let known = columns[at].kind;
        columns[at].kind = known.zip(kind).map_or(known.or(kind), |(known, kind)| Some(known.union(kind)));
    }
}

/// The type of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// 64-bit integers.
    Int,
    Float,
    Text,
    /// Anything, as JSON text.
    Json,
}

/// Integers up to this magnitude are exact as doubles.
const LARGEST_EXACT: u64 = 1 << 53;

impl Kind {
    /// The kind of a value; `None` for null, which every kind holds.
    pub fn of(value: &RawValue) -> Option<Self> {
        match value.get().as_bytes().first()? {
            b'n' => None,
            b't' | b'f' => Some(Self::Bool),
            b'"' => Some(Self::Text),
            b'{' | b'[' => Some(Self::Json),
            _ if value.get().parse::<i64>().is_ok() => Some(Self::Int),
            _ if value.get().bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => Some(Self::Float),
            // An integer outside the range of `i64`, which fits into none of the numeric types.
            _ => Some(Self::Json),
        }
    }

    /// The narrowest kind that holds both.
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            _ if self == other => self,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::Json,
        }
    }

    /// Whether a column of this kind holds the value without changing it.
    pub fn holds(self, value: &RawValue) -> bool {
        match (self, Self::of(value)) {
            (_, None) | (Self::Json, _) => true,
            (Self::Float, Some(Self::Int)) => {
                value.get().parse::<i64>().is_ok_and(|number| number.unsigned_abs() <= LARGEST_EXACT)
            }
            // A JSON string may contain an unpaired surrogate, which is not valid text.
            (Self::Text, Some(Self::Text)) => serde_json::from_str::<String>(value.get()).is_ok(),
            (kind, Some(other)) => kind == other,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Text => "a text",
            Self::Json => "anything",
        }
    }
}

/// The columns that the user chose.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The column with the text; by default it is found by its name.
    pub text: Option<String>,
    /// The column with the company.
    pub company: Option<String>,
}

impl Selection {
    /// Indices of the text and company columns.
    pub(crate) fn find(&self, input: &str, columns: &[Column]) -> Result<(usize, Option<usize>), FilesError> {
        let position = |name: &str| columns.iter().position(|column| column.name == name);
        let missing = |wanted: String, option: &'static str| FilesError::NoColumn {
            input: input.to_owned(),
            wanted,
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            option: option.into(),
        };
        let text = match &self.text {
            Some(name) => position(name).ok_or_else(|| missing(name.clone(), "--text-column"))?,
            None => DEFAULT_TEXT_COLUMNS
                .iter()
                .find_map(|default| columns.iter().position(|column| column.name.trim().eq_ignore_ascii_case(default)))
                .ok_or_else(|| missing(DEFAULT_TEXT_COLUMNS.join(" or "), "--text-column"))?,
        };
        let company = match &self.company {
            Some(name) => Some(position(name).ok_or_else(|| missing(name.clone(), "--company-column"))?),
            None => None,
        };
        Ok((text, company))
    }
}

/// The contents of the score columns of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Score {
    pub probabilities: Probabilities,
    /// The name by which the model was asked about the company; `None` if the text was scored as a whole.
    pub asked_as: Option<Box<str>>,
    /// See [`TextScore::windows`].
    pub windows: u16,
}

impl Score {
    /// The score of a text for a company.
    pub fn new(scored: &TextScore, text: &str, company: Option<&Company>) -> Self {
        let asked_as = Self::asked_as(text, company);
        Self { probabilities: scored.probabilities, asked_as, windows: scored.windows }
    }

    /// The name by which a model is asked about a company in a text.
    pub fn asked_as(text: &str, company: Option<&Company>) -> Option<Box<str>> {
        // A line break inside the name becomes a space, because an output is continued line by line.
        let in_a_line = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").into();
        company.and_then(|company| company.name_in(text)).map(in_a_line)
    }
}

/// The columns that scores are written to. All of them are NULL if a text has no score.
#[derive(Debug, Clone)]
pub(crate) struct ScoreColumns {
    names: [String; 9],
    model: Box<RawValue>,
    model_revision: Box<RawValue>,
}

impl ScoreColumns {
    const NAMES: [&str; 9] =
        ["p_positive", "p_neutral", "p_negative", "score", "label", "model", "model_revision", "asked_as", "windows"];
    #[rustfmt::skip]
    pub const KINDS: [Kind; 9] = [
        Kind::Float, Kind::Float, Kind::Float, Kind::Float, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::Int,
    ];

    /// Columns for the scores of a model.
    pub fn new(prefix: &str, model: &str, revision: &str) -> Self {
        Self {
            names: Self::NAMES.map(|name| format!("{prefix}{name}")),
            model: json(model),
            model_revision: json(revision),
        }
    }

    pub fn names(&self) -> &[String; 9] {
        &self.names
    }

    /// Refuses inputs with columns of these names: no column is overwritten or renamed unless the user asks for it.
    pub fn check<'a>(&self, columns: impl Iterator<Item = &'a str>) -> Result<(), FilesError> {
        let names: Vec<String> = columns.filter(|name| self.has(name)).map(str::to_owned).collect();
        if names.is_empty() { Ok(()) } else { Err(FilesError::Clash { names }) }
    }

    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|ours| ours == name)
    }

    /// The values as JSON text.
    pub fn cells(&self, scored: Option<&Score>) -> [String; 9] {
        std::array::from_fn(|column| self.cell(column, scored))
    }

    /// One of the values as JSON text. Numbers have six decimals: probabilities are multiples of 1e-6, so nothing is
    /// lost.
    pub fn cell(&self, column: usize, scored: Option<&Score>) -> String {
        let Some(Score { probabilities, asked_as, windows }) = scored else { return "null".into() };
        let number = |number: f64| format!("{number:.6}");
        match column {
            0 => number(probabilities.positive),
            1 => number(probabilities.neutral),
            2 => number(probabilities.negative),
            3 => number(probabilities.score()),
            4 => format!("\"{}\"", probabilities.label()),
            5 => self.model.get().to_owned(),
            6 => self.model_revision.get().to_owned(),
            7 => json(asked_as).get().to_owned(),
            _ => windows.to_string(),
        }
    }

    /// The inverse of [`Self::cells`]: `Some(None)` if they contain no score, `None` if they are not valid.
    pub fn read(cells: &[&str]) -> Option<Option<Score>> {
        let [positive, neutral, negative, .., asked_as, windows] = cells else { return None };
        if positive.is_empty() || *positive == "null" {
            return Some(None);
        }
        let probabilities = Probabilities {
            positive: positive.parse().ok()?,
            neutral: neutral.parse().ok()?,
            negative: negative.parse().ok()?,
        };
        let asked_as = match *asked_as {
            "" | "null" => None,
            json if json.starts_with('"') => Some(serde_json::from_str(json).ok()?),
            text => Some(text.into()),
        };
        Some(Some(Score { probabilities, asked_as, windows: windows.parse().ok()? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| Column::text(name)).collect()
    }

    #[test]
    fn the_text_column_is_found_by_name_or_the_error_lists_all_names() {
        let find = |names: &[&str], text: Option<&str>, company: Option<&str>| {
            let selection = Selection { text: text.map(str::to_owned), company: company.map(str::to_owned) };
            selection.find("news.csv", &columns(names)).map_err(|error| error.to_string())
        };
        assert_eq!(find(&["id", "Title", " HEADLINE "], None, None), Ok((2, None)));
        assert_eq!(find(&["id", "body", "ticker"], Some("body"), Some("ticker")), Ok((1, Some(2))));
        for (text, company, option) in [
            (None, None, "--text-column"),
            (Some("x"), None, "--text-column"),
            (Some("id"), Some("x"), "--company-column"),
        ] {
            let error = find(&["id", "body"], text, company).unwrap_err();
            assert!(["news.csv", "id, body", option].iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn a_kind_holds_its_values_and_nothing_that_it_would_change() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        for (values, kind) in [
            (&["1", "null", "-7"][..], Kind::Int),
            (&["1", "2.5"], Kind::Float),
            (&["true", "null"], Kind::Bool),
            (&["\"a\""], Kind::Text),
            (&["1", "\"a\""], Kind::Json),
            (&["123456789012345678901234567890"], Kind::Json),
            (&["{}", "[1]"], Kind::Json),
        ] {
            let values: Vec<_> = values.iter().map(|value| raw(value)).collect();
            let joined = values.iter().filter_map(|value| Kind::of(value)).reduce(Kind::union).unwrap();
            assert_eq!(joined, kind, "{values:?}");
            assert!(values.iter().all(|value| joined.holds(value)), "{values:?}");
        }
        assert!(!Kind::Int.holds(&raw("1.5")));
        assert!(!Kind::Float.holds(&raw("9007199254740993")));
        assert!(!Kind::Text.holds(&raw(r#""\ud800""#)));
    }

    proptest! {
        #[test]
        fn written_scores_can_be_read_back(
            parts in (0u32..=1_000_000, 0u32..=1_000_000),
            asked_as in proptest::option::of("\\PC{1,20}"),
            windows: u16,
        ) {
            let positive = parts.0;
            let neutral = parts.1.min(1_000_000 - positive);
            let part = |part: u32| f64::from(part) / 1e6;
            let probabilities =
                Probabilities { positive: part(positive), neutral: part(neutral), negative: part(1_000_000 - positive - neutral) };
            let scored = Score { probabilities, asked_as: asked_as.map(Box::from), windows };
            let columns = ScoreColumns::new("", "m", "r");
            let cells = columns.cells(Some(&scored));
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            prop_assert_eq!(ScoreColumns::read(&cells), Some(Some(scored)));
        }
    }
}
