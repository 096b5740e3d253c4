-- Every ledger row has a digest, and seals prove that none was changed, taken away or put in since.
--
--   worker ──► ledger + unsealed     one statement: a row, and that it waits for a seal
--          ──► seals                 unsealed ids leave with their digests; each seal has the hash of the one before
--   owner  ──► measures              what was held, retired or erased, noted in the next seal
--
-- Frontends of the version before go on while this is applied and after it. Workers do not: their rows would be in no
-- seal, so they are refused, and what they would have written waits until workers of this version run. Rows that are there
-- already get their digest here; the ledger takes no rows meanwhile, and nothing is lost by that.
--
-- +goose Up

-- micros is a time as microseconds since 1970.
CREATE FUNCTION micros(t timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN isfinite(t) THEN (extract(epoch FROM t) * 1000000)::bigint::text ELSE t::text END
$$;

ALTER TABLE ledger ADD COLUMN digest bytea; -- SHA-256 of ledger_text

-- What a row says is a JSON array of texts, and its digest is of these bytes. Another form needs another name in its first
-- place, and seal.Columns the same columns. There are two functions of it: ledger_text for those who read, and the trigger of
-- the ledger, which would take twice as long if it called that.
--
-- The writer asks for the digest by an empty one. A row that is moved keeps its own.
-- +goose StatementBegin
DO $$
DECLARE
  says text := $says$to_json(ARRAY['ledger/1', @id::text,
    public.micros(@admitted_at), public.micros(@first_byte_at), public.micros(@ended_at),
    @subject, @user_name, @tier, @endpoint, @dialect, @stream::text, @session, @model_requested, @model_routed, @backend,
    @status, @http_status::text, @error, @stop_reason, @upstream_id,
    @input_tokens::text, @output_tokens::text, @cache_read_tokens::text, @cache_write_tokens::text, @usage_estimated::text,
    @charge_requests::text, @charge_tokens::text, @reserved::text, public.micros(@window_start), public.micros(@window_reset),
    encode(@request_digest, 'hex'), encode(@response_digest, 'hex'), public.micros(@recorded_at),
    @attempts::text, @cost_nanos::text, @first_model_routed, @first_backend, @batch_id::text, @batch_n::text, @class])::text$says$;
BEGIN
  EXECUTE format('CREATE FUNCTION ledger_text(l ledger) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS %L', 'SELECT ' || replace(says, '@', 'l.'));
  EXECUTE format('CREATE FUNCTION digest_ledger_row() RETURNS trigger LANGUAGE plpgsql AS %L', replace($trigger$
    BEGIN
      IF NEW.digest IS NULL THEN
        RAISE EXCEPTION 'this worker is older than the schema and would write ledger rows that nobody seals: renew the workers'
          USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;
      IF NEW.digest = '' THEN
        NEW.digest := sha256(convert_to(SAYS, 'UTF8'));
      END IF;
      RETURN NEW;
    END $trigger$, 'SAYS', replace(says, '@', 'NEW.')));
END $$;
-- +goose StatementEnd

UPDATE ledger l SET digest = sha256(convert_to(ledger_text(l), 'UTF8'));
ALTER TABLE ledger ALTER COLUMN digest SET NOT NULL;

CREATE TRIGGER ledger_digest BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION digest_ledger_row();

-- The ledger rows that are in no seal yet. Only the statements that write the ledger fill it: a row that somebody puts into
-- the ledger by hand is in no seal and does not wait for one, and so it is found.
CREATE TABLE unsealed (id uuid PRIMARY KEY);
ALTER TABLE unsealed SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
INSERT INTO unsealed SELECT id FROM ledger;

-- Rows are never changed, never deleted.
CREATE TABLE seals (
  n         bigint      PRIMARY KEY, -- 1, 2, 3, …
  sealed_at timestamptz NOT NULL,
  rows      integer     NOT NULL,
  first_id  uuid        NOT NULL,    -- the lowest id in it; zero if there is none
  last_id   uuid        NOT NULL,
  root      bytea       NOT NULL,    -- of the Merkle tree over its entries
  notes     text        NOT NULL,    -- a JSON array: the measures since the seal before
  previous  bytea       NOT NULL,    -- hash of the seal before; zero of the first
  hash      bytea       NOT NULL,    -- SHA-256 of all of the above
  key       text        NOT NULL,    -- of the signature; '' if there is none
  signature bytea,                   -- Ed25519, of the hash
  entries   bytea       NOT NULL,    -- id and digest of each row, in the order of the ids
  measure   bigint      NOT NULL     -- the last one noted
);
ALTER TABLE seals ALTER COLUMN entries SET STORAGE EXTERNAL; -- digests do not compress
CREATE INDEX seals_first ON seals (first_id, n);

-- What the operator did to the record, or forbade. Rows are never changed, never deleted.
CREATE TABLE measures (
  id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind     text        NOT NULL CHECK (kind IN ('hold', 'release', 'retire', 'erase')),
  taken_by text        NOT NULL,
  reason   text        NOT NULL,
  subject  text        NOT NULL DEFAULT '',  -- of a hold, an erasure; '' is everybody
  from_at  timestamptz,                      -- the requests admitted since
  to_at    timestamptz,                      -- and before
  hold     bigint REFERENCES measures (id),  -- that is released
  source   text        NOT NULL DEFAULT '',  -- the table that was retired
  rows     bigint      NOT NULL DEFAULT 0    -- that are gone
);

-- holds are those in force.
CREATE VIEW holds AS
  SELECT h.id, h.at, h.taken_by, h.reason, h.subject, h.from_at, h.to_at FROM measures h
  WHERE h.kind = 'hold' AND NOT EXISTS (SELECT FROM measures r WHERE r.hold = h.id);

-- held tells whether a hold covers a request. Of whom it was is in the ledger, or in the intents while it runs.
CREATE FUNCTION held(request uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM public.holds h
    WHERE (h.from_at IS NULL OR request >= public.uuid_floor(h.from_at)) AND (h.to_at IS NULL OR request < public.uuid_floor(h.to_at))
      AND (h.subject = '' OR EXISTS (SELECT FROM public.ledger l WHERE l.id = request AND l.subject = h.subject)
                          OR EXISTS (SELECT FROM public.intents i WHERE i.id = request AND i.subject = h.subject)))
$$;

-- retire ends the retention of all months of a table ('bodies', 'attempts' or 'ledger') before the month of the cutoff,
-- and answers what it dropped and what it kept. Rows that a hold covers are kept, in the default partition. The rows of
-- the ledger that are kept are sealed once more, after the note of what was dropped: so each is still missed if it goes.
-- With dry it only counts.
-- +goose StatementBegin
CREATE FUNCTION retire(parent text, cutoff timestamptz, taken_by text, reason text, dry boolean)
  RETURNS TABLE (part text, dropped bigint, kept bigint)
  LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  month   timestamp := date_trunc('month', cutoff AT TIME ZONE 'UTC');
  low     uuid := public.uuid_floor(date_trunc('month', cutoff AT TIME ZONE 'UTC') AT TIME ZONE 'UTC');
  key     text := CASE parent WHEN 'bodies' THEN 'request_id' WHEN 'attempts' THEN 'request_id' WHEN 'ledger' THEN 'id' END;
  spare   text := parent || '_default';
  keeping text := 'false'; -- which rows are kept
  gone    bigint := 0;
BEGIN
  IF key IS NULL THEN
    RAISE EXCEPTION 'retire: % is not bodies, attempts or ledger', parent USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('llmgw.partitions', 0)), pg_advisory_xact_lock(hashtextextended('llmgw.measures', 0));
  IF parent = 'ledger' AND EXISTS (SELECT FROM public.unsealed u WHERE u.id < low) THEN
    RAISE EXCEPTION 'the ledger has rows before % that are in no seal yet: wait for the next seal, and try again', month::date
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF EXISTS (SELECT FROM public.holds) THEN
    keeping := format('public.held(%I)', key);
  END IF;
  FOR part IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = ('public.' || parent)::regclass
      AND (c.relname = spare OR c.relname ~ ('^' || parent || '_\d{4}_\d\d$') AND to_timestamp(right(c.relname, 7), 'YYYY_MM')::timestamp < month)
    ORDER BY c.relname
  LOOP
    IF NOT dry THEN
      EXECUTE format('LOCK TABLE public.%I IN SHARE MODE', part);
    END IF;
    EXECUTE format('SELECT count(*) FILTER (WHERE NOT %1$s), count(*) FILTER (WHERE %1$s) FROM public.%2$I WHERE %3$I < %4$L', keeping, part, key, low)
      INTO dropped, kept;
    gone := gone + dropped;
    IF NOT dry AND part = spare THEN
      EXECUTE format('DELETE FROM public.%I WHERE %I < %L AND NOT %s', part, key, low, keeping);
    ELSIF NOT dry THEN
      -- Chosen while they are in the ledger: it says whose they are.
      EXECUTE format('CREATE TEMP TABLE held_rows AS SELECT * FROM public.%I WHERE %s', part, keeping);
      EXECUTE format('ALTER TABLE public.%I DETACH PARTITION public.%I', parent, part);
      EXECUTE format('INSERT INTO public.%I SELECT * FROM pg_temp.held_rows', spare);
      EXECUTE format('DROP TABLE public.%I, pg_temp.held_rows', part);
    END IF;
    IF part <> spare OR dropped + kept > 0 THEN
      RETURN NEXT;
    END IF;
  END LOOP;
  IF gone > 0 AND NOT dry THEN
    IF parent = 'ledger' THEN
      INSERT INTO public.unsealed SELECT l.id FROM public.ledger l WHERE l.id < low ON CONFLICT DO NOTHING;
    END IF;
    PERFORM public.add_measure('retire', taken_by, reason, '', NULL, month AT TIME ZONE 'UTC', NULL, parent, gone);
  END IF;
END $$;
-- +goose StatementEnd

-- add_measure puts a measure on record. It waits for a seal that is being made, so that the numbers of measures are
-- given in the order in which seals see them.
-- +goose StatementBegin
CREATE FUNCTION add_measure(kind text, taken_by text, reason text, subject text, from_at timestamptz, to_at timestamptz, hold bigint, source text, rows bigint)
  RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('llmgw.seal', 0));
  INSERT INTO public.measures (kind, taken_by, reason, subject, from_at, to_at, hold, source, rows)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id
$$;
-- +goose StatementEnd

-- drop_partitions_before is retire for who works with SQL. It answers the names of the partitions.
CREATE OR REPLACE FUNCTION drop_partitions_before(parent text, cutoff timestamptz) RETURNS SETOF text
  LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT part FROM public.retire($1, $2, current_user::text, '', false) WHERE part <> $1 || '_default'
$$;

REVOKE ALL ON FUNCTION micros(timestamptz), ledger_text(ledger), digest_ledger_row(), held(uuid), retire(text, timestamptz, text, text, boolean),
  add_measure(text, text, text, text, timestamptz, timestamptz, bigint, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION micros(timestamptz), ledger_text(ledger) TO llmgw_worker, llmgw_auditor;
GRANT SELECT, INSERT, DELETE ON unsealed TO llmgw_worker;
GRANT SELECT, INSERT ON seals TO llmgw_worker;
GRANT SELECT ON measures TO llmgw_worker;
GRANT SELECT ON unsealed, seals, measures, holds TO llmgw_auditor;

-- +goose Down
-- +goose StatementBegin
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
DROP FUNCTION retire(text, timestamptz, text, text, boolean),
  add_measure(text, text, text, text, timestamptz, timestamptz, bigint, text, bigint), held(uuid);
DROP VIEW holds;
DROP TABLE measures, seals, unsealed;
DROP TRIGGER ledger_digest ON ledger;
DROP FUNCTION digest_ledger_row(), ledger_text(ledger), micros(timestamptz);
ALTER TABLE ledger DROP COLUMN digest;
