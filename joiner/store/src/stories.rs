//! Views of stories that are told again, with the rules of [`tapewire_core::story`], and of the sentiment index.

use tapewire_core::story::{
    ALIKE, CAPITAL_MARK, DENIAL, EXACT_MARKS, FREQUENT_MARKS, FREQUENT_WEIGHT, MARKS, NAME_MARK, SHARED, SPAN, WEIGHT,
};

/// The bits of a word's code that say what kind of word it is. The other bits are a hash. Two opposites (`+raise`,
/// `-raise`) have the same hash, and so have a word and the mark of its capital letter (`acme`, `^acme`).
const KIND: u64 = (1 << 12) - 1;
/// The weight: 0 none, 1 [`FREQUENT_WEIGHT`], 2 [`WEIGHT`].
const WEIGHT_BITS: u64 = 3;
const UP: u64 = 1 << 2;
const DOWN: u64 = 1 << 3;
/// One for each of [`EXACT_MARKS`].
const EXACT: [u64; EXACT_MARKS.len()] = [1 << 4, 1 << 5, 1 << 6, 1 << 7];
const DENIES: u64 = 1 << 8;
const OWN_NAME: u64 = 1 << 9;
/// It may be a name: it has none of [`MARKS`].
const PLAIN: u64 = 1 << 10;

fn quoted(marks: &[char]) -> String {
    marks.iter().map(|mark| format!("'{mark}'")).collect::<Vec<_>>().join(", ")
}

/// SQL of the code of word `w`.
fn word_code() -> String {
    let exact = EXACT_MARKS.iter().zip(EXACT).map(|(mark, bit)| format!(" + {bit} * startsWith(w, '{mark}')"));
    format!(
        "bitAnd(cityHash64(multiIf(
            startsWith(w, '{CAPITAL_MARK}'), substring(w, 2), startsWith(w, '-'), concat('+', substring(w, 2)), w
        )), {base}) + (
            multiIf(startsWith(w, '{CAPITAL_MARK}'), 0, substring(w, 1, 1) IN ({frequent}), 1, 2)
            + {UP} * startsWith(w, '+') + {DOWN} * startsWith(w, '-'){exact}
            + {DENIES} * (w = '{DENIAL}') + {OWN_NAME} * startsWith(w, '{NAME_MARK}')
            + {PLAIN} * (NOT (substring(w, 1, 1) IN ('{CAPITAL_MARK}', {marks})))
        )",
        base = !KIND,
        frequent = quoted(&FREQUENT_MARKS),
        exact = exact.collect::<String>(),
        marks = quoted(&MARKS),
    )
}

/// SQL of the weight of words.
fn weight(words: &str) -> String {
    format!("arraySum(w -> [0, {FREQUENT_WEIGHT}, {WEIGHT}][bitAnd(w, {WEIGHT_BITS}) + 1], {words})")
}

/// SQL of whether two headlines can't tell the same story, by the words `only` and `their_only` that each has and the other
/// lacks. See [`tapewire_core::story::Fingerprint::similarity`].
fn contradict() -> String {
    let bits = |of: &str| format!("arrayReduce('groupBitOr', {of})");
    let (own, theirs) = (bits("only"), bits("their_only"));
    // Headlines that differ in names only are about different companies, brokers or products.
    let names = |only: &str, words: &str| {
        format!(
            "notEmpty({only}) AND arrayAll(w -> bitAnd(w, {OWN_NAME}) != 0
                OR bitAnd(w, {PLAIN}) != 0 AND has({words}, bitAnd(w, {})), {only})",
            !KIND
        )
    };
    format!(
        "bitAnd(bitAnd({own}, {theirs}), {exact}) != 0
            OR bitAnd(bitOr({own}, {theirs}), {DENIES}) != 0
            OR arrayExists(w -> bitAnd(w, {both}) != 0 AND has(their_only, bitXor(w, {both})), only)
            OR {} AND {}",
        names("only", "words"),
        names("their_only", "other.1.4"),
        exact = EXACT.iter().sum::<u64>(),
        both = UP | DOWN,
    )
}

/// SQL of the mentions of each company in order, with their words as codes. Two mentions that can be alike have a token in
/// common: a word of full weight, or all of their words, or a great many frequent ones.
fn tokens() -> String {
    let many = SHARED.div_ceil(FREQUENT_WEIGHT);
    format!(
        "SELECT
            run,
            symbol,
            key,
            toUnixTimestamp64Micro(key.1) AS at,
            toUInt32(row_number() OVER (PARTITION BY run, symbol ORDER BY key)) AS place,
            arrayMap(w -> {code}, story_words) AS words,
            {weight} AS weight,
            arrayConcat(
                arrayFilter(w -> bitAnd(w, {WEIGHT_BITS}) = 2, words),
                [if(empty(words), toUInt64(place), cityHash64(arraySort(arrayFilter(w -> bitAnd(w, {WEIGHT_BITS}) != 0, words))))],
                if(arrayCount(w -> bitAnd(w, {WEIGHT_BITS}) = 1, words) >= {many}, [toUInt64(0)], [])
            ) AS tokens
        FROM
        (
            SELECT run, symbol, (available_at, provider, article_id) AS key, story_words
            FROM current_mentions
            WHERE symbol != ''
        )",
        code = word_code(),
        weight = weight("words"),
    )
}

/// SQL of the most similar earlier mention of each mention, found among those that share a token with it.
fn most_similar() -> String {
    format!(
        "SELECT
            run,
            symbol,
            own.1 AS place,
            own_key,
            notEmpty(own.4) AS has_own_words,
            own.2 AS at,
            own.3 AS weight,
            own.4 AS words,
            arrayFilter(other -> other.1 < place AND other.2 > at - {span}, list) AS preceding,
            arrayMap(common -> {common_weight}, arrayMap(theirs -> arrayIntersect(words, theirs), preceding.4)) AS shares,
            -- Most headlines share next to nothing: they are dropped before more is computed of them.
            arrayFilter(
                other -> other.2 >= {SHARED} OR other.2 = weight AND other.2 = other.1.3, arrayZip(preceding, shares)
            ) AS alike,
            arrayMap(other -> other.1.4, alike) AS all_theirs,
            arrayMap(
                (other, only, their_only) -> (
                    if(weight + other.1.3 = 0 OR {contradict}, 0., 2 * other.2 / (weight + other.1.3)), -toInt64(other.1.1)
                ),
                alike,
                arrayMap(theirs -> arrayFilter(w -> bitAnd(w, {WEIGHT_BITS}) != 0 AND NOT has(theirs, w), words), all_theirs),
                arrayMap(theirs -> arrayFilter(w -> bitAnd(w, {WEIGHT_BITS}) != 0 AND NOT has(words, w), theirs), all_theirs)
            ) AS similar,
            arrayMax(arrayPushBack(similar, (0., toInt64(0)))) AS most
        FROM
        (
            SELECT run, symbol, token, groupArray((place, at, weight, words)) AS list, groupArray(key) AS keys
            FROM ({tokens})
            ARRAY JOIN tokens AS token
            GROUP BY run, symbol, token
        )
        ARRAY JOIN list AS own, keys AS own_key",
        span = SPAN.as_micros(),
        common_weight = weight("common"),
        contradict = contradict(),
        tokens = tokens(),
    )
}

/// SQL of the mentions of each symbol in the order of time, each with its parent: the most similar earlier mention if it
/// is similar enough to tell the same story, else 0.
fn linked() -> String {
    format!(
        "SELECT run, symbol, arraySort(groupArray((place, key, best.1, parent, has_words))) AS linked
            FROM
            (
                SELECT
                    run,
                    symbol,
                    place,
                    any(own_key) AS key,
                    any(has_own_words) AS has_words,
                    -- The earliest of the most similar.
                    max(most) AS best,
                    if(best.1 >= {ALIKE}, toUInt32(-best.2), 0) AS parent
                FROM ({most_similar})
                GROUP BY run, symbol, place
            )
            GROUP BY run, symbol",
        most_similar = most_similar()
    )
}

/// The story of each mention of a company, as it was known when the mention became known: `story` is the key
/// (`provider/id`) of the mention that told it first, `told` how many had told it by then, this one included. NULL if
/// the title has no word.
///
/// Only mentions that share a word of full weight, or all words, or many frequent ones are compared. So the cost grows
/// with the square of the number of mentions that have a symbol's most frequent such word: a second for 2,000 mentions
/// of one symbol, also if all are of three days. Ask for a run and a symbol, or keep what you asked for.
pub(crate) fn stories() -> String {
    format!(
        "CREATE OR REPLACE VIEW stories AS
SELECT
    run,
    symbol,
    key.2 AS provider,
    key.3 AS article_id,
    key.1 AS available_at,
    if(has_words, concat(first.2, '/', first.3), NULL) AS story,
    if(has_words, CAST(number = 1 AS Bool), NULL) AS is_first,
    if(has_words, number, NULL) AS told,
    if(has_words, greatest_similarity, NULL) AS similarity,
    if(has_words, (toUnixTimestamp64Micro(key.1) - toUnixTimestamp64Micro(first.1)) / 1e6, NULL) AS since_first_s
FROM
(
    SELECT
        run,
        symbol,
        key,
        greatest_similarity,
        has_words,
        first_value(key) OVER (
            PARTITION BY run, symbol, root ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS first,
        toUInt32(row_number() OVER (PARTITION BY run, symbol, root ORDER BY place)) AS number
    FROM
    (
        SELECT
            run,
            symbol,
            linked.1 AS places,
            linked.2 AS keys,
            linked.3 AS similarities,
            linked.5 AS with_words,
            -- A parent is earlier, so what its links lead to is known already.
            arrayFold(
                (known, parent) -> arrayPushBack(known, if(parent = 0, toUInt32(length(known) + 1), known[parent])),
                linked.4,
                CAST([] AS Array(UInt32))
            ) AS roots
        FROM
        (
            {linked}
        )
    )
    ARRAY JOIN places AS place, keys AS key, similarities AS greatest_similarity, with_words AS has_words, roots AS root
)",
        linked = linked()
    )
}

/// The sentiment of each symbol at the end of each minute (UTC): the mean score of the mentions that were known by then,
/// weighted by relevance, by novelty (the n-th telling of a story counts 1/n) and by age: a weight halves with each
/// `half_life_s`. A story counts by the source that told it first: the same story from another source does not count again.
/// Only mentions of the last `window_s` seconds count; NULL without any. Relevance that is not known is 1 / number of
/// companies of the article. Parameters: `run`, `from` and `to` (exclusive), `half_life_s`, `window_s`.
pub(crate) fn sentiment_index() -> String {
    "CREATE OR REPLACE VIEW sentiment_index AS
SELECT
    run,
    symbol,
    minute,
    length(counted) AS mentions,
    if(arraySum(m -> m.3 * m.4, counted) > 0, arraySum(m -> m.2 * m.3 * m.4, counted) / arraySum(m -> m.3 * m.4, counted), NULL) AS sentiment
FROM
(
    SELECT
        run,
        symbol,
        minute,
        arrayMap(
            m -> (m.1, m.2, m.3, exp2(-(ends - toUnixTimestamp64Micro(m.1)) / 1e6 / {half_life_s:Float64})),
            arrayFilter(
                m -> toUnixTimestamp64Micro(m.1) < ends
                    AND toUnixTimestamp64Micro(m.1) >= ends - toInt64({window_s:UInt32}) * 1000000,
                known
            )
        ) AS counted
    FROM
    (
        SELECT run, symbol, minute, known, (toInt64(toUnixTimestamp(minute)) + 60) * 1000000 AS ends
        FROM
        (
            SELECT run, symbol, arraySort(groupArray((available_at, assumeNotNull(score), weight))) AS known
            FROM
            (
                SELECT
                    run,
                    symbol,
                    available_at,
                    score,
                    coalesce(
                        relevance, 1 / count() OVER (PARTITION BY run, provider, article_id)
                    ) / coalesce(told, 1) AS weight,
                    -- A provider's name has no slash.
                    story IS NULL OR startsWith(assumeNotNull(story), concat(provider, '/')) AS is_of_first_source
                FROM current_mentions AS m
                LEFT JOIN stories AS s USING (run, symbol, provider, article_id)
                WHERE run = {run:String} AND symbol != ''
            )
            WHERE score IS NOT NULL AND is_of_first_source
            GROUP BY run, symbol
        )
        ARRAY JOIN arrayMap(
            n -> toStartOfMinute({from:DateTime('UTC')}) + toIntervalMinute(n),
            range(toUInt32(greatest(
                0, ceil((toUnixTimestamp({to:DateTime('UTC')}) - toUnixTimestamp(toStartOfMinute({from:DateTime('UTC')}))) / 60)
            )))
        ) AS minute
    )
)"
    .to_owned()
}
