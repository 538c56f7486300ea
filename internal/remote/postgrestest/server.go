// Package postgrestest starts a real PostgreSQL for tests: Debian's server, in a
// temporary folder, on a free port of the loopback interface, forgotten with the
// process that asked for it. [Again] runs a package's tests once more on it.
package postgrestest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver behind "pgx"
)

// Server is one running PostgreSQL.
type Server struct {
	// URL is the address of its first database.
	URL string
	// PID is the process to signal when a test is about a server that dies.
	PID int

	made atomic.Int64 // databases so far
	life io.Closer    // the server's standard input; referred to, so that it stays open
}

// environment names the server that a test binary was started for by [Again].
const environment = "BACKOUT_TEST_POSTGRES"

// server is started by whoever asks first, one for each test binary.
var server = sync.OnceValues(start)

// Given says whether these tests are to run on PostgreSQL, and on which server.
func Given() (*Server, bool) {
	if os.Getenv(environment) == "" {
		return nil, false
	}
	s, err := server()
	return s, err == nil
}

// Start gives the server of this test binary. Where there is no PostgreSQL the
// test is skipped; in CI it fails.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := server()
	switch {
	case errors.Is(err, errMissing) && os.Getenv("CI") == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	return s
}

// Database makes an empty database and gives its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), s.made.Add(1))
	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(s.URL, "/postgres?", "/"+name+"?", 1)
}

// Again runs the tests of this binary once more, on PostgreSQL: those that ask
// [Given] then get a server. Call it from a test of its own; there it does
// nothing the second time.
func Again(t *testing.T) {
	t.Helper()
	if _, on := Given(); on {
		return
	}
	s := Start(t)
	args := []string{"-test.timeout=15m", "-test.failfast"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), environment+"="+s.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("on PostgreSQL: %v\n%s", err, out)
	}
}

var errMissing = errors.New("there is no PostgreSQL server here; on Debian: apt-get install postgresql")

func start() (*Server, error) {
	if url := os.Getenv(environment); url != "" {
		return &Server{URL: url}, nil
	}
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgrestest")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{URL: fmt.Sprintf("postgres://backout@127.0.0.1:%d/postgres?sslmode=disable", port)}
	if err := s.run(bin, dir, port); err != nil {
		return nil, fmt.Errorf("start PostgreSQL in %s: %w", dir, err)
	}
	return s, s.wait()
}

// binaries finds the newest server of Debian, whose programs are not on the path.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errMissing
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// life makes a cluster, runs its server and ends it when standard input closes,
// which happens however the process dies that holds the other end.
const life = `set -e
exec 3<&0 # a process in the background has no other standard input
"$1/initdb" -D "$2/data" -U backout -A trust -E UTF8 --no-sync --no-instructions >"$2/log" 2>&1 || { cat "$2/log" >&2; exit 1; }
"$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c fsync=${BACKOUT_TEST_FSYNC:-off} -c max_connections=300 3<&- >>"$2/log" 2>&1 &
echo $!
(cat <&3 >/dev/null; kill -QUIT $! 2>/dev/null; sleep 1; rm -rf "$2") &
wait`

func (s *Server) run(bin, dir string, port int) error {
	args := []string{"sh", "-c", life, "life", bin, dir, fmt.Sprint(port)}
	if os.Geteuid() == 0 { // the server refuses to run as root
		args = append([]string{"runuser", "-u", "postgres", "--"}, args...)
		if out, err := exec.Command("chown", "postgres", dir).CombinedOutput(); err != nil {
			return fmt.Errorf("give the server its folder: %w: %s", err, out)
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	// A file, not ours: cleaning up may take longer than the tests, whose output must
	// not be waited for.
	complaints, err := os.Create(filepath.Join(dir, "complaints"))
	if err != nil {
		return err
	}
	defer func() { _ = complaints.Close() }()
	cmd.Stderr = complaints
	if s.life, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		said, _ := os.ReadFile(complaints.Name())
		return fmt.Errorf("%w: %s", err, said)
	}
	_, err = fmt.Sscan(line, &s.PID)
	return err
}

func (s *Server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
