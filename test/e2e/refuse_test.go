package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout"
)

// bad catalogs and what must be said about them.
var bad = map[string]struct{ yaml, want string }{
	"malformed YAML":  {"kind: [", "bad.yaml:"},
	"unknown field":   {"apiVersion: backout.dev/v1alpha1\nkind: Journey\nmetadata: {name: buy}\nspec: {services: [], valuePerHour: 3}\n", "valuePerHour"},
	"unknown service": {"apiVersion: backout.dev/v1alpha1\nkind: Journey\nmetadata: {name: buy}\nspec: {title: Buy, services: [ghost], valuePerMinute: 1.00 EUR, tier: 0}\n", "ghost"},
	"a cycle": {"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec: {type: service, lifecycle: production, owner: x, dependsOn: [component:b]}\n---\n" +
		"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: b}\nspec: {type: service, lifecycle: production, owner: x, dependsOn: [component:a]}\n", "cycle"},
}

const good = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec: {type: service, lifecycle: production, owner: x}\n---\n" +
	"apiVersion: backout.dev/v1alpha1\nkind: SignalSet\nmetadata: {name: s}\nspec: {signals: [{name: errors, kind: errors, direction: up, query: 'sum by (service) (rate(e[$window])) * $step_s', total: 'sum by (service) (rate(r[$window])) * $step_s', opens: true}]}\n"

func folder(t *testing.T, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// place is how a problem begins; the field is empty when the document is meant.
var place = regexp.MustCompile(`(?m)^bad\.yaml:[1-9][0-9]*:[^:]*: `)

func TestLint_namesFileLineAndField(t *testing.T) {
	for name, c := range bad {
		code, said := fails(t, "lint", folder(t, c.yaml))
		if code != 2 || !strings.Contains(said, c.want) || !place.MatchString(said) {
			t.Errorf("%s: exit %d, said %q, want exit 2, file:line:field and %q", name, code, said, c.want)
		}
		t.Logf("%s: %s", name, said)
		code, said = fails(t, "serve", "--catalog", folder(t, c.yaml), "--data", t.TempDir(), "--targets", "http://127.0.0.1:1/")
		if code != 1 || !strings.Contains(said, c.want) || strings.Contains(said, "panic") {
			t.Errorf("serve with %s: exit %d, said %q", name, code, said)
		}
	}
	if code, said := fails(t, "lint", folder(t, good)); code != 0 || !strings.Contains(said, "is fine") {
		t.Errorf("a good catalog: exit %d, said %q", code, said)
	}
}

func TestServe_refusesWhatCantWork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	catalog := folder(t, good)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"serve", "--catalog", catalog, "--targets", "http://127.0.0.1:1/"}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"the port is in use":     {append(base, "--data", t.TempDir(), "--listen", l.Addr().String()), l.Addr().String()},
		"everybody could reach":  {append(base, "--data", t.TempDir(), "--listen", "0.0.0.0:0"), "loopback"},
		"no catalog":             {[]string{"serve", "--data", t.TempDir()}, "--catalog"},
		"no metrics":             {[]string{"serve", "--catalog", catalog, "--data", t.TempDir()}, "--prometheus"},
		"the data is a file":     {append(base, "--data", file), "data folder"},
		"an unknown demo":        {[]string{"demo", "--scenario", "meteor"}, "meteor"},
		"nobody serves":          {[]string{"status", "--server", "http://127.0.0.1:1"}, "no answer"},
		"a flag that is unknown": {[]string{"serve", "--nonsense"}, "nonsense"},
	} {
		code, said := fails(t, c.args...)
		want := 1
		if c.args[0] == "demo" {
			want = 2 // there is something to mend in what was asked for
		}
		if code != want || !strings.Contains(said, c.want) || strings.Contains(said, "panic") {
			t.Errorf("%s: exit %d, said %q, want exit %d and it to name %q", name, code, said, want, c.want)
		}
	}
}

func TestServe_isAloneOnItsData(t *testing.T) {
	data := t.TempDir()
	args := []string{"serve", "--catalog", folder(t, good), "--data", data, "--targets", "http://127.0.0.1:1/", "--listen", "127.0.0.1:0"}
	start(t, true, args...)
	if code, said := fails(t, args...); code != 1 || !strings.Contains(said, "another") {
		t.Errorf("a second daemon: exit %d, said %q", code, said)
	}
}

// A dead metrics backend is said on every surface and never opens an incident,
// however often it is asked.
func TestServe_freezesWithoutMetrics(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0") // hangs up on everybody, and counts them
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	var asked atomic.Int64
	go func() {
		for {
			c, err := dead.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = c.Close()
		}
	}()
	for name, url := range map[string]string{"closed port": "http://127.0.0.1:1", "hangs up": "http://" + dead.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, true, "serve", "--catalog", folder(t, good), "--data", filepath.Join(dir, "backout"), "--prometheus", url, "--listen", "127.0.0.1:0", "--step", "200ms", "--minute", "200ms")
			c := client(t, dir, p.url)
			eventually(t, "the status says that it can't see", 20*time.Second, func() bool {
				st, err := c.Status(t.Context())
				return err == nil && len(st.Degraded) > 0 && st.Degraded[0].Source == backout.DegradedMetrics && st.Degraded[0].Freezes
			})
			if name == "hangs up" {
				eventually(t, "it asks again", 30*time.Second, func() bool { return asked.Load() >= 10 })
			}
			if inc, ok := newest(t, c); ok {
				t.Errorf("it opened %s: %s", inc.ID, inc.Why)
			}
			select {
			case err := <-p.ended:
				t.Errorf("it ended: %v\n%s", err, p.stderr)
			default:
			}
		})
	}
}
