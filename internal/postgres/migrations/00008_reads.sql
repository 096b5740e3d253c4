-- Reading the record: requests are listed, and bodies are given only to who is on record as their reader.
--
--   llmgw_auditor ──► requests               every request, also before it is in the ledger
--                 ──► begin_read ──► reads   who reads which body, and why (never changed, never deleted)
--                 ──► read_body  ──► bytes   of a read that is committed
--
-- A role with SELECT on the bytes could read them and leave no trace, so llmgw_auditor loses it, and has the two functions. They
-- are two because the bytes that a function answers leave before its transaction ends: who rolled that back would have
-- read, and the record would not say so.
--
-- Frontends and workers of the version before go on while this is applied and after it. While the indexes are built, the
-- ledger takes no rows: what has ended waits in outcomes, and nobody notices but the workers.
--
-- +goose Up

-- What the filters of GET /api/requests walk along, the newest first. What others choose the text of is cut: the index
-- has to hold it, or the row could never be written. A status that is frequent is found along the key.
CREATE INDEX ledger_user    ON ledger ((left(user_name, 200)), id);
CREATE INDEX ledger_model   ON ledger ((left(model_routed, 200)), id);
CREATE INDEX ledger_session ON ledger ((left(session, 200)), id) WHERE session <> '';
CREATE INDEX ledger_batch   ON ledger (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX ledger_status  ON ledger (status, id) WHERE status <> 'completed';

-- requests is what is on record of each request without its bodies: one row from its admission on. What is not known
-- while it runs is null, and the model and backend are those it was last sent to.
CREATE VIEW requests AS
  SELECT id, admitted_at, first_byte_at, ended_at, subject, user_name, tier, endpoint, dialect, stream, session, batch_id, batch_n,
         class, model_requested, coalesce(first_model_routed, model_routed) AS first_model_routed,
         coalesce(first_backend, backend) AS first_backend, model_routed, backend, status, http_status, error, stop_reason,
         upstream_id, attempts, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, usage_estimated, cost_nanos,
         charge_requests, charge_tokens, window_start, window_reset
  FROM ledger
  UNION ALL
  SELECT i.id, i.admitted_at, o.first_byte_at, o.ended_at, i.subject, i.user_name, i.tier, i.endpoint, i.dialect, i.stream, i.session, i.batch_id, i.batch_n,
         i.class, i.model_requested, i.model_routed, i.backend,
         coalesce(nullif(o.model_routed, ''), last.model, i.model_routed), coalesce(nullif(o.backend, ''), last.backend, i.backend),
         coalesce(o.status, 'running'), o.http_status, o.error, o.stop_reason,
         o.upstream_id, o.attempts, o.input_tokens, o.output_tokens, o.cache_read_tokens, o.cache_write_tokens, o.usage_estimated, o.cost_nanos,
         coalesce(o.charge_requests, i.charge_requests), coalesce(o.charge_tokens, i.charge_tokens), i.window_start, i.window_reset
  FROM intents i
  LEFT JOIN outcomes o ON o.id = i.id
  LEFT JOIN LATERAL (
    SELECT a.backend, a.model FROM attempts a WHERE a.request_id = i.id ORDER BY a.n DESC LIMIT 1
  ) last ON true
  WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.id = i.id); -- staged again after it was recorded

-- One reading of one body. login is the database's word for who read; subject and user_name are the gateway's, and whoever
-- uses another login of the role can write what they like there.
CREATE TABLE reads (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  tx         xid8        NOT NULL DEFAULT pg_current_xact_id(), -- that it was written in
  login      text        NOT NULL DEFAULT session_user,
  subject    text        NOT NULL, -- of the reader
  user_name  text        NOT NULL,
  request_id uuid        NOT NULL,
  kind       text        NOT NULL CHECK (kind IN ('request', 'response')),
  owner      text        NOT NULL, -- the subject that the request is of
  owner_name text        NOT NULL,
  reason     text        NOT NULL  -- the reader's words; '' if none were given
);
CREATE INDEX reads_request ON reads (request_id, id);

-- begin_read puts on record that a body is about to be read, and answers the id of the read; nothing if there is no such body.
CREATE FUNCTION begin_read(request uuid, kind text, subject text, user_name text, reason text) RETURNS SETOF bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  INSERT INTO public.reads (subject, user_name, request_id, kind, owner, owner_name, reason)
  SELECT $3, $4, r.id, b.kind, r.subject, r.user_name, $5
    FROM public.requests r JOIN public.bodies b ON b.request_id = r.id
    WHERE r.id = $1 AND b.request_id = $1 AND b.kind = $2
  RETURNING id
$$;

-- read_body answers the body of a read that the same login began in the last minute, in a transaction that is committed: a
-- row of another transaction is seen only then.
CREATE FUNCTION read_body(read bigint) RETURNS TABLE (zstd bytea, size bigint, digest bytea)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT b.zstd, b.size, b.digest
    FROM public.reads r JOIN public.bodies b ON b.request_id = r.request_id AND b.kind = r.kind
    WHERE r.id = $1 AND r.login = session_user AND r.tx IS DISTINCT FROM pg_current_xact_id_if_assigned()
      AND r.at > clock_timestamp() - interval '1 minute'
$$;

REVOKE ALL ON FUNCTION begin_read(uuid, text, text, text, text), read_body(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_read(uuid, text, text, text, text), read_body(bigint) TO llmgw_auditor;
GRANT SELECT ON requests, reads TO llmgw_auditor;

REVOKE SELECT ON bodies, batch_items, batch_results, file_chunks FROM llmgw_auditor;
GRANT SELECT (request_id, kind, size, digest) ON bodies TO llmgw_auditor;
GRANT SELECT (batch_id, n, custom_id, size, digest) ON batch_items TO llmgw_auditor;
GRANT SELECT (batch_id, n, custom_id, state, kind, size, request_id, ended_at) ON batch_results TO llmgw_auditor;
GRANT SELECT (file_id, n, size, digest) ON file_chunks TO llmgw_auditor;

-- +goose Down
REVOKE SELECT (request_id, kind, size, digest) ON bodies FROM llmgw_auditor;
REVOKE SELECT (batch_id, n, custom_id, size, digest) ON batch_items FROM llmgw_auditor;
REVOKE SELECT (batch_id, n, custom_id, state, kind, size, request_id, ended_at) ON batch_results FROM llmgw_auditor;
REVOKE SELECT (file_id, n, size, digest) ON file_chunks FROM llmgw_auditor;
GRANT SELECT ON bodies, batch_items, batch_results, file_chunks TO llmgw_auditor;
DROP FUNCTION begin_read(uuid, text, text, text, text), read_body(bigint);
DROP TABLE reads;
DROP VIEW requests;
DROP INDEX ledger_user, ledger_model, ledger_session, ledger_batch, ledger_status;
