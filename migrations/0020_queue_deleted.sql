-- Which schedules submit to a queue: while one does, the queue is not deleted.
CREATE INDEX schedules_by_queue ON schedules (coalesce(job->>'queue', 'default'), name);
