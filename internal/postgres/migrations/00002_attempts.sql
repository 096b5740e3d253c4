-- A request may be sent more than once, and has a cost.
--
--   frontend ──INSERT──► attempts        (never changed, never deleted)
--
-- Frontends and workers of the version before go on while this is applied and after it: what they do not write has a
-- default. Only a worker of this version writes attempts and costs to the ledger, so renew the workers first.
--
-- +goose Up

-- One sending after the first, on record before it leaves. The first is that of the intent. A row with a higher number
-- than the ledger counts was put on record too late: it was not sent, nor was anything after it.
CREATE TABLE attempts (
  request_id   uuid        NOT NULL,
  n            integer     NOT NULL CHECK (n >= 2),
  at           timestamptz NOT NULL, -- the frontend's clock
  backend      text        NOT NULL,
  model        text        NOT NULL,
  after_status integer     NOT NULL, -- what the attempt before was answered; 0 if nothing
  after_error  text        NOT NULL, -- why the attempt before was given up
  PRIMARY KEY (request_id, n)
) PARTITION BY RANGE (request_id);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

-- Costs are in billionths of the price list's currency. What an interrupted request cost is taken from its intent.
ALTER TABLE intents  ADD COLUMN cost_nanos bigint NOT NULL DEFAULT 0;

ALTER TABLE outcomes ADD COLUMN backend      text    NOT NULL DEFAULT '', -- of the last attempt; '' is the intent's
                     ADD COLUMN model_routed text    NOT NULL DEFAULT '', -- the same
                     ADD COLUMN attempts     integer NOT NULL DEFAULT 1,  -- 0 if it was never sent
                     ADD COLUMN cost_nanos   bigint  NOT NULL DEFAULT 0;

-- backend and model_routed are those of the last attempt.
ALTER TABLE ledger   ADD COLUMN attempts           integer NOT NULL DEFAULT 1, -- 0 if it was never sent
                     ADD COLUMN cost_nanos         bigint  NOT NULL DEFAULT 0,
                     ADD COLUMN first_model_routed text, -- of the first attempt; null where the last is the first
                     ADD COLUMN first_backend      text;

-- request_attempts lists every sending of the requests in the ledger, and how it ended. The status is null where the
-- row that says so is past its retention.
CREATE VIEW request_attempts AS
  SELECT sent.request_id, sent.n, sent.at, sent.backend, sent.model,
         CASE sent.n WHEN l.attempts THEN l.http_status ELSE next.after_status END AS status,
         CASE sent.n WHEN l.attempts THEN l.error       ELSE next.after_error  END AS error
  FROM (
    SELECT id AS request_id, 1 AS n, admitted_at AS at, coalesce(first_backend, backend) AS backend,
           coalesce(first_model_routed, model_routed) AS model FROM ledger
    UNION ALL
    SELECT request_id, n, at, backend, model FROM attempts
  ) sent
  JOIN ledger l ON l.id = sent.request_id AND l.attempts >= sent.n
  LEFT JOIN attempts next ON next.request_id = sent.request_id AND next.n = sent.n + 1;

-- As before, and for attempts.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION ensure_partitions(months_ahead integer) RETURNS void
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
  FOR parent, key IN VALUES ('bodies', 'request_id'), ('attempts', 'request_id'), ('ledger', 'id') LOOP
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

CREATE OR REPLACE FUNCTION drop_partitions_before(parent text, cutoff timestamptz) RETURNS SETOF text
  LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  month timestamp := date_trunc('month', cutoff AT TIME ZONE 'UTC');
  key   text := CASE parent WHEN 'bodies' THEN 'request_id' WHEN 'attempts' THEN 'request_id' WHEN 'ledger' THEN 'id' END;
  child text;
BEGIN
  IF key IS NULL THEN
    RAISE EXCEPTION 'drop_partitions_before: % is not bodies, attempts or ledger', parent USING ERRCODE = 'invalid_parameter_value';
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

SELECT ensure_partitions(2);

GRANT INSERT ON attempts TO llmgw_frontend;
GRANT SELECT ON attempts TO llmgw_worker, llmgw_auditor;
GRANT SELECT ON request_attempts TO llmgw_auditor;

-- +goose Down
DROP VIEW request_attempts;
DROP TABLE attempts;
ALTER TABLE intents  DROP COLUMN cost_nanos;
ALTER TABLE outcomes DROP COLUMN backend, DROP COLUMN model_routed, DROP COLUMN attempts, DROP COLUMN cost_nanos;
ALTER TABLE ledger   DROP COLUMN attempts, DROP COLUMN cost_nanos, DROP COLUMN first_model_routed, DROP COLUMN first_backend;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION ensure_partitions(months_ahead integer) RETURNS void
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

CREATE OR REPLACE FUNCTION drop_partitions_before(parent text, cutoff timestamptz) RETURNS SETOF text
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
