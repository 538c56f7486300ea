package attribute

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// each does something for 0 to n-1 on all processors. What is done for one must touch
// nothing of the others; then the answer does not depend on who was first. A panic is the
// caller's, as it would be on one processor.
func each(n int, do func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers < 2 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	var failed atomic.Pointer[any]
	for range workers {
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					failed.Store(&p)
				}
			}()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
	if p := failed.Load(); p != nil {
		panic(*p)
	}
}

// mapped is do of 0 to n-1, in that order.
func mapped[T any](n int, do func(i int) T) []T {
	out := make([]T, n)
	each(n, func(i int) { out[i] = do(i) })
	return out
}
