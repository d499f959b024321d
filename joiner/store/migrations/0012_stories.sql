-- What headlines are compared by, so that stories which are told again are recognised. Views `stories` and
-- `sentiment_index` are made from the code's lists, by `migrate`.

ALTER TABLE mentions
    ADD COLUMN IF NOT EXISTS story_words Array(String) COMMENT 'words of the title in the form in which headlines are compared; empty: it has no word, or the row is of an earlier build, and belongs to no story';
