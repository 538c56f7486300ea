-- +goose Up
ALTER TABLE "{{orders}}" ADD COLUMN channel TEXT NOT NULL DEFAULT 'unknown';

-- +goose Down
ALTER TABLE "{{orders}}" DROP COLUMN channel;
