-- +goose Up
CREATE TABLE "{{ledger}}_3" (id INTEGER PRIMARY KEY, at_s INTEGER NOT NULL DEFAULT 0, amount_minor INTEGER NOT NULL);
INSERT INTO "{{ledger}}_3" SELECT id, at_ms / 1000, amount_minor FROM "{{ledger}}";
DROP TABLE "{{ledger}}";
ALTER TABLE "{{ledger}}_3" RENAME TO "{{ledger}}";
ALTER TABLE "{{ledger}}" ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0;
