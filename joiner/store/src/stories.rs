//! Views of stories that are told again, with the rules of [`tapewire_core::story`], and of the sentiment index.

use tapewire_core::story::{
    ALIKE, CAPITAL_MARK, DENIAL, EXACT_MARKS, FREQUENT_MARKS, FREQUENT_WEIGHT, MARKS, NAME_MARK, SHARED, SPAN, WEIGHT,
};

/// How often links from mention to mention are followed. Each time reaches twice as far, so a story may have a million
/// tellings.
const DOUBLINGS: u32 = 20;

fn quoted(marks: &[char]) -> String {
    marks.iter().map(|mark| format!("'{mark}'")).collect::<Vec<_>>().join(", ")
}

/// SQL of the similarity of `words` and `theirs`, of the weights `weight` and `their_weight`.
/// See [`tapewire_core::story::Fingerprint::similarity`].
fn similarity() -> String {
    let opposite = |one: &str, two: &str| {
        format!("arrayExists(w -> startsWith(w, '+') AND has({two}, concat('-', substring(w, 2))), {one})")
    };
    let both = |mark: &char| {
        let has = |words: &str| format!("arrayExists(w -> startsWith(w, '{mark}'), {words})");
        format!("{} AND {}", has("only"), has("their_only"))
    };
    let exact = EXACT_MARKS.iter().map(both).collect::<Vec<_>>().join(" OR ");
    let (one, two) = (opposite("only", "their_only"), opposite("their_only", "only"));
    // Otherwise the same, about another company, broker or product.
    let marks = quoted(&MARKS);
    let names = |only: &str, words: &str| {
        format!(
            "notEmpty({only}) AND arrayAll(w -> startsWith(w, '{NAME_MARK}')
                OR NOT (substring(w, 1, 1) IN ({marks})) AND has({words}, concat('{CAPITAL_MARK}', w)), {only})"
        )
    };
    let contradict = format!(
        "{exact} OR {one} OR {two} OR has(only, '{DENIAL}') OR has(their_only, '{DENIAL}')
            OR {} AND {}
            OR shared < {SHARED} AND (notEmpty(only) OR notEmpty(their_only))",
        names("only", "words"),
        names("their_only", "theirs"),
    );
    format!("if(weight + their_weight = 0 OR {contradict}, 0., 2 * shared / (weight + their_weight))")
}

/// The story of each mention of a company, as it was known when the mention became known: `story` is the key
/// (`provider/id`) of the mention that told it first, `told` how many have by now, this one included. NULL if the title has
/// no word.
///
/// Its cost grows with the square of a symbol's mentions within three days (2,000 mentions, 300 in any three days: seconds
/// and most of 2 GiB). So ask for one run and symbol, or store the result.
pub(crate) fn stories() -> String {
    let seconds = SPAN.as_secs();
    let weight = format!(
        "arraySum(w -> multiIf(startsWith(w, '{CAPITAL_MARK}'), 0, substring(w, 1, 1) IN ({}), {FREQUENT_WEIGHT}, {WEIGHT}), {{}})",
        quoted(&FREQUENT_MARKS)
    );
    let weight = |of: &str| weight.replace("{}", of);
    let (own_weight, shared) = (weight("words"), weight("arrayIntersect(words, theirs)"));
    let shared_of_other = weight("arrayIntersect(words, other.2)");
    let similarity = similarity();
    format!(
        "CREATE OR REPLACE VIEW stories AS
SELECT
    run,
    symbol,
    key.2 AS provider,
    key.3 AS article_id,
    key.1 AS available_at,
    if(has_words, concat(keys[root].2, '/', keys[root].3), NULL) AS story,
    if(has_words, CAST(number = 1 AS Bool), NULL) AS is_first,
    if(has_words, number, NULL) AS told,
    if(has_words, greatest_similarity, NULL) AS similarity,
    if(has_words, (toUnixTimestamp64Micro(key.1) - toUnixTimestamp64Micro(keys[root].1)) / 1e6, NULL) AS since_first_s
FROM
(
    SELECT run, symbol, keys, similarities, with_words, roots, arrayEnumerateUniq(roots) AS numbers
    FROM
    (
        SELECT
            run,
            symbol,
            linked.1 AS keys,
            linked.2 AS similarities,
            linked.4 AS with_words,
            arrayFold(
                (followed, step) -> arrayMap(at -> followed[at], followed),
                range({DOUBLINGS}),
                arrayMap(parent -> indexOf(keys, parent), linked.3)
            ) AS roots
        FROM
        (
            SELECT run, symbol, arraySort(groupArray((key, best, parent, has_words))) AS linked
            FROM
            (
                SELECT
                    run,
                    symbol,
                    key,
                    notEmpty(words) AS has_words,
                    arrayMax(arrayPushBack(similarities, 0.)) AS best,
                    -- The earliest of the most similar.
                    if(best >= {ALIKE}, earlier[indexOf(similarities, best)].1, key) AS parent
                FROM
                (
                    SELECT
                        run,
                        symbol,
                        key,
                        words,
                        {own_weight} AS weight,
                        arrayFilter(
                            other -> other.1 < key AND other.1.1 > key.1 - toIntervalSecond({seconds}), near
                        ) AS preceding,
                        -- Most headlines share next to nothing: they are dropped before more is computed of them.
                        arraySort(arrayFilter(
                            (other, shared) -> shared >= {SHARED} OR shared = weight AND shared = other.3,
                            preceding,
                            arrayMap(other -> {shared_of_other}, preceding)
                        )) AS earlier,
                        arrayMap(
                            (theirs, their_weight, shared, only, their_only) -> {similarity},
                            earlier.2,
                            earlier.3,
                            arrayMap(theirs -> {shared}, earlier.2),
                            arrayMap(theirs -> arrayFilter(w -> NOT (has(theirs, w) OR startsWith(w, '{CAPITAL_MARK}')), words), earlier.2),
                            arrayMap(theirs -> arrayFilter(w -> NOT (has(words, w) OR startsWith(w, '{CAPITAL_MARK}')), theirs), earlier.2)
                        ) AS similarities
                    FROM
                    (
                        SELECT
                            run,
                            symbol,
                            (available_at, provider, article_id) AS key,
                            story_words AS words,
                            -- The window counts in whole seconds.
                            groupArray((key, words, {own_weight})) OVER (
                                PARTITION BY run, symbol ORDER BY toUnixTimestamp(available_at)
                                RANGE BETWEEN {seconds} PRECEDING AND CURRENT ROW
                            ) AS near
                        FROM current_mentions
                        WHERE symbol != ''
                    )
                )
            )
            GROUP BY run, symbol
        )
    )
)
ARRAY JOIN
    keys AS key, similarities AS greatest_similarity, with_words AS has_words, roots AS root, numbers AS number"
    )
}

/// The sentiment of each symbol at the end of each minute (UTC): the mean score of the mentions that were known by then,
/// weighted by relevance, by novelty (the n-th telling of a story counts 1/n) and by age: a weight halves with each
/// `half_life_s`. A story counts by the source that told it first: the same story from another source does not count again. Only mentions of the last `window_s` seconds count; NULL without any. Relevance that is not known is
/// 1 / number of companies of the article. Parameters: `run`, `from` and `to` (exclusive), `half_life_s`, `window_s`.
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
