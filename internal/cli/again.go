package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/backout-dev/backout/internal/app"
)

// againVar is in the environment of a process that replaced a replica which had lost
// its place in the fleet: the number of starts since then.
const againVar = "BACKOUT_AGAIN"

// mostStarts is how many starts in a row may fail after a loss. A database may go
// away again while one begins; a catalog that somebody broke meanwhile stays broken.
const mostStarts = 10

// serve runs the daemon until it is stopped. A replica that lost its place, because
// the database was away for a few seconds or the process was frozen, waits for the
// database and begins again as a new process in this one's place: whoever supervises
// it sees neither an end nor, while a database fails over, one failed start after
// another. It is a new program image and no loop, so that nothing of the former
// replica can still act.
func (e *env) serve(ctx context.Context, c app.Config) error {
	why := e.serveOnce(ctx, c)
	starts, _ := strconv.Atoi(os.Getenv(againVar)) // not there = 0
	switch {
	case app.Lost(why):
		starts = 0
	case why == nil || ctx.Err() != nil || starts == 0 || starts >= mostStarts:
		return why
	}
	fmt.Fprintf(e.errs, "backout: %v\nbackout: begins again as soon as the database answers\n", why)
	if err := app.Await(ctx, c); err != nil {
		return err
	}
	if err := os.Setenv(againVar, strconv.Itoa(starts+1)); err != nil {
		return err
	}
	return replaceProcess(why)
}

func (e *env) serveOnce(ctx context.Context, c app.Config) error {
	a, err := app.New(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.errs, "backout listens on %s\ntoken for writes: %s (also in %s)\n", a.URL(), a.Token(), a.TokenFile())
	return a.Run(ctx)
}
