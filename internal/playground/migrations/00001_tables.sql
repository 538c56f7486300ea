-- +goose Up
CREATE TABLE "{{orders}}" (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, amount_minor INTEGER NOT NULL);
CREATE TABLE "{{stock}}" (id INTEGER PRIMARY KEY, available INTEGER NOT NULL);
CREATE TABLE "{{ledger}}" (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, amount_minor INTEGER NOT NULL);

-- +goose Down
DROP TABLE "{{ledger}}";
DROP TABLE "{{stock}}";
DROP TABLE "{{orders}}";
