-- `verdict`, `input` and `state` in one: deflated JSON of an object with these keys. Where it is there, the columns of these names
-- are empty; decisions of before have it not.
ALTER TABLE decisions ADD COLUMN packed BLOB;
