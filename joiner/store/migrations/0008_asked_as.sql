-- Under which name the model was asked about the company. `migrate` adds the column to `impact` and to `report`.

ALTER TABLE mentions
    ADD COLUMN IF NOT EXISTS asked_as Nullable(String) COMMENT 'name by which the model was asked; NULL: none is known, so the whole text was scored; or the article names no company, or is of an earlier build';
