-- Items that were handed to the batch API of a backend: which of its batches has them.
--
--   worker ──► native_batches     made when the backend has taken the items, closed when their results are here
--
-- +goose Up

CREATE TABLE native_batches (
  id         uuid        PRIMARY KEY,
  batch_id   uuid        NOT NULL, -- whose items it has
  from_n     integer     NOT NULL, -- the first of them
  backend    text        NOT NULL,
  model      text        NOT NULL, -- as the backend calls it
  endpoint   text        NOT NULL, -- at the backend
  native_id  text        NOT NULL, -- the backend's name of its batch
  requests   uuid[]      NOT NULL, -- the items' requests
  items      integer[]   NOT NULL, -- their places, in the same order
  created_at timestamptz NOT NULL,
  ended_at   timestamptz           -- null until the results are here
);
CREATE INDEX native_batches_batch ON native_batches (batch_id, from_n);

GRANT SELECT, INSERT, DELETE ON native_batches TO llmgw_worker;
GRANT UPDATE (ended_at) ON native_batches TO llmgw_worker;
GRANT SELECT ON native_batches TO llmgw_auditor;

-- +goose Down
DROP TABLE native_batches;
