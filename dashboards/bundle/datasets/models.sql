SELECT
    model,
    -- A commit or a hash, of which the beginning is enough to tell two apart; the precision follows it.
    if(position(model_revision, '+') = 0, substring(model_revision, 1, 12),
       concat(substring(splitByChar('+', model_revision)[1], 1, 12), '+', splitByChar('+', model_revision)[2])) AS revision,
    max(current_mentions.scored_at) AS scored_at,
    min(current_mentions.scored_at) AS first_at,
    count() AS mentions,
    avg(score) AS mean_score,
    countIf(label = 'positive') / count() AS positive,
    countIf(label = 'neutral') / count() AS neutral,
    countIf(label = 'negative') / count() AS negative
FROM current_mentions
WHERE score IS NOT NULL AND {{ chosen('run') }} AND {{ within('current_mentions.scored_at', of='scored_at') }}
GROUP BY model, model_revision
