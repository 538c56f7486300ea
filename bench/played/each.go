package played

import (
	"errors"
	"runtime"
	"sync"

	"github.com/backout-dev/backout/internal/simulate"
)

// Each calls do for 0 to n-1 on every processor at hand, and gives the answers in order.
func Each[T any](n int, do func(i int) (T, error)) ([]T, error) {
	out, errs := make([]T, n), make([]error, n)
	todo := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range todo {
				out[i], errs[i] = do(i)
			}
		})
	}
	for i := range n {
		todo <- i
	}
	close(todo)
	workers.Wait()
	return out, errors.Join(errs...)
}

// Split is the one that the flags --shifted and --train choose.
func Split(shifted, train bool) simulate.Split {
	switch {
	case shifted:
		return simulate.Shifted
	case train:
		return simulate.Train
	}
	return simulate.Test
}
