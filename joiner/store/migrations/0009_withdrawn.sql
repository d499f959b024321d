-- An edit of an article may take a company back, which a sum of what was ever written can't subtract. `news_by_minute` is
-- made from `current_mentions` now, by `migrate`, as `novelty` is.

DROP VIEW IF EXISTS news_by_minute_articles_feed;
DROP TABLE IF EXISTS news_by_minute_articles;

ALTER TABLE mentions
    COMMENT COLUMN IF EXISTS unscored 'why there is no score: empty_text, model_failed, withdrawn (an edit of the article no longer names the company); empty: there is one';
