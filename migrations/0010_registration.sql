-- Names the registration that made a worker's generation, so that the same one again, sent twice on its way, makes none.
ALTER TABLE workers ADD COLUMN registration TEXT;
