package cli

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/remote/postgrestest"
)

// beside starts one more replica of a running backout and says how to stop it.
func (f *flagged) beside(database, name string) (*app.App, func()) {
	f.Helper()
	a, err := app.New(f.Context(), app.Config{
		Catalog: filepath.Join(f.dir, "catalog"), Data: filepath.Join(f.dir, name), Database: database, Prometheus: calm(f.T), Step: 250 * time.Millisecond, Minute: 500 * time.Millisecond,
	})
	if err != nil {
		f.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(f.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	end := func() {
		if stopped {
			return
		}
		stopped = true
		stop()
		if err := <-done; err != nil {
			f.Error(err)
		}
	}
	f.Cleanup(end)
	return a, end
}

// What one replica hears the other one knows, a plan asked of one is applied by the
// other, and when one ends the other does all.
func TestServe_replicasShareOneDatabase(t *testing.T) {
	database := postgrestest.Start(t).Database(t)
	f := serveFlags(t, "") // for its folder; a file of its own
	first, end := f.beside(database, "one")
	second, _ := f.beside(database, "two")
	f.a = first
	f.switched()
	started := time.Now().UTC()
	f.alert(started, false)
	path := filepath.Join(f.dir, "plan.json")
	f.until("the second has a plan for what the first one heard", func() bool {
		code, out, _ := runOn(t, second, "plan", "--out", path)
		return code == 2 && strings.Contains(out, "W1 ~ flag express   on → off")
	})
	go func() {
		f.until("the flag is off", func() bool { return f.variant() == "off" })
		f.alert(started, true)
	}()
	if code, out, errs := runOn(t, second, "apply", path, "--reason", "reviewed", "--by", "ann"); code != 0 {
		t.Fatalf("exit %d, %q %q", code, out, errs)
	}
	all, err := first.Incidents(t.Context())
	if err != nil || len(all) != 1 || all[0].State != backout.StateRecovered {
		t.Errorf("the first one sees %+v, %v", all, err)
	}
	end()
	f.a = second
	f.alert(time.Now().UTC(), false)
	f.until("the second walks alone", func() bool {
		all, err := second.Incidents(t.Context())
		return err == nil && len(all) == 2 && all[0].State != backout.StateDetected
	})
}

func TestServe_replicasNeedCommonMetrics(t *testing.T) {
	_, err := app.New(t.Context(), app.Config{Catalog: "c", Data: t.TempDir(), Database: "postgres://h/d", Targets: "http://127.0.0.1:1"})
	if err == nil || !strings.Contains(err.Error(), "--prometheus URL") {
		t.Errorf("%v, want a refusal that says why", err)
	}
}
