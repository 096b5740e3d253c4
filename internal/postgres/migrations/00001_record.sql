-- The record of requests: staging tables for those in flight, the ledger and the bodies for ever.
--
--   frontend ──INSERT──► intents ─┐
--                        outcomes ┴─ one statement of the worker moves both ──► ledger
--            ──INSERT──► bodies                            (never changed, never deleted)
--
-- +goose Up

-- Roles. They are groups without a login: the operator makes the logins and puts them in.
-- +goose StatementBegin
DO $$
DECLARE
  role name;
BEGIN
  FOREACH role IN ARRAY ARRAY['llmgw_frontend', 'llmgw_worker', 'llmgw_auditor']::name[] LOOP
    CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = role);
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role);
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL; -- another database's migration was faster
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role % does not exist and % may not create it', role, current_user
          USING ERRCODE = 'insufficient_privilege',
                HINT = format('Let an administrator run: CREATE ROLE %I NOLOGIN;', role);
    END;
  END LOOP;
END $$;
-- +goose StatementEnd

-- What a request was when it was admitted. A row is here from admission until the ledger has the request.
CREATE TABLE intents (
  id              uuid        PRIMARY KEY,            -- UUIDv7
  instance        uuid        NOT NULL,               -- the frontend process that answers for it
  admitted_at     timestamptz NOT NULL,               -- the frontend's clock
  staged_at       timestamptz NOT NULL DEFAULT now(), -- the database's clock, by which ages are judged
  subject         text        NOT NULL,
  user_name       text        NOT NULL,
  tier            text        NOT NULL,
  endpoint        text        NOT NULL,
  dialect         text        NOT NULL,
  stream          boolean     NOT NULL,
  session         text        NOT NULL,
  model_requested text        NOT NULL,
  model_routed    text        NOT NULL,
  backend         text        NOT NULL,
  window_start    timestamptz NOT NULL,
  window_reset    timestamptz NOT NULL,
  charge_requests bigint      NOT NULL,
  charge_tokens   bigint      NOT NULL,
  reserved        boolean     NOT NULL,
  request_digest  bytea       NOT NULL                -- SHA-256 of the body as stored
);

-- How it ended. A row is here until the ledger has the request: this is the outbox of the worker.
CREATE TABLE outcomes (
  id                 uuid        PRIMARY KEY,
  staged_at          timestamptz NOT NULL DEFAULT now(),
  status             text        NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled', 'interrupted')),
  http_status        integer     NOT NULL,
  error              text        NOT NULL,
  stop_reason        text        NOT NULL,
  upstream_id        text        NOT NULL,
  input_tokens       bigint      NOT NULL,
  output_tokens      bigint      NOT NULL,
  cache_read_tokens  bigint      NOT NULL,
  cache_write_tokens bigint      NOT NULL,
  usage_estimated    boolean     NOT NULL,
  charge_requests    bigint      NOT NULL,
  charge_tokens      bigint      NOT NULL,
  first_byte_at      timestamptz,
  ended_at           timestamptz NOT NULL,
  response_digest    bytea                            -- null where nothing came back
);

-- Every row of these two lives for seconds: what is dead is cleared early, or a scan from the oldest end wades through it.
ALTER TABLE intents  SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE outcomes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- The bytes. An id is a UUIDv7 and starts with its time, so ranges of ids are ranges of time: the key stays
-- unique over all partitions, and a month can be dropped.
CREATE TABLE bodies (
  request_id uuid   NOT NULL,
  kind       text   NOT NULL CHECK (kind IN ('request', 'response')),
  zstd       bytea  NOT NULL,
  size       bigint NOT NULL, -- bytes before compression
  digest     bytea  NOT NULL, -- SHA-256 of zstd
  PRIMARY KEY (request_id, kind)
) PARTITION BY RANGE (request_id);
ALTER TABLE bodies ALTER COLUMN zstd SET STORAGE EXTERNAL; -- it is compressed already
CREATE TABLE bodies_default PARTITION OF bodies DEFAULT;

-- One row for every admitted request.
CREATE TABLE ledger (
  id                 uuid        PRIMARY KEY,
  admitted_at        timestamptz NOT NULL,
  first_byte_at      timestamptz,
  ended_at           timestamptz NOT NULL,
  subject            text        NOT NULL,
  user_name          text        NOT NULL,
  tier               text        NOT NULL,
  endpoint           text        NOT NULL,
  dialect            text        NOT NULL,
  stream             boolean     NOT NULL,
  session            text        NOT NULL,
  model_requested    text        NOT NULL,
  model_routed       text        NOT NULL,
  backend            text        NOT NULL,
  status             text        NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled', 'interrupted')),
  http_status        integer     NOT NULL,
  error              text        NOT NULL,
  stop_reason        text        NOT NULL,
  upstream_id        text        NOT NULL,
  input_tokens       bigint      NOT NULL,
  output_tokens      bigint      NOT NULL,
  cache_read_tokens  bigint      NOT NULL,
  cache_write_tokens bigint      NOT NULL,
  usage_estimated    boolean     NOT NULL,
  charge_requests    bigint      NOT NULL,
  charge_tokens      bigint      NOT NULL,
  reserved           boolean     NOT NULL,
  window_start       timestamptz NOT NULL,
  window_reset       timestamptz NOT NULL,
  request_digest     bytea       NOT NULL,
  response_digest    bytea,
  recorded_at        timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (id);
CREATE INDEX ledger_window ON ledger (subject, window_start) INCLUDE (charge_requests, charge_tokens); -- quota_snapshot
CREATE TABLE ledger_default PARTITION OF ledger DEFAULT;

-- A frontend process lives while it has a row that has not expired.
CREATE TABLE leases (
  instance   uuid        NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (instance, expires_at)
);

-- uuid_floor is the lowest UUIDv7 of an instant.
CREATE FUNCTION uuid_floor(instant timestamptz) RETURNS uuid
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN rpad(lpad(to_hex(floor(extract(epoch FROM instant) * 1000)::bigint), 12, '0'), 32, '0')::uuid;

-- ensure_partitions makes the partitions of this month and the given number after it. Rows that had to be put in
-- the default partition meanwhile are moved to where they belong. It blocks no one but writers to the default.
-- +goose StatementBegin
CREATE FUNCTION ensure_partitions(months_ahead integer) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  parent text;
  key    text;
  month  timestamp; -- in UTC
  child  text;
  low    uuid;
  high   uuid;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('llmgw.partitions', 0));
  FOR parent, key IN VALUES ('bodies', 'request_id'), ('ledger', 'id') LOOP
    FOR ahead IN 0..months_ahead LOOP
      month := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead);
      child := parent || to_char(month, '_YYYY_MM');
      CONTINUE WHEN to_regclass('public.' || child) IS NOT NULL;
      low  := public.uuid_floor(month AT TIME ZONE 'UTC');
      high := public.uuid_floor((month + interval '1 month') AT TIME ZONE 'UTC');
      EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', child, parent);
      EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
      EXECUTE format('WITH moved AS (DELETE FROM public.%I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO public.%I SELECT * FROM moved',
                     parent || '_default', key, low, key, high, child);
      EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent, child, low, high);
    END LOOP;
  END LOOP;
END $$;

-- drop_partitions_before ends the retention of all months of a table ('bodies' or 'ledger') before the month of
-- the cutoff, and answers the names of what it dropped. No role of the gateway may call it: it is the operator's.
CREATE FUNCTION drop_partitions_before(parent text, cutoff timestamptz) RETURNS SETOF text
  LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  month timestamp := date_trunc('month', cutoff AT TIME ZONE 'UTC');
  key   text := CASE parent WHEN 'bodies' THEN 'request_id' WHEN 'ledger' THEN 'id' END;
  child text;
BEGIN
  IF key IS NULL THEN
    RAISE EXCEPTION 'drop_partitions_before: % is neither bodies nor ledger', parent USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('llmgw.partitions', 0));
  FOR child IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = ('public.' || parent)::regclass
      AND c.relname ~ ('^' || parent || '_\d{4}_\d\d$')
      AND to_timestamp(right(c.relname, 7), 'YYYY_MM')::timestamp < month
    ORDER BY c.relname
  LOOP
    EXECUTE format('DROP TABLE public.%I', child);
    RETURN NEXT child;
  END LOOP;
  EXECUTE format('DELETE FROM public.%I WHERE %I < %L', parent || '_default', key, public.uuid_floor(month AT TIME ZONE 'UTC'));
END $$;
-- +goose StatementEnd

-- quota_snapshot answers what is used of a window: one row without an id for all that is settled, and a row for
-- each request still open. It is one statement, so a request is in exactly one of the two. It is all that the
-- frontend can learn from the record.
CREATE FUNCTION quota_snapshot(subject text, window_start timestamptz)
  RETURNS TABLE (id uuid, requests bigint, tokens bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT NULL::uuid, coalesce(sum(l.charge_requests), 0)::bigint, coalesce(sum(l.charge_tokens), 0)::bigint
    FROM public.ledger l
    WHERE l.subject = $1 AND l.window_start = $2
  UNION ALL
  SELECT i.id, i.charge_requests, i.charge_tokens
    FROM public.intents i
    WHERE i.subject = $1 AND i.window_start = $2
      AND NOT EXISTS (SELECT FROM public.ledger l WHERE l.id = i.id) -- staged again after it was recorded
$$;

SELECT ensure_partitions(2);

-- Who may do what. Nobody may change or delete what is in the ledger and the bodies.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON FUNCTION uuid_floor(timestamptz), ensure_partitions(integer), drop_partitions_before(text, timestamptz),
                       quota_snapshot(text, timestamptz) FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO llmgw_frontend, llmgw_worker, llmgw_auditor;

GRANT INSERT ON intents, outcomes, bodies, leases TO llmgw_frontend;
GRANT EXECUTE ON FUNCTION quota_snapshot(text, timestamptz) TO llmgw_frontend, llmgw_worker;

GRANT SELECT ON intents, outcomes, bodies, ledger, leases TO llmgw_worker;
GRANT INSERT ON outcomes, ledger TO llmgw_worker;
GRANT DELETE ON intents, outcomes, leases TO llmgw_worker;
GRANT EXECUTE ON FUNCTION ensure_partitions(integer) TO llmgw_worker;

GRANT SELECT ON intents, outcomes, bodies, ledger, leases TO llmgw_auditor;

-- +goose Down
DROP FUNCTION quota_snapshot(text, timestamptz), drop_partitions_before(text, timestamptz), ensure_partitions(integer), uuid_floor(timestamptz);
DROP TABLE leases, ledger, bodies, outcomes, intents;
-- The roles stay: other databases of the cluster may use them.
