package store_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store"
	"github.com/backout-dev/backout/internal/store/storetest"
)

func TestLease_fencesTheFormerHolder(t *testing.T) {
	s := storetest.New(t)
	in := mustOpen(t, s, detected("i", "k"))
	acquire := func(holder string, at time.Duration) (store.Lease, bool) {
		l, held, err := s.Acquire(t.Context(), "respond", holder, noon.Add(at), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return l, held
	}
	first, held := acquire("a", 0)
	if !held || first.Epoch != 1 {
		t.Fatalf("%+v %t", first, held)
	}
	if l, held := acquire("b", 5*time.Second); held || l.Holder != "a" {
		t.Errorf("b got %+v while a holds it", l)
	}
	if l, held := acquire("a", 8*time.Second); !held || l.Epoch != 1 {
		t.Errorf("renewal changed the epoch: %+v %t", l, held)
	}
	second, held := acquire("b", 30*time.Second)
	if !held || second.Epoch != 2 {
		t.Fatalf("b did not take over: %+v", second)
	}
	_, err := s.Transition(t.Context(), store.Transition{Incident: in, At: noon.Add(31 * time.Second), Lease: first})
	if backout.CodeOf(err) != backout.CodeConflict || !strings.Contains(err.Error(), "lost to b") {
		t.Errorf("the former holder wrote: %v", err)
	}
	if _, err := s.Transition(t.Context(), store.Transition{Incident: in, At: noon.Add(31 * time.Second), Lease: second}); err != nil {
		t.Error(err)
	}
	// The same holder, back after its time ran out, is a new one.
	if third, held := acquire("b", 50*time.Second); !held || third.Epoch != 3 {
		t.Fatalf("b did not come back: %+v", third)
	}
	_, err = s.Transition(t.Context(), store.Transition{Incident: in, At: noon.Add(51 * time.Second), Lease: second})
	if backout.CodeOf(err) != backout.CodeConflict || !strings.Contains(err.Error(), "lost to b") {
		t.Errorf("a lease of an earlier epoch wrote: %v", err)
	}
	second.Epoch = 3
	if err := s.Yield(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if l, held := acquire("c", 52*time.Second); !held || l.Epoch != 4 {
		t.Errorf("after it was yielded: %+v %t", l, held)
	}
}

func TestRenew_asLongAsNobodyTookIt(t *testing.T) {
	s := storetest.New(t)
	l, held, err := s.Acquire(t.Context(), "replica/a", "a", noon, time.Second)
	if err != nil || !held {
		t.Fatalf("%t, %v", held, err)
	}
	// Late, and in time all the same.
	if l, err = s.Renew(t.Context(), l, noon.Add(time.Minute), time.Second); err != nil || l.Epoch != 1 || !l.Until.Equal(noon.Add(61*time.Second)) {
		t.Fatalf("%+v, %v", l, err)
	}
	if _, held, err = s.Acquire(t.Context(), "replica/a", "b", noon.Add(2*time.Minute), time.Second); err != nil || !held {
		t.Fatalf("%t, %v", held, err)
	}
	if _, err = s.Renew(t.Context(), l, noon.Add(2*time.Minute), time.Second); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("renewed what b had taken: %v", err)
	}
}

// By the database's clock, one of many gets it, whatever their own clocks say.
func TestAcquire_oneOfMany(t *testing.T) {
	s := storetest.New(t)
	var wg sync.WaitGroup
	var got atomic.Int32
	for i := range 8 {
		wg.Go(func() {
			l, held, err := s.Acquire(t.Context(), "duty", fmt.Sprint("r", i), time.Time{}, time.Minute)
			if err != nil || l.Epoch != 1 {
				t.Errorf("%+v, %v", l, err)
			}
			if held {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("%d hold it, want 1", got.Load())
	}
}
