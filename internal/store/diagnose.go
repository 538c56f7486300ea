package store

import (
	"errors"

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
	return backout.CodeInternal, ""
}
