package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	_ "github.com/jackc/pgx/v5/stdlib" // reads the journal
	"github.com/rs/zerolog"

	"github.com/backout-dev/backout"
)

// replicas of backout on one PostgreSQL.
const replicas = 3

// postgres is a real server of its own, with each replica's connections going
// through a proxy that can cut and slow them.
type postgres struct {
	bin, dir string
	port     int
	proxies  []*toxiproxy.Proxy
	mending  sync.WaitGroup // troubles that end by themselves

	mu    sync.Mutex // guards what follows; held while the server is down
	pid   int
	stdin io.Closer // the server ends when it is closed, also when the harness dies
}

// newPostgres makes a cluster that syncs to the disk, and starts its server.
func newPostgres(ctx context.Context) (*postgres, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return nil, errors.New("there is no PostgreSQL server here; on Debian: apt-get install postgresql")
	}
	dir, err := os.MkdirTemp("", "backout-chaos-postgres")
	if err != nil {
		return nil, err
	}
	p := &postgres{bin: filepath.Dir(found[len(found)-1]), dir: dir}
	if err := p.begin(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *postgres) begin(ctx context.Context) error {
	if os.Geteuid() == 0 { // the server refuses to run as root
		if out, err := exec.CommandContext(ctx, "chown", "postgres", p.dir).CombinedOutput(); err != nil {
			return fmt.Errorf("give PostgreSQL its folder: %w: %s", err, out)
		}
	}
	p.port = freePort()
	args := p.asPostgres(filepath.Join(p.bin, "initdb"), "-D", p.data(), "-U", "backout", "-A", "trust", "-E", "UTF8", "--no-instructions")
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("make a PostgreSQL cluster: %w: %s", err, out)
	}
	if err := p.start(ctx); err != nil {
		return err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for i := range replicas {
		proxy := toxiproxy.NewProxy(server, strconv.Itoa(i), fmt.Sprintf("127.0.0.1:%d", freePort()), fmt.Sprintf("127.0.0.1:%d", p.port))
		if err := proxy.Start(); err != nil {
			return fmt.Errorf("start proxy: %w", err)
		}
		p.proxies = append(p.proxies, proxy)
	}
	return nil
}

// freePort finds a port below those that the kernel gives to callers. While nobody
// listens on one of those, a caller may be given the very port it calls, and then it
// is connected to itself and waits for ever.
func freePort() int {
	for {
		port := 15000 + rand.IntN(15000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *postgres) asPostgres(args ...string) []string {
	if os.Geteuid() == 0 {
		return append([]string{"runuser", "-u", "postgres", "--"}, args...)
	}
	return args
}

// life runs the server and kills it when standard input closes.
const life = `exec 3<&0; "$@" >>"$0" 2>&1 & p=$!; echo $p; (cat <&3 >/dev/null; kill -9 $p 2>/dev/null) & wait $p`

// start runs the server until it answers. After a kill -9 the old one's memory is in
// the way for a moment, so it is tried again.
func (p *postgres) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		if err = p.launch(ctx); err == nil {
			return nil
		}
		p.end()
		rest(ctx, 200*time.Millisecond)
	}
	return fmt.Errorf("start PostgreSQL: %w", err)
}

func (p *postgres) launch(ctx context.Context) error {
	args := p.asPostgres("sh", "-c", life, filepath.Join(p.dir, "log"), filepath.Join(p.bin, "postgres"),
		"-D", p.data(), "-p", strconv.Itoa(p.port), "-k", p.dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=on", "-c", "max_connections=200")
	cmd := exec.Command(args[0], args[1:]...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.stdin = stdin
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return err
	}
	if p.pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	return p.answers(ctx, exited)
}

func (p *postgres) answers(ctx context.Context, exited <-chan error) error {
	db, err := sql.Open("pgx", p.url(p.port))
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		if err := db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case err := <-exited:
			return fmt.Errorf("it ended at once: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *postgres) end() {
	if p.pid != 0 {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	if p.stdin != nil {
		_ = p.stdin.Close()
	}
	p.pid, p.stdin = 0, nil
}

func (p *postgres) url(port int) string {
	return fmt.Sprintf("postgres://backout@127.0.0.1:%d/postgres?sslmode=disable", port)
}

func (p *postgres) Name() string  { return "postgres" }
func (p *postgres) Replicas() int { return replicas }

// Database is the address of replica i's proxy.
func (p *postgres) Database(i int) string {
	_, port, _ := net.SplitHostPort(p.proxies[i].Listen)
	n, _ := strconv.Atoi(port)
	return p.url(n)
}

// Trouble kills the server, or cuts, slows or silences one replica's connections.
// Each ends by itself after a while.
func (p *postgres) Trouble(ctx context.Context, rnd *rand.Rand) string {
	proxy := p.proxies[rnd.IntN(replicas)]
	lasts := time.Duration(500+rnd.IntN(9500)) * time.Millisecond
	switch rnd.IntN(5) {
	case 0, 1:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.end()
		rest(ctx, lasts/4)
		if err := p.start(context.WithoutCancel(ctx)); err != nil {
			return err.Error()
		}
		return "the database was killed"
	case 2:
		proxy.Stop()
		p.later(ctx, lasts, func() { _ = proxy.Start() })
		return "a replica's connections were cut"
	case 3:
		return p.toxic(ctx, proxy, lasts, "latency", fmt.Sprintf(`{"latency":%d,"jitter":100}`, 120+rnd.IntN(400)), "slowed")
	}
	return p.toxic(ctx, proxy, lasts, "timeout", `{"timeout":0}`, "silenced")
}

// toxic gives a proxy a toxic for a time.
func (p *postgres) toxic(ctx context.Context, proxy *toxiproxy.Proxy, lasts time.Duration, kind, attributes, done string) string {
	body := fmt.Sprintf(`{"name":%q,"type":%q,"attributes":%s}`, kind, kind, attributes)
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(body)); err != nil {
		return "" // it has it already
	}
	p.later(ctx, lasts, func() { _ = proxy.Toxics.RemoveToxic(context.WithoutCancel(ctx), kind) })
	return "a replica's connections were " + done
}

func (p *postgres) later(ctx context.Context, d time.Duration, fn func()) {
	p.mending.Go(func() {
		rest(ctx, d)
		fn()
	})
}

// Heal waits until what ends by itself has ended, which it does at once when the
// storm is over.
func (p *postgres) Heal(context.Context) error {
	p.mending.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid == 0 {
		return errors.New("PostgreSQL did not come back")
	}
	return nil
}

// Runs reads the journal past the proxies.
func (p *postgres) Runs(ctx context.Context) ([]backout.Run, error) {
	db, err := sql.Open("pgx", p.url(p.port))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return readRuns(ctx, db)
}

// Close ends the server and forgets its data.
func (p *postgres) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, proxy := range p.proxies {
		proxy.Stop()
	}
	p.end()
	_ = os.RemoveAll(p.dir)
}
