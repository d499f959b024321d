-- A text longer than the model's limit is read whole, in overlapping windows, and its row says in how
-- many. Before, only its beginning was read; `truncated` marks the rows of that time.

ALTER TABLE mentions
    ADD COLUMN IF NOT EXISTS windows Nullable(UInt16) COMMENT 'in how many windows the text was read; NULL: not scored, or before there were windows',
    MODIFY COLUMN IF EXISTS truncated Bool DEFAULT false COMMENT 'before there were windows: only the beginning of the text was read';
