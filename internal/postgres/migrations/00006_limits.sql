-- Limits of classes of models, by the minute, and at once; limits that a caller's groups change.
--
-- Frontends and workers of the version before go on while this is applied and after it: what they do not write has a
-- default. Only workers of this version carry the class to the ledger, so renew the workers first.
--
-- +goose Up
ALTER TABLE intents ADD COLUMN class text NOT NULL DEFAULT ''; -- of the model, as it was at admission
ALTER TABLE ledger  ADD COLUMN class text NOT NULL DEFAULT '';
ALTER TABLE batches ADD COLUMN groups text[];
GRANT INSERT (groups) ON batches TO llmgw_frontend;

DROP INDEX ledger_window;
CREATE INDEX ledger_window  ON ledger (subject, window_start) INCLUDE (charge_requests, charge_tokens, class); -- quota_state
CREATE INDEX ledger_subject ON ledger (subject, id);

-- quota_state answers a subject's use of a window, all of it at one instant. Its rows are of these kinds:
--
--   settled   what the ledger has of the window, a row for each class
--   open      a request of the window that runs, and is not free
--   ended     one that has ended, and is not in the ledger yet; its charge is final
--   asked     one of the given requests that is in the ledger, with its final charge
--   running   a request, of any window, that has not ended
--   minute    a request that was admitted in the last minute; its time is in its id
--
-- It is all that the frontend can learn from the record. quota_snapshot, which it follows, is for frontends of the version before.
CREATE FUNCTION quota_state(subject text, window_start timestamptz, asked uuid[])
  RETURNS TABLE (kind text, id uuid, class text, requests bigint, tokens bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH pending AS MATERIALIZED (
    SELECT i.id, i.class, i.window_start, i.batch_id, o.id IS NULL AS running,
           coalesce(o.charge_requests, i.charge_requests) AS charge_requests, coalesce(o.charge_tokens, i.charge_tokens) AS charge_tokens
    FROM public.intents i LEFT JOIN public.outcomes o ON o.id = i.id
    WHERE i.subject = $1
      AND NOT EXISTS (SELECT FROM public.ledger l WHERE l.id = i.id) -- staged again after it was recorded
  )
  SELECT 'settled', NULL::uuid, l.class, sum(l.charge_requests)::bigint, sum(l.charge_tokens)::bigint
    FROM public.ledger l WHERE l.subject = $1 AND l.window_start = $2 GROUP BY l.class
  UNION ALL
  SELECT CASE WHEN p.running THEN 'open' ELSE 'ended' END, p.id, p.class, p.charge_requests, p.charge_tokens FROM pending p
    WHERE p.window_start = $2 AND (p.charge_requests <> 0 OR p.charge_tokens <> 0)
  UNION ALL
  SELECT 'asked', l.id, l.class, l.charge_requests, l.charge_tokens
    FROM public.ledger l WHERE l.id = ANY ($3) AND l.subject = $1 AND l.window_start = $2
  UNION ALL
  SELECT 'running', p.id, '', 0, 0 FROM pending p WHERE p.running AND p.batch_id IS NULL AND p.charge_requests > 0
  UNION ALL
  SELECT 'minute', p.id, '', 0, 0
    FROM pending p WHERE p.batch_id IS NULL AND p.charge_requests > 0 AND p.id >= public.uuid_floor(now() - interval '1 minute')
  UNION ALL
  SELECT 'minute', l.id, '', 0, 0
    FROM public.ledger l
    WHERE l.subject = $1 AND l.id >= public.uuid_floor(now() - interval '1 minute') AND l.batch_id IS NULL AND l.charge_requests > 0
$$;
REVOKE ALL ON FUNCTION quota_state(text, timestamptz, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION quota_state(text, timestamptz, uuid[]) TO llmgw_frontend, llmgw_worker;

-- +goose Down
DROP FUNCTION quota_state(text, timestamptz, uuid[]);
DROP INDEX ledger_subject, ledger_window;
ALTER TABLE batches DROP COLUMN groups;
ALTER TABLE ledger  DROP COLUMN class;
ALTER TABLE intents DROP COLUMN class;
CREATE INDEX ledger_window ON ledger (subject, window_start) INCLUDE (charge_requests, charge_tokens);
