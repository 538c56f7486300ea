package catalog

import (
	"math"
	"strconv"

	"github.com/backout-dev/backout"
)

// readRollback reads what going back with a component does by itself. A part that
// could never be priced is a problem: it would promise what nobody can keep.
func readRollback(into **backout.Rollback) func(cursor) {
	return func(c cursor) {
		r := &backout.Rollback{}
		c.fields(map[string]func(cursor){
			"startup": span(&r.Startup), "utilisation": text(&r.Utilisation),
			"cacheWarmup": span(&r.CacheWarmup), "cachePenalty": share(&r.CachePenalty),
			"queue": readQueue(r), "writes": readWrites(r),
		})
		if r.CachePenalty > 0 && r.CacheWarmup == 0 {
			c.wrong("cachePenalty without cacheWarmup: expected both")
		}
		*into = r
	}
}

func readQueue(r *backout.Rollback) func(cursor) {
	return func(c cursor) {
		q := &backout.Queue{}
		c.fields(map[string]func(cursor){
			"backlog": text(&q.Backlog), "inflow": text(&q.Inflow), "drainRate": rate(&q.DrainRate), "delayPenalty": share(&q.DelayPenalty),
		})
		if q.Backlog == "" || q.Inflow == "" || q.DrainRate == 0 {
			c.wrong("expected backlog and inflow (queries) and drainRate (messages a second)")
		}
		r.Queue = q
	}
}

func readWrites(r *backout.Rollback) func(cursor) {
	return func(c cursor) {
		w := &backout.Writes{}
		c.fields(map[string]func(cursor){
			"query": text(&w.Query), "unit": text(&w.Unit), "since": text(&w.Since), "each": money(&w.Each),
			"fate": oneOf(&w.Fate, backout.FateUnreadable, backout.FateLost, backout.FateMigrated),
		})
		if w.Query == "" || w.Unit == "" || w.Fate == "" && !c.has(c.file, c.field+".fate") {
			c.wrong("expected query, unit (what is counted) and fate (unreadable, lost or migrated)")
		}
		r.Writes = w
	}
}

// rate reads a number above nought.
func rate(into *float64) func(cursor) {
	return func(c cursor) {
		s, ok := c.scalar()
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(f, 0) || !(f > 0) {
			c.wrong("found %q: expected a number above 0", s)
			return
		}
		*into = f
	}
}
