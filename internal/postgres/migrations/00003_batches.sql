-- Batches: many requests of one caller, each of which passes through the record as a request of its own.
--
--   frontend ──► batches, batch_items      what is to be done; items are never changed
--            ──► files, file_chunks        uploads that batches are made of
--   worker   ──► intents ──► ledger, batch_results     one transaction ends an item: the row of intents goes, the others come
--
-- An item has one result and one row in the ledger. The ledger's key cannot say so (it is by request), this does: an item
-- has one open request at most (intents_item), none once it has its result (intents_item_is_open), and its request goes to
-- the ledger in the statement that deletes its intent and writes its result. To see that it is so:
--
--   SELECT batch_id, batch_n FROM ledger WHERE batch_id IS NOT NULL GROUP BY batch_id, batch_n HAVING count(*) > 1;
--
-- Frontends and workers of the version before go on while this is applied and after it: what they do not write has a
-- default. A worker of the version before takes an item's open request for one of a frontend, and ends it when the worker that
-- runs it has died: so renew all workers before the first batch is made.
--
-- +goose Up

CREATE TABLE batches (
  id                  uuid        PRIMARY KEY,         -- UUIDv7
  workflow_id         text        NOT NULL,
  subject             text        NOT NULL,
  user_name           text        NOT NULL,
  tier                text        NOT NULL,
  roles               text[],
  endpoint            text        NOT NULL,
  dialect             text        NOT NULL,
  state               text        NOT NULL CHECK (state IN ('uploading', 'validating', 'running', 'closing', 'ended')),
  ending              text        NOT NULL DEFAULT '' CHECK (ending IN ('', 'completed', 'refused', 'canceled', 'expired')),
  open                boolean     NOT NULL,
  input_file          uuid,
  header              json,                            -- the client's headers that go with each item
  metadata            json,                            -- the caller's own
  idempotency_key     text        NOT NULL,            -- '' if there is none
  input_digest        bytea,                           -- SHA-256 of what the caller sent
  total               integer     NOT NULL,
  wait_reason         text        NOT NULL DEFAULT '', -- '' if it waits for nothing
  wait_until          timestamptz,
  input_errors        json,
  created_at          timestamptz NOT NULL,
  started_at          timestamptz,
  expires_at          timestamptz NOT NULL,
  cancel_requested_at timestamptz,
  closing_at          timestamptz,
  ended_at            timestamptz,
  archived_at         timestamptz,                     -- its items and results are deleted from then on
  deleted_at          timestamptz,                     -- gone for its owner; the rows follow
  emptied             boolean     NOT NULL DEFAULT false, -- archived, and nothing is left of its items and results

  -- What came of it: all 0 until it has ended, and its results are counted no more.
  succeeded           integer     NOT NULL DEFAULT 0,
  errored             integer     NOT NULL DEFAULT 0,
  canceled            integer     NOT NULL DEFAULT 0,
  expired             integer     NOT NULL DEFAULT 0,
  input_tokens        bigint      NOT NULL DEFAULT 0,
  output_tokens       bigint      NOT NULL DEFAULT 0,
  cache_read_tokens   bigint      NOT NULL DEFAULT 0,
  cache_write_tokens  bigint      NOT NULL DEFAULT 0,
  usage_estimated     boolean     NOT NULL DEFAULT false,
  cost_nanos          bigint      NOT NULL DEFAULT 0,
  output_file         uuid,
  error_file          uuid
);
CREATE UNIQUE INDEX batches_key ON batches (subject, idempotency_key) WHERE idempotency_key <> '' AND deleted_at IS NULL;
CREATE INDEX batches_owner   ON batches (subject, id);
CREATE INDEX batches_unended ON batches (id) WHERE ended_at IS NULL;
CREATE INDEX batches_kept    ON batches (ended_at) WHERE archived_at IS NULL;
CREATE INDEX batches_leaving ON batches (id) WHERE (deleted_at IS NOT NULL OR archived_at IS NOT NULL) AND NOT emptied;

-- What is to be done. Rows are never changed.
CREATE TABLE batch_items (
  batch_id  uuid    NOT NULL,
  n         integer NOT NULL CHECK (n >= 0),
  custom_id text    NOT NULL,
  zstd      bytea   NOT NULL, -- the request body
  size      bigint  NOT NULL, -- bytes before compression
  digest    bytea   NOT NULL, -- SHA-256 of zstd
  PRIMARY KEY (batch_id, n),
  CONSTRAINT batch_items_custom_id UNIQUE (batch_id, custom_id)
);
ALTER TABLE batch_items ALTER COLUMN zstd SET STORAGE EXTERNAL; -- it is compressed already

-- What came of it. Rows are never changed.
CREATE TABLE batch_results (
  batch_id   uuid        NOT NULL,
  n          integer     NOT NULL,
  custom_id  text        NOT NULL,
  state      text        NOT NULL CHECK (state IN ('succeeded', 'errored', 'canceled', 'expired')),
  kind       text        NOT NULL, -- of the failure; '' if there was none
  zstd       bytea       NOT NULL, -- the line of the results file, without its newline
  size       bigint      NOT NULL, -- bytes before compression
  request_id uuid,                 -- in the ledger; null if the item was never admitted
  ended_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (batch_id, n)
);
ALTER TABLE batch_results ALTER COLUMN zstd SET STORAGE EXTERNAL;
CREATE INDEX batch_results_state ON batch_results (batch_id, state, kind); -- to count without reading the lines
-- What is counted by the index alone has to be vacuumed soon.
ALTER TABLE batch_results SET (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000);

CREATE TABLE files (
  id          uuid        PRIMARY KEY, -- UUIDv7
  subject     text        NOT NULL,
  name        text        NOT NULL,
  purpose     text        NOT NULL,
  size        bigint      NOT NULL DEFAULT 0,
  batch_id    uuid,                    -- whose results it is; null for an upload
  created_at  timestamptz NOT NULL,
  expires_at  timestamptz,             -- null if it does not
  finished_at timestamptz,             -- null while it is received, and nobody is shown it
  deleted_at  timestamptz              -- gone for its owner; the rows follow
);
CREATE INDEX files_owner ON files (subject, id);
CREATE INDEX files_batch ON files (batch_id) WHERE batch_id IS NOT NULL;

-- The bytes of uploads. Rows are never changed.
CREATE TABLE file_chunks (
  file_id uuid    NOT NULL,
  n       integer NOT NULL CHECK (n >= 0),
  zstd    bytea   NOT NULL,
  size    bigint  NOT NULL, -- bytes before compression
  digest  bytea   NOT NULL, -- SHA-256 of zstd
  PRIMARY KEY (file_id, n)
);
ALTER TABLE file_chunks ALTER COLUMN zstd SET STORAGE EXTERNAL;

-- Which item a request is; both are null for a request that is none.
ALTER TABLE intents ADD COLUMN batch_id uuid, ADD COLUMN batch_n integer;
ALTER TABLE ledger  ADD COLUMN batch_id uuid, ADD COLUMN batch_n integer;
CREATE UNIQUE INDEX intents_item ON intents (batch_id, batch_n) WHERE batch_id IS NOT NULL;

-- An item is begun while its batch runs, and not again when it has its result. This is asked after the row is in: by then
-- whoever ended the item has committed, or the row would still wait for its place in intents_item.
-- +goose StatementBegin
CREATE FUNCTION refuse_ended_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM public.batches b WHERE b.id = NEW.batch_id AND b.state = 'running')
     OR EXISTS (SELECT FROM public.batch_results r WHERE r.batch_id = NEW.batch_id AND r.n = NEW.batch_n) THEN
    RAISE EXCEPTION 'item % of batch % has ended, or its batch does not run', NEW.batch_n, NEW.batch_id
      USING ERRCODE = 'unique_violation', TABLE = 'intents', CONSTRAINT = 'intents_item';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER intents_item_is_open AFTER INSERT ON intents
  FOR EACH ROW WHEN (NEW.batch_id IS NOT NULL) EXECUTE FUNCTION refuse_ended_item();

-- What the frontend may change of batches and files, it changes by these. Each answers the id if it did.

-- accept_batch ends the upload of a batch that has exactly the items 0 to items - 1.
CREATE FUNCTION accept_batch(batch uuid, items integer, digest bytea) RETURNS SETOF uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE public.batches b SET state = 'validating', total = $2, input_digest = $3
    WHERE b.id = $1 AND b.state = 'uploading' AND b.deleted_at IS NULL
      AND ($2, $2 - 1) = (SELECT count(*), coalesce(max(i.n), -1) FROM public.batch_items i WHERE i.batch_id = $1)
    RETURNING b.id
$$;

-- discard_batch gives up an upload.
CREATE FUNCTION discard_batch(batch uuid) RETURNS SETOF uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE public.batches SET deleted_at = now() WHERE id = $1 AND state = 'uploading' AND deleted_at IS NULL RETURNING id
$$;

CREATE FUNCTION cancel_batch(batch uuid) RETURNS SETOF uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE public.batches SET cancel_requested_at = now()
    WHERE id = $1 AND ended_at IS NULL AND cancel_requested_at IS NULL RETURNING id
$$;

-- delete_batch takes a batch that has ended away from its owner, with the files of its results.
CREATE FUNCTION delete_batch(batch uuid) RETURNS SETOF uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH gone AS (
    UPDATE public.batches SET deleted_at = now() WHERE id = $1 AND ended_at IS NOT NULL AND deleted_at IS NULL RETURNING id
  ), files AS (
    UPDATE public.files f SET deleted_at = now() FROM gone WHERE f.batch_id = gone.id AND f.deleted_at IS NULL
  )
  SELECT id FROM gone
$$;

-- finish_file ends an upload that has all its chunks, which make up size bytes.
CREATE FUNCTION finish_file(file uuid, size bigint) RETURNS SETOF uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE public.files f SET size = $2, finished_at = now()
    WHERE f.id = $1 AND f.finished_at IS NULL AND f.deleted_at IS NULL
      AND ($2, true) = (SELECT coalesce(sum(c.size), 0), coalesce(max(c.n) + 1, 0) = count(*) FROM public.file_chunks c WHERE c.file_id = $1)
    RETURNING f.id
$$;

-- delete_file takes a file, or an upload that is given up, away from its owner.
CREATE FUNCTION delete_file(file uuid) RETURNS SETOF uuid
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE public.files SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING id
$$;

-- running_items is how many items of a batch are admitted and have not ended.
CREATE FUNCTION running_items(batch uuid) RETURNS bigint
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT count(*) FROM public.intents WHERE batch_id = $1
$$;

-- Who may do what. Nobody may change an item or a result; a frontend cannot add to what was accepted.
REVOKE ALL ON FUNCTION refuse_ended_item(), accept_batch(uuid, integer, bytea), discard_batch(uuid), cancel_batch(uuid),
  delete_batch(uuid), finish_file(uuid, bigint), delete_file(uuid), running_items(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accept_batch(uuid, integer, bytea), discard_batch(uuid), cancel_batch(uuid), delete_batch(uuid),
  finish_file(uuid, bigint), delete_file(uuid), running_items(uuid) TO llmgw_frontend, llmgw_worker;

GRANT SELECT ON batches, batch_results, files, file_chunks TO llmgw_frontend;
GRANT SELECT (batch_id, n, custom_id) ON batch_items TO llmgw_frontend;
GRANT INSERT ON batch_items, file_chunks TO llmgw_frontend;
GRANT INSERT (id, workflow_id, subject, user_name, tier, roles, endpoint, dialect, state, open, input_file, header, metadata,
  idempotency_key, input_digest, total, created_at, expires_at) ON batches TO llmgw_frontend;
GRANT INSERT (id, subject, name, purpose, created_at, expires_at) ON files TO llmgw_frontend;

GRANT INSERT ON intents, bodies, attempts, leases TO llmgw_worker;
GRANT SELECT, INSERT, DELETE ON batches, batch_items, batch_results, files, file_chunks TO llmgw_worker;
GRANT UPDATE ON batches, files TO llmgw_worker;

GRANT SELECT ON batches, batch_items, batch_results, files, file_chunks TO llmgw_auditor;

ALTER TABLE batch_items ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable  ON batch_items FOR SELECT USING (true);
CREATE POLICY deletable ON batch_items FOR DELETE USING (true);
CREATE POLICY uploaded  ON batch_items FOR INSERT TO llmgw_frontend
  WITH CHECK (EXISTS (SELECT FROM batches b WHERE b.id = batch_id AND b.state = 'uploading' AND b.deleted_at IS NULL));
CREATE POLICY added     ON batch_items FOR INSERT TO llmgw_worker
  WITH CHECK (EXISTS (SELECT FROM batches b WHERE b.id = batch_id AND b.state IN ('uploading', 'validating', 'running') AND b.deleted_at IS NULL));

ALTER TABLE file_chunks ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable  ON file_chunks FOR SELECT USING (true);
CREATE POLICY deletable ON file_chunks FOR DELETE USING (true);
CREATE POLICY uploaded  ON file_chunks FOR INSERT
  WITH CHECK (EXISTS (SELECT FROM files f WHERE f.id = file_id AND f.finished_at IS NULL AND f.deleted_at IS NULL));

-- +goose Down
DROP TRIGGER intents_item_is_open ON intents;
DROP FUNCTION refuse_ended_item(), accept_batch(uuid, integer, bytea), discard_batch(uuid), cancel_batch(uuid),
  delete_batch(uuid), finish_file(uuid, bigint), delete_file(uuid), running_items(uuid);
DROP TABLE file_chunks, files, batch_results, batch_items, batches;
ALTER TABLE intents DROP COLUMN batch_id, DROP COLUMN batch_n;
ALTER TABLE ledger  DROP COLUMN batch_id, DROP COLUMN batch_n;
REVOKE INSERT ON intents, bodies, attempts, leases FROM llmgw_worker;
