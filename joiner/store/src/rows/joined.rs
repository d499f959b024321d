//! Rows of `mentions` and `impact`, which share the columns of a mention.
//!
//! A new column of `impact` is one line in [`JoinColumns`]; `migrate` adds it to the table and to the view `report`.

use crate::columns::{Column, Micros, SqlType as _, columns, joined, row_of};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use tapewire_core::story::Fingerprint;
use tapewire_core::{Horizon, Impact, Mention, Run};

columns! { MentionColumns(run: &Run, mention: &Mention) {
    run: &str = run.as_str();
    symbol: &str = mention.symbol.as_ref().map_or("", |symbol| symbol.as_str());
    /// true: tapewire found the company in the text, because the provider named none
    symbol_found: bool = mention.symbol_found;
    provider: &str = &mention.provider;
    article_id: &str = &mention.article_id;
    title: &str = &mention.title;
    publisher: &str = &mention.publisher;
    url: &str = &mention.url;
    published_at: Micros = mention.published_at.into();
    received_at: Micros = mention.received_at.into();
    scored_at: Micros = mention.scored_at.into();
    available_at: Micros = mention.available_at().into();
    relevance: Option<f64> = mention.relevance;
    /// name by which the model was asked about the company; NULL: no name is known, or the article names no company
    asked_as: Option<&str> = mention.asked_as.as_deref();
    p_positive: Option<f64> = mention.probabilities().map(|p| p.positive);
    p_neutral: Option<f64> = mention.probabilities().map(|p| p.neutral);
    p_negative: Option<f64> = mention.probabilities().map(|p| p.negative);
    score: Option<f64> = mention.probabilities().map(|p| p.score());
    label: &str = mention.probabilities().map_or("", |p| p.label());
    model: &str = mention.sentiment.as_ref().map_or("", |sentiment| &sentiment.model);
    model_revision: &str = mention.sentiment.as_ref().map_or("", |sentiment| &sentiment.model_revision);
    unscored: &str = mention.sentiment.as_ref().err().map_or("", |reason| reason.as_str());
}}

columns! { RevisionColumns(mention: &Mention, seq: u64) {
    article_revision: u64 = mention.article_revision;
    windows: Option<u16> = mention.sentiment.as_ref().ok().map(|sentiment| sentiment.windows);
    seq: u64 = seq;
    story_words: Vec<String> = Fingerprint::of(mention).into_words();
}}

columns! { JoinColumns(impact: &Impact) {
    version: u64 = impact.version;
    status: &str = impact.status.as_str();
    reason: &str = impact.status.reason().map_or("", |reason| reason.as_str());
    phase: &str = impact.phase.as_str();
    bar_width_s: Option<u32> = impact.bar_width_s;
    price_before: Option<f64> = impact.price_before;
    price_before_at: Option<Micros> = impact.price_before_at.map(Micros::from);
    entry_at: Option<Micros> = impact.entry_at.map(Micros::from);
    entry_price: Option<f64> = impact.entry_price;
    alpha: Option<f64> = impact.alpha;
    beta: Option<f64> = impact.beta;
    volume_ratio: Option<f64> = impact.volume_ratio;
    /// true: ret_close is measured to the price of the closing auction, or to the close of a daily bar; false: to the close of the last bar of the session
    close_is_official: Option<bool> = impact.close_is_official;
    /// as close_is_official, for ret_next_close
    next_close_is_official: Option<bool> = impact.next_close_is_official;
    /// bars missing from the first tradable minute to the last horizon reached
    missing_bars: Option<u32> = impact.missing_bars.map(|missing| missing.all);
    /// bars missing between the first tradable minute and the entry
    missing_near_entry: Option<u32> = impact.missing_bars.map(|missing| missing.near_entry);
    /// bars missing between each horizon and the price used for it, all horizons together
    missing_near_horizons: Option<u32> = impact.missing_bars.map(|missing| missing.near_horizons);
    flag_stale: bool = impact.quality.stale;
    flag_halted: bool = impact.quality.halted;
    flag_gap: bool = impact.quality.gap;
    /// the opening price is not known, because the bar that holds it starts before the open: the entry is later, or ret_next_open is NULL
    flag_no_open: bool = impact.quality.no_open;
    /// price_before, ret_next_open or ret_next_close is adjusted for a split or a dividend in table actions
    flag_adjusted: bool = impact.quality.adjusted;
    /// a price jumped overnight as if by a split that table actions does not have, or the bars are adjusted already for one that it has; price_before and the outcomes across that night are NULL, except for a jump that looks like 3:2, 4:3 or 5:4, for a known split below 5:4, and if join.possible_splits is "keep"; if it is the benchmark's price, only the abnormal returns across that night are NULL
    flag_possible_split: bool = impact.quality.possible_split;
    flag_late: bool = impact.quality.late;
}}

/// Log returns, then abnormal log returns, by horizon.
const HORIZON_COLUMNS: [Column; 2 * Horizon::COUNT] = {
    let empty = Column { name: "", sql_type: Option::<f64>::SQL, comment: "" };
    let mut columns = [empty; 2 * Horizon::COUNT];
    let mut n = 0;
    while n < Horizon::COUNT {
        columns[n].name = Horizon::ALL[n].return_column();
        columns[n].comment = "log return from the entry";
        columns[Horizon::COUNT + n].name = Horizon::ALL[n].abnormal_column();
        columns[Horizon::COUNT + n].comment = "log return from the entry less what the market model expects";
        n += 1;
    }
    columns
};

const MENTION_COLUMNS: [Column; MentionColumns::COLUMNS.len() + RevisionColumns::COLUMNS.len()] =
    joined(&[MentionColumns::COLUMNS, RevisionColumns::COLUMNS]);

/// All columns of `impact`.
pub(crate) const IMPACT_COLUMNS: [Column; IMPACT_COUNT] =
    joined(&[MentionColumns::COLUMNS, JoinColumns::COLUMNS, &HORIZON_COLUMNS]);

const IMPACT_COUNT: usize = MentionColumns::COLUMNS.len() + JoinColumns::COLUMNS.len() + HORIZON_COLUMNS.len();

/// Row of `mentions`.
#[derive(Debug, Clone, PartialEq)]
pub struct MentionRow {
    run: Run,
    mention: Mention,
    seq: u64,
}

row_of!(MentionRow, MENTION_COLUMNS);

impl MentionRow {
    /// The row of a mention found at `seq` in its partition.
    pub fn new(run: &Run, mention: &Mention, seq: u64) -> Self {
        Self { run: run.clone(), mention: mention.clone(), seq }
    }
}

impl Serialize for MentionRow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut row = to.serialize_struct("MentionRow", MENTION_COLUMNS.len())?;
        MentionColumns::put(&mut row, &self.run, &self.mention)?;
        RevisionColumns::put(&mut row, &self.mention, self.seq)?;
        row.end()
    }
}

/// What a column of `impact` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A text.
    Text,
    /// A float.
    Float,
    /// An integer.
    Integer,
    /// True or false.
    Bool,
    /// A moment; serialized, microseconds since 1970 UTC.
    Moment,
}

impl ColumnKind {
    fn of(sql_type: &str) -> Self {
        let is = |part: &str| sql_type.contains(part);
        match sql_type {
            _ if is("DateTime64") => Self::Moment,
            _ if is("Float") => Self::Float,
            _ if is("Int") => Self::Integer,
            _ if is("Bool") => Self::Bool,
            _ => Self::Text,
        }
    }
}

/// Row of `impact`.
#[derive(Debug, Clone, PartialEq)]
pub struct ImpactRow(Impact);

row_of!(ImpactRow, IMPACT_COLUMNS);

impl ImpactRow {
    /// The row of an impact.
    pub fn new(impact: &Impact) -> Self {
        Self(impact.clone())
    }

    /// The names and kinds of all columns in the table's order.
    pub fn columns() -> impl Iterator<Item = (&'static str, ColumnKind)> {
        IMPACT_COLUMNS.iter().map(|column| (column.name, ColumnKind::of(column.sql_type)))
    }
}

impl Serialize for ImpactRow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let impact = &self.0;
        let mut row = to.serialize_struct("ImpactRow", IMPACT_COLUMNS.len())?;
        MentionColumns::put(&mut row, &impact.run, &impact.mention)?;
        JoinColumns::put(&mut row, impact)?;
        for (column, value) in HORIZON_COLUMNS.iter().zip(impact.returns.iter().chain(&impact.abnormal)) {
            row.serialize_field(column.name, value)?;
        }
        row.end()
    }
}
