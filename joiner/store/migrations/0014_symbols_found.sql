-- Whether we found an article's companies in its text, because the provider named none. `migrate` adds the column to
-- `impact` and to `report`.

ALTER TABLE articles
    ADD COLUMN IF NOT EXISTS symbols_found Bool COMMENT 'true: we found the symbols in the text, because the provider named none' AFTER symbols;

ALTER TABLE mentions
    ADD COLUMN IF NOT EXISTS symbol_found Bool COMMENT 'true: we found the company in the text, because the provider named none' AFTER symbol;
