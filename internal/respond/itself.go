package respond

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// Mailbox posts news that belong to no incident.
type Mailbox interface {
	// News gives the matters that people were told of.
	News(ctx context.Context) ([]backout.News, error)
	// Post keeps what people were told of, and posts the messages, or neither.
	Post(ctx context.Context, at time.Time, told []backout.News, messages []backout.Message) error
}

const (
	lastsFirst = 1              // model minutes that a matter must last before it is told
	forgetNews = 24 * time.Hour // after its end; until then a repetition is known as one
)

// See notes on the open incident of an environment what can't be seen now. Who hears
// of the incident next hears of it too.
func (r *Responder) See(ctx context.Context, now time.Time, env backout.Environment, degraded []backout.Degradation) error {
	inc, ok, err := r.cfg.Store.Latest(ctx, string(env))
	if err != nil || !ok || inc.State.Terminal() || backout.SameDegraded(inc.Degraded, degraded) {
		return err
	}
	inc.Degraded = degraded
	what := "everything can be seen again"
	if len(degraded) > 0 {
		what = "degraded: " + words(degraded)
	}
	if _, err = r.save(ctx, now, inc, what, nil); backout.CodeOf(err) == backout.CodeConflict {
		return nil // it moved on, and is looked at again
	}
	return err
}

func words(all []backout.Degradation) string {
	out := make([]string, len(all))
	for i, d := range all {
		out[i] = d.String()
	}
	return strings.Join(out, "; ")
}

// Itself tells people about backout itself: matters are those that stand now. One is
// told when it has lasted a model minute (at once if it is sudden) and when it is
// over, and the same one not more often than every ten model minutes, however often
// it comes and goes. Calling it again with the same matters changes nothing.
func (r *Responder) Itself(ctx context.Context, now time.Time, env backout.Environment, box Mailbox, matters []backout.Matter) error {
	told, err := box.News(ctx)
	if err != nil {
		return fmt.Errorf("read news of backout itself: %w", err)
	}
	next, messages := r.itself(now, env, told, matters)
	if len(messages) == 0 && slices.Equal(next, told) {
		return nil
	}
	if err := box.Post(ctx, now, next, messages); err != nil {
		return fmt.Errorf("tell about backout itself: %w", err)
	}
	return nil
}

// itself says what people must be told, and what they then have been.
func (r *Responder) itself(now time.Time, env backout.Environment, told []backout.News, matters []backout.Matter) ([]backout.News, []backout.Message) {
	next, messages := []backout.News{}, []backout.Message{}
	for _, n := range told {
		standing := slices.ContainsFunc(matters, func(m backout.Matter) bool { return m.Key == n.Matter.Key })
		switch {
		case n.Stands && !standing:
			n.Stands, n.At = false, now
			if !n.Matter.Once {
				messages = append(messages, itselfMessages(now, env, n.Matter, true)...)
			}
		case !n.Stands && now.Sub(n.At) > forgetNews:
			continue
		}
		next = append(next, n)
	}
	for _, m := range matters {
		i := slices.IndexFunc(next, func(n backout.News) bool { return n.Matter.Key == m.Key })
		switch {
		case i >= 0 && next[i].Stands, !m.Sudden && !m.Once && now.Sub(m.Since) < r.minutes(lastsFirst):
			continue
		case i >= 0 && now.Sub(next[i].At) < r.minutes(updateEvery):
			continue
		case i >= 0:
			next = slices.Delete(next, i, i+1)
		}
		next = append(next, backout.News{Matter: m, At: now, Stands: true})
		messages = append(messages, itselfMessages(now, env, m, false)...)
	}
	return next, messages
}

// itselfMessages are the words for each audience. They are tried until somebody
// acknowledged them: that nobody decides must get out.
func itselfMessages(now time.Time, env backout.Environment, m backout.Matter, over bool) []backout.Message {
	out := []backout.Message{}
	key := fmt.Sprintf("%s/%d", m.Key, m.Since.UnixMilli())
	if over {
		key += "/over"
	}
	for _, a := range backout.Audiences() {
		if text := render.Itself(a, env, m, over, now); text != "" {
			out = append(out, backout.Message{
				Incident: backout.Self(env), Audience: a, Key: key, At: now, Text: text, Terminal: true,
				Facts: backout.Facts{Environment: env, Services: []backout.ServiceID{}, TakenBack: []backout.TakenBack{}},
			})
		}
	}
	return out
}

// Matters are what people must be told at once of what is degraded: that nothing is
// changed, that a run is parked, that a replica or a loop is gone. All of one source
// is one matter, so that fifty parked runs are one message.
func Matters(degraded []backout.Degradation) []backout.Matter {
	var order []backout.DegradedSource
	by := map[backout.DegradedSource][]backout.Degradation{}
	for _, d := range degraded {
		switch d.Source {
		case backout.DegradedEngine, backout.DegradedReplicas, backout.DegradedLoops:
		default:
			if !d.Freezes {
				continue
			}
		}
		if by[d.Source] == nil {
			order = append(order, d.Source)
		}
		by[d.Source] = append(by[d.Source], d)
	}
	out := []backout.Matter{}
	for _, s := range order {
		m := backout.Matter{Key: string(s), Since: by[s][0].Since, Text: render.DegradedMatter(by[s])}
		for _, d := range by[s] {
			if d.Since.Before(m.Since) {
				m.Since = d.Since
			}
		}
		switch s {
		case backout.DegradedMetrics:
			m.Plain = "the measurements are missing, so nothing is changed until they are back"
		case backout.DegradedDatabase, backout.DegradedLoops:
			m.Plain = "it can't decide until somebody has mended it"
		}
		out = append(out, m)
	}
	return out
}
