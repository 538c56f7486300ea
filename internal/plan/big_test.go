package plan

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/plan/check"
	"github.com/backout-dev/backout/internal/render"
)

// bigWorld is a product of many services, each calling three others under a
// contract, of which some had a recent change. One of the changes is to blame with 70 %.
func bigWorld(services, changes int) *town {
	r, w := rand.New(rand.NewPCG(1, 1)), newTown()
	var ids []backout.ComponentID
	for k := range services {
		versions := []backout.Version{"1", "2"}
		if k >= changes {
			versions = versions[:1]
		}
		ids = append(ids, w.part(backout.KindDeployment, fmt.Sprintf("s%05d", k), time.Duration(5+r.IntN(50))*time.Minute, versions...))
	}
	g := &w.req.World.Graph
	for k, id := range ids {
		for range 3 {
			j := r.IntN(services)
			if j == k {
				continue
			}
			g.Dependencies = append(g.Dependencies, backout.Dependency{From: backout.ServiceID(id.Name()), To: backout.ServiceID(ids[j].Name())})
			least := backout.Version("1")
			if k < changes && j < changes && r.IntN(2) == 0 {
				least = "2" // consumer and provider came together, and go back together
			}
			w.needs(fmt.Sprintf("K%d-%d", k, j), id, "2", ids[j], least)
		}
	}
	w.suspect(ids[0], "2", .7)
	w.suspect(ids[1], "2", .1)
	return w
}

// From the facts to what is printed: derive, prove safe, prove optimal, render.
func wholePlan(t testing.TB, w *town) string {
	p, d := w.derive(t)
	cert, found := check.Certify(w.req.World, p)
	if len(found) > 0 {
		t.Fatal(found)
	}
	p.Certificate = cert
	if p.Certificate, found = check.Cost(p, d); len(found) > 0 {
		t.Fatal(found)
	}
	return render.Plan(p, render.Style{})
}

func TestDerive_bigWorld(t *testing.T) {
	w := bigWorld(2000, 400)
	text := wholePlan(t, w)
	for _, want := range []string{"s00000", "proven safe", "proven cheapest"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan does not say %q:\n%s", want, text)
		}
	}
}

// BenchmarkWhole reports processor time besides, which a busy machine does not blur.
func BenchmarkWhole(b *testing.B) {
	w := bigWorld(10000, 1000)
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		wholePlan(b, w)
	}
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
}

func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The checker takes no longer than the planner: the bar is five times as long.
func BenchmarkCheck(b *testing.B) {
	w := bigWorld(10000, 1000)
	var p backout.Plan
	var d backout.Derivation
	b.Run("derive", func(b *testing.B) {
		before := processorTime(b)
		for b.Loop() {
			p, d = w.derive(b)
		}
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
	})
	b.Run("safe", func(b *testing.B) {
		before := processorTime(b)
		for b.Loop() {
			if found := check.Plan(w.req.World, p); len(found) > 0 {
				b.Fatal(found)
			}
		}
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
	})
	b.Run("cost", func(b *testing.B) {
		before := processorTime(b)
		for b.Loop() {
			if _, found := check.Cost(p, d); len(found) > 0 {
				b.Fatal(found)
			}
		}
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
	})
}
