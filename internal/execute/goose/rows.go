package goose

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/internal/infer/migration"
)

// mostCounted is where counting stops: a point of no return by rows lies far below,
// and a survey must not read a large table to its end.
const mostCounted = 1_000_000

// rows counts what going back to a version would throw away: the rows of tables that
// the migrations on the way made, and those that hold something other than the default
// in a column that they added. It is nil when a migration does more than add, or when
// the rows can't be counted.
func (p place) rows(ctx context.Context, all map[int64]file, applied []int64, to int64) *int64 {
	var made []migration.Addition
	for _, v := range applied {
		if v <= to {
			continue
		}
		added, plain := all[v].Added()
		if _, known := all[v]; !known || !plain {
			return nil
		}
		made = append(made, added...)
	}
	n, err := p.sum(ctx, made)
	if err != nil {
		return nil
	}
	return &n
}

func (p place) sum(ctx context.Context, made []migration.Addition) (sum int64, err error) {
	db, err := p.open("ro")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, a := range made {
		n, err := count(ctx, db, a)
		if err != nil {
			return 0, fmt.Errorf("count rows of %s: %w", a, err)
		}
		sum += n
	}
	return sum, nil
}

// count is the number of rows with data in what was added.
func count(ctx context.Context, db *sql.DB, a migration.Addition) (n int64, err error) {
	where := ""
	if a.Column != "" {
		var usual sql.NullString // SQL text of the default, from the database's own schema
		err := db.QueryRowContext(ctx, "SELECT dflt_value FROM pragma_table_info(?) WHERE name = ?", a.Table, a.Column).Scan(&usual)
		if err != nil {
			return 0, err
		}
		where = fmt.Sprintf(" WHERE %s IS NOT (%s)", quoted(a.Column), cmp.Or(usual.String, "NULL"))
	}
	q := fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s%s LIMIT %d)", quoted(a.Table), where, mostCounted)
	err = db.QueryRowContext(ctx, q).Scan(&n)
	return n, err
}

// quoted writes a name, which may have a schema in front, for SQLite.
func quoted(name string) string {
	parts := strings.Split(name, ".")
	for i, s := range parts {
		parts[i] = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}
