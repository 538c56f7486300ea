package execute_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/internal/execute"
)

// A gate is asked again as soon as its bake is over, whatever it said before and however
// long the pauses between two questions have become by then: here they are longer than
// the test waits.
func TestGate_isAskedWhenItsBakeEnds(t *testing.T) {
	for _, early := range []execute.Decision{execute.DecisionWait, execute.DecisionGoOn} {
		t.Run(string(early), func(t *testing.T) {
			b := newBenchPausing(t, time.Hour, time.Hour)
			var mu sync.Mutex
			var before, after int // the end of a bake
			b.gate = func(_ context.Context, q execute.Question) (execute.Answer, error) {
				mu.Lock()
				defer mu.Unlock()
				over := !q.Now.Before(q.Until)
				if over {
					after++
					return execute.Answer{Decision: execute.DecisionGoOn}, nil
				}
				before++
				return execute.Answer{Decision: early}, nil
			}
			b.start(attempt(150 * time.Millisecond))
			b.expect(b.end(), "completed", "", "i/1/web/0", "i/1/payment/0", "i/1/payment/1", "i/1/ledger/0")
			mu.Lock()
			defer mu.Unlock()
			if before < 1 || after != 3 {
				t.Errorf("the gates were asked %d times while they baked and %d times after, expected some and three", before, after)
			}
		})
	}
}
