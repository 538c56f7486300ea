package store

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/backout-dev/backout"
)

// SQLite's primary result codes that a person can do something about.
var diagnoses = map[int]struct {
	code   backout.Code
	remedy string
}{
	5:  {backout.CodeUnavailable, "the database is busy; try again"},
	8:  {backout.CodeUnavailable, "the database can't be written; check the file's owner and the mount"},
	10: {backout.CodeUnavailable, "the disk reports an error; check the kernel's log"},
	11: {backout.CodeInternal, "the database file is damaged; restore it from a backup"},
	13: {backout.CodeUnavailable, "the disk is full; free some space"},
	14: {backout.CodeUnavailable, "the database file can't be opened; check the path and its permissions"},
	26: {backout.CodeInternal, "the file is not a SQLite database; name another file"},
}

// diagnose finds the code of a database error and what can be done about it.
func diagnose(err error) (backout.Code, string) {
	var e *sqlite.Error
	if errors.As(err, &e) {
		if d, ok := diagnoses[e.Code()&0xff]; ok {
			return d.code, d.remedy
		}
	}
	return diagnosePostgres(err)
}

// diagnosePostgres goes by the class of the server's code, its first two letters.
// A connection that is lost or can't be had is no code at all.
func diagnosePostgres(err error) (backout.Code, string) {
	var refused *pgconn.PgError
	var unreachable *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &refused) && len(refused.Code) == 5:
		switch refused.Code[:2] {
		case "08", "57", "53", "40", "25", "55":
			return backout.CodeUnavailable, "the database server is busy, short of something or restarting; try again"
		case "42":
			return backout.CodeInternal, "the database user lacks a right, or the tables are not this program's"
		}
	case errors.As(err, &unreachable), errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, driver.ErrBadConn):
		return backout.CodeUnavailable, "the database server can't be reached; see whether it runs"
	}
	return backout.CodeInternal, ""
}
