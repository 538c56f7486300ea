package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const killSteps = 12

// TestMain runs the test binary as the process that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ENGINE_TEST_DIR"); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victim runs one flow to its end. Each step appends its number to the log, and
// each transaction to a table.
func victim(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f, err := Open(ctx, spot(dir))
	if err != nil {
		return err
	}
	if _, err := f.DB.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS lines (line INTEGER)"); err != nil {
		return err
	}
	e, err := New(ctx, Config{Database: f, Executor: "one"})
	if err != nil {
		return err
	}
	e.Register("work", func(f *Flow, in json.RawMessage) json.RawMessage {
		for i := range killSteps {
			Step(f, "append", func(context.Context) int { appendLine(dir, i); return i })
			Transaction(f, "insert", func(ctx context.Context, tx Tx) (int, error) {
				_, err := tx.Exec(ctx, "INSERT INTO lines VALUES ($1)", i)
				return i, err
			})
		}
		return nil
	})
	if err := e.Launch(); err != nil {
		return err
	}
	if err := e.Start("work", "w", nil); err != nil {
		return err
	}
	if s, err := e.Wait(ctx, "w"); err != nil || s != StateEnded {
		return fmt.Errorf("state %s, parked %v: %w", s, e.Parked("w"), err)
	}
	return e.Close(time.Second)
}

// spot is the database of a victim: what the file says, or a file of its own.
func spot(dir string) string {
	if b, err := os.ReadFile(filepath.Join(dir, "database")); err == nil {
		return string(b)
	}
	return filepath.Join(dir, "x.db")
}

func appendLine(dir string, i int) {
	f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, i)
}

func readLog(dir string) []int {
	b, _ := os.ReadFile(filepath.Join(dir, "log"))
	var out []int
	for line := range strings.Lines(string(b)) {
		var i int
		if _, err := fmt.Sscan(line, &i); err == nil {
			out = append(out, i)
		}
	}
	return out
}

// TestKill_resumes kills the process at random moments, again and again, until
// it manages to finish.
func TestKill_resumes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "database"), []byte(place(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	kills := 0
	for done := false; !done; {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "ENGINE_TEST_DIR="+dir)
		cmd.Stderr = os.Stderr
		before := len(readLog(dir))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if kills < 5 {
			// Let it get a step or two further, then kill it somewhere inside.
			until(t, func() bool { return len(readLog(dir)) > before+rnd.IntN(2) || before+2 >= killSteps })
			<-time.After(time.Duration(rnd.IntN(6000)) * time.Microsecond)
			_ = cmd.Process.Signal(syscall.SIGKILL)
			kills++
		}
		done = cmd.Wait() == nil
	}
	got := readLog(dir)
	var once []int
	repeated := 0
	for i, n := range got {
		if i > 0 && got[i-1] == n {
			repeated++
			continue
		}
		once = append(once, n)
	}
	var want []int
	for i := range killSteps {
		want = append(want, i)
	}
	if d := cmp.Diff(want, once); d != "" {
		t.Errorf("steps out of order, lost or done again later: %s\nlog %v", d, got)
	}
	if repeated > kills {
		t.Errorf("%d steps ran twice with %d kills; only the one in flight may", repeated, kills)
	}
	t.Logf("%d kills, %d in-flight steps ran again", kills, repeated)

	f, err := Open(t.Context(), spot(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if d := cmp.Diff(want, lines(t, f.DB)); d != "" {
		t.Errorf("a transaction was lost or done twice: %s", d)
	}
}

func lines(t *testing.T, db *sql.DB) []int {
	t.Helper()
	rows, err := db.Query("SELECT line FROM lines ORDER BY line")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []int
	for rows.Next() {
		var i int
		if err := rows.Scan(&i); err != nil {
			t.Fatal(err)
		}
		out = append(out, i)
	}
	return out
}

// until polls for a condition that another goroutine or process brings about.
func until(t testing.TB, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatal("nothing happened for 30 s")
		}
		<-time.After(200 * time.Microsecond)
	}
}
