package app

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/attest"
	"github.com/backout-dev/backout/internal/execute"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/web"
)

// records reads what was written down, from a running backout's database or from
// the file of one that does not run.
type records struct {
	*store.Store
	db *sql.DB
}

func (r records) Log(ctx context.Context, id backout.IncidentID) (attest.Log, error) {
	l := attest.Log{Incident: id, Journals: map[backout.AttemptID][][]byte{}}
	var err error
	if l.Entries, err = r.AuditLines(ctx, id); err != nil {
		return l, err
	}
	for _, at := range attest.Sealed(l.Entries) {
		if l.Journals[at], err = execute.JournalLines(ctx, r.db, at); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (r records) Messages(ctx context.Context, id backout.IncidentID) ([]backout.Delivery, error) {
	all, err := r.Deliveries(ctx, id)
	out := []backout.Delivery{}
	for _, d := range all {
		out = append(out, backout.Delivery{Message: d.Message, Channel: d.Channel, Tries: d.Tries, At: d.Sent, GivenUp: d.GivenUp, Note: d.Failure})
	}
	return out, err
}

// stopped is what a data folder holds while no backout runs on it, as web reads it.
type stopped struct{ records }

func (s stopped) Incidents(ctx context.Context, limit int) ([]backout.Incident, error) {
	return s.Store.Incidents(ctx, store.Query{Limit: limit})
}

// Run reads a journal. How the run ended stands in its incident.
func (s stopped) Run(ctx context.Context, id backout.AttemptID) (backout.Run, error) {
	return execute.ReadRun(ctx, s.db, id)
}

// AnchorFile is where a data folder keeps its copy of the anchors.
func AnchorFile(data string) string { return filepath.Join(data, "anchors.jsonl") }

// openStopped reads the database of a data folder; nothing in it is changed.
func openStopped(ctx context.Context, data string) (stopped, func(), error) {
	path := filepath.Join(data, "backout.db")
	if _, err := os.Stat(path); err != nil {
		return stopped{}, nil, fmt.Errorf("read --data %s: expected the folder that backout serve keeps its state in: %w", data, err)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String()+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return stopped{}, nil, fmt.Errorf("open %s: %w", path, err)
	}
	s, err := store.Reading(ctx, db)
	if err != nil {
		_ = db.Close()
		return stopped{}, nil, fmt.Errorf("open %s: %w", path, err)
	}
	return stopped{records{s, db}}, func() { _ = db.Close() }, nil
}

// ExportAudit writes the records of one incident, or of all, from a data folder;
// no backout needs to run on it, and one may.
func ExportAudit(ctx context.Context, data string, id backout.IncidentID, w io.Writer) error {
	s, done, err := openStopped(ctx, data)
	if err != nil {
		return err
	}
	defer done()
	return attest.Export(ctx, w, s, id)
}

// Archive opens a data folder for looking back; done gives it back.
func Archive(ctx context.Context, data string) (a web.Archive, done func(), err error) {
	s, done, err := openStopped(ctx, data)
	return web.Archive{Incidents: s, Records: s}, done, err
}
