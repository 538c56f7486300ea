package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
	"github.com/backout-dev/backout/internal/web"
)

// How often the live view is drawn anew at most, how often when only the clock
// moves, and how often it asks again when nothing was said to have changed.
const (
	drawEvery = 250 * time.Millisecond
	tickEvery = time.Second
	askEvery  = 2 * time.Second
)

// liveView follows a running backout until the incident that was named has ended,
// somebody quits, or ctx ends. Ending it ends the showing only.
type liveView struct {
	*env
	client *web.Client
	id     backout.IncidentID // "" = whatever is newest
	output string
	by     string

	frame, said render.Frame
	screen      *screen // nil where there is no terminal
	keys        chan byte
	typed       string // what was typed at the prompt so far
	asked       string // the verb that waits for 'yes'
}

// watchStatus is `status --watch`.
func (e *env) watchStatus(ctx context.Context, cl *web.Client, id backout.IncidentID, output, by string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &liveView{env: e, client: cl, id: id, output: output, by: by}
	if f, ok := e.out.(*os.File); ok && output != "json" && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		v.screen = &screen{w: f, size: func() (int, int) {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0, 0
			}
			return w, h
		}}
		restore, err := v.listen(ctx)
		if err != nil {
			return err
		}
		defer restore()
	}
	return v.run(ctx)
}

// listen turns the keyboard over to the view, where there is one.
func (v *liveView) listen(ctx context.Context) (restore func(), err error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return func() {}, nil
	}
	before, err := term.MakeRaw(in)
	if err != nil {
		return nil, fmt.Errorf("watch: read keys: %w", err)
	}
	v.keys, v.frame.Keys = make(chan byte), true
	go func() { // ends with the process: a read of the terminal can't be taken back
		b := make([]byte, 1)
		for {
			if n, err := os.Stdin.Read(b); err != nil || n == 0 {
				return
			}
			select {
			case v.keys <- b[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { _ = term.Restore(in, before) }, nil
}

// run draws when something has changed, and each second for what counts down.
func (v *liveView) run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	go v.follow(ctx, wake)
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	asked, last, first := time.Time{}, time.Time{}, true
	for {
		if first || time.Since(asked) >= askEvery || v.frame.Lost {
			err := v.ask(ctx)
			if first && err != nil {
				return err // it never answered: that is an error, not a view
			}
			asked, first = time.Now(), false
		}
		if wait := drawEvery - time.Since(last); wait > 0 {
			sleep(ctx, wait)
		}
		last = time.Now()
		if err := v.show(); err != nil || v.over() {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			asked = time.Time{}
		case <-tick.C:
		case k := <-v.keys:
			if v.key(ctx, k) {
				return v.show()
			}
			if asked = time.Now(); v.asked == "" {
				asked = time.Time{}
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow says that something has changed whenever the server says so; while there
// is no stream it says so each second, so that the view asks by itself.
func (v *liveView) follow(ctx context.Context, wake func()) {
	for ctx.Err() == nil {
		_ = v.client.Follow(ctx, v.id, wake) // why it ended shows when the view asks
		wake()
		sleep(ctx, time.Second)
	}
}

// ask fetches what the view shows. An answer that is missing keeps what was there
// and says since when.
func (v *liveView) ask(ctx context.Context) error {
	l, err := v.client.Live(ctx, v.id)
	if err != nil && backout.CodeOf(err) != backout.CodeUnavailable {
		return err
	}
	if err != nil {
		v.frame.Lost = true
		return err
	}
	f := &v.frame
	f.AsOf, f.Lost, f.Mode, f.Ready, f.Degraded, f.Undelivered = time.Now().UTC(), false, l.Status.Mode, l.Status.Ready, l.Status.Degraded, l.Status.Undelivered
	f.Minute, f.Incident, f.Run, f.Holds = l.Status.Minute.Std(), l.Incident, l.Run, l.Holds
	return nil
}

// over reports whether the incident that was asked for has come to its end.
func (v *liveView) over() bool {
	return v.id != "" && v.asked == "" && v.frame.Incident != nil && v.frame.Incident.State.Terminal()
}

// show draws the frame on a terminal, and writes what is new elsewhere.
func (v *liveView) show() error {
	v.frame.Now = time.Now().UTC()
	if v.screen != nil {
		s := v.style(v.out)
		w, h := v.screen.size()
		s.Width = cmp.Or(w, s.Width)
		return v.screen.draw(render.Watch(v.frame, s), h)
	}
	for _, h := range render.Happenings(v.said, v.frame) {
		if err := v.say(h); err != nil {
			return err
		}
	}
	v.said = v.frame
	return nil
}

func (v *liveView) say(h render.Happening) error {
	if v.output == "json" {
		return json.NewEncoder(v.out).Encode(struct {
			Format int `json:"format"`
			render.Happening
		}{1, h})
	}
	s := v.style(v.out)
	text := render.Readable(h.Text)
	if h.Entry != nil {
		text = render.Entry(*h.Entry, s)
	}
	_, err := fmt.Fprintln(v.out, strings.Join(strings.Fields(render.Clock(h.At)+" "+string(h.Incident)+" "+text), " "))
	return err
}

// Keys that mean something in every raw terminal.
const (
	interrupt = 3
	enter     = '\r'
	escape    = 27
	backspace = 127
)

// verbs are the keys that change something; each asks first.
var verbs = map[byte]string{'p': "pause", 'x': "abort"}

// key takes one key. quit is set when the view should end.
func (v *liveView) key(ctx context.Context, k byte) (quit bool) {
	if v.asked != "" {
		return v.answer(ctx, k)
	}
	v.frame.Prompt = ""
	switch {
	case k == 'q' || k == interrupt:
		return true
	case k == 'w':
		v.frame.Why = !v.frame.Why
	case verbs[k] != "" && v.frame.Incident != nil && !v.frame.Incident.State.Terminal():
		v.asked, v.typed = verbs[k], ""
		if k == 'p' && v.frame.Incident.Paused {
			v.asked = "resume"
		}
		v.prompt()
	}
	return false
}

// becomes says what each verb leads to, before it is asked for.
var becomes = map[string]string{"pause": "it stays as it is now", "resume": "the plan goes on", "abort": "nothing further is changed"}

func (v *liveView) prompt() {
	v.frame.Prompt = fmt.Sprintf("%s %s: %s. Only 'yes' does it: %s", v.asked, v.frame.Incident.ID, becomes[v.asked], v.typed)
}

// answer takes one key of an answer.
func (v *liveView) answer(ctx context.Context, k byte) (quit bool) {
	switch {
	case k == interrupt:
		return true
	case k == backspace && len(v.typed) > 0:
		v.typed = v.typed[:len(v.typed)-1]
	case k == escape:
		v.asked, v.frame.Prompt = "", "nothing was asked for"
		return false
	case k == enter:
		verb := v.asked
		v.asked = ""
		if v.typed != "yes" {
			v.frame.Prompt = verb + " was not asked for"
			return false
		}
		v.frame.Prompt = v.decide(ctx, verb)
		return false
	case k >= ' ' && k < backspace && len(v.typed) < 20:
		v.typed += string(rune(k))
	}
	v.prompt()
	return false
}

// decide asks the server, and says what came of it: requested is not done.
func (v *liveView) decide(ctx context.Context, verb string) string {
	_, err := v.client.Decide(ctx, web.Decision{Incident: v.frame.Incident.ID, Verb: verb, By: backout.Principal{Name: v.by}, Reason: "from the live view"})
	if err != nil {
		return verb + " was refused: " + err.Error()
	}
	return verb + " was requested at " + render.Clock(time.Now())
}

// screen rewrites the lines that changed, where they stand: nothing is cleared, and
// the last frame stays when the view ends.
type screen struct {
	w    io.Writer
	size func() (width, height int)
	was  []string // what stands above the cursor
}

// draw brings the screen from the former frame to this one. Lines that the terminal
// has no room for are counted, since the cursor can't go back to what scrolled away.
func (s *screen) draw(lines []string, height int) error {
	if most := height - 1; height > 2 && len(lines) > most {
		lines = append(slices.Clone(lines[:most-1]), fmt.Sprintf("(%d more lines; the terminal is too low)", len(lines)-most+1))
	}
	var b bytes.Buffer
	n := len(s.was)
	for i := range min(n, len(lines)) {
		if lines[i] != s.was[i] {
			fmt.Fprintf(&b, "\x1b[%dA\r%s\x1b[K\x1b[%dB\r", n-i, lines[i], n-i)
		}
	}
	if len(lines) < n {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", n-len(lines))
	}
	for i := n; i < len(lines); i++ {
		b.WriteString(lines[i] + "\r\n")
	}
	s.was = slices.Clone(lines)
	_, err := s.w.Write(b.Bytes())
	return err
}
