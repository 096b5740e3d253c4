-- Processes ask which migrations were applied, and wait for those they need.
--
-- +goose Up
GRANT SELECT ON goose_db_version TO llmgw_frontend, llmgw_worker, llmgw_auditor;

-- +goose Down
REVOKE SELECT ON goose_db_version FROM llmgw_frontend, llmgw_worker, llmgw_auditor;
