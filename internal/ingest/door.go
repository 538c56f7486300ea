package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout"
)

// Verifier checks the signature of a message.
type Verifier interface {
	// Signed reports whether the headers claim a signature of a kind it can check.
	Signed(h http.Header) bool
	// Verify fails when the signature is not one of ours, or too old. delivery names
	// the message when the signature covers a name; "" otherwise. Sending the same
	// message again keeps its name.
	Verify(h http.Header, body []byte, now time.Time) (delivery string, err error)
}

// DoorConfig says who may come in, and how much at a time. Its zero limits have
// defaults.
type DoorConfig struct {
	// Tokens that are accepted; two while one replaces the other. At least one, or
	// Signatures.
	Tokens []string
	// Signatures are accepted instead of a token; nil = none are.
	Signatures Verifier
	// MaxBody in bytes; 1 MiB when zero.
	MaxBody int64
	// InFlight is how many reports are worked on at a time, which bounds the memory
	// they take; 16 when zero. Senders without a token, who prove themselves only
	// with what they send, have as many places of their own, so that nobody who has
	// proven nothing keeps out those who hold a token.
	InFlight int
	// Waiting is how many more may wait for a place; 64 when zero. Others are asked
	// to come again later (429).
	Waiting int
	// Timeout of reading and of working on a report, each; 10s when zero.
	Timeout time.Duration
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Log receives what goes wrong on our side; nil discards it.
	Log *slog.Logger
}

// Door lets reports in: one for all sources of a server, so that its limits hold
// for all of them together.
//
//	202                 taken; a message that was taken before has no effect
//	400 field errors    mend the report
//	401                 no token of ours and no valid signature
//	405, 413, 415       not POST; too large; not a format that is read here
//	429, 503            try again later, with the same ids
type Door struct {
	config    DoorConfig
	tokens    [][sha256.Size]byte
	holders   places // who holds a token
	strangers places // who has to show a signature first
	taken     *deliveries
}

// places are the seats of those who are worked on, and the queue for them.
type places struct{ queue, seats chan struct{} }

func newPlaces(seats, waiting int) places {
	return places{make(chan struct{}, seats+waiting), make(chan struct{}, seats)}
}

var errFull = &backout.Error{Code: backout.CodeUnavailable, Message: "too many reports at a time: send it again later"}

// take gets a seat, or errFull when too many wait for one already. leave gives it
// back.
func (p places) take(ctx context.Context) (leave func(), err error) {
	select {
	case p.queue <- struct{}{}:
	default:
		return nil, errFull
	}
	select {
	case p.seats <- struct{}{}:
		return func() { <-p.seats; <-p.queue }, nil
	case <-ctx.Done():
		<-p.queue
		return nil, ctx.Err()
	}
}

// NewDoor makes a door. It fails with code invalid when there is neither a token
// nor a verifier: an open door must not come from an empty setting.
func NewDoor(c DoorConfig) (*Door, error) {
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	c.InFlight = cmp.Or(c.InFlight, 16)
	c.Waiting = cmp.Or(c.Waiting, 64)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(c.Tokens) == 0 && c.Signatures == nil:
		return nil, invalid("make door: expected at least one token or a verifier of signatures")
	case c.MaxBody < 0 || c.InFlight < 0 || c.Waiting < 0 || c.Timeout < 0:
		return nil, invalid("make door: limits: expected positive numbers")
	}
	d := &Door{
		config: c, holders: newPlaces(c.InFlight, c.Waiting), strangers: newPlaces(c.InFlight, c.Waiting), taken: newDeliveries(),
	}
	for _, t := range c.Tokens {
		if strings.TrimSpace(t) == "" {
			return nil, invalid("make door: one of the tokens is empty")
		}
		d.tokens = append(d.tokens, sha256.Sum256([]byte(t)))
	}
	return d, nil
}

// Delivery is one request that was let in.
type Delivery struct {
	Header http.Header
	Body   []byte
	At     time.Time // of arrival, by our clock
}

// Receive works on a delivery and gives what the sender is answered. Mistakes of
// the sender are [Mistakes].
type Receive func(ctx context.Context, d Delivery) (answer any, err error)

// Handler is a way in for reports of some media types, such as application/json.
func (d *Door) Handler(media []string, receive Receive) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, refusal{Code: backout.CodeInvalid, Message: "expected POST"})
			return
		}
		holder := d.holdsToken(r)
		if !holder && (d.config.Signatures == nil || !d.config.Signatures.Signed(r.Header)) {
			d.unknown(w)
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !slices.Contains(media, kind) {
			refuse(w, http.StatusUnsupportedMediaType, refusal{Code: backout.CodeInvalid, Message: "expected Content-Type: " + strings.Join(media, " or ")})
			return
		}
		waiting := d.strangers
		if holder {
			waiting = d.holders
		}
		leave, err := waiting.take(r.Context())
		if errors.Is(err, errFull) {
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusTooManyRequests, refusal{Code: errFull.Code, Message: errFull.Message})
			return
		}
		if err != nil {
			return // the sender is gone
		}
		defer leave()
		d.admit(w, r, holder, receive)
	})
}

// holdsToken compares digests, so that neither the time nor the length tells
// anything about a token.
func (d *Door) holdsToken(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	got, same := sha256.Sum256([]byte(token)), 0
	for _, want := range d.tokens {
		same |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return same == 1
}

func (d *Door) unknown(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	message := "expected the header Authorization: Bearer with one of our tokens"
	if d.config.Signatures != nil {
		message += ", or a valid signature"
	}
	refuse(w, http.StatusUnauthorized, refusal{Code: backout.CodeForbidden, Message: message})
}

// admit reads the report, checks its signature where there is no token, and lets
// it be worked on, once.
func (d *Door) admit(w http.ResponseWriter, r *http.Request, holder bool, receive Receive) {
	body, ok := d.read(w, r)
	if !ok {
		return
	}
	now, delivery := d.config.Now(), ""
	if !holder {
		var err error
		if delivery, err = d.config.Signatures.Verify(r.Header, body, now); err != nil {
			refuse(w, http.StatusUnauthorized, refusal{Code: backout.CodeForbidden, Message: err.Error()})
			return
		}
	}
	if d.taken.has(delivery, now) {
		answer(w, http.StatusAccepted, duplicate{true})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), d.config.Timeout)
	defer cancel()
	said, err := receive(ctx, Delivery{r.Header, body, now})
	if err != nil {
		d.failed(ctx, w, err)
		return
	}
	if r, asked := said.(Reply); asked {
		answer(w, r.Status, r.Body)
		return
	}
	d.taken.keep(delivery, now) // only now: a sender whose message failed sends it again
	answer(w, http.StatusAccepted, said)
}

func (d *Door) read(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	// A sender that dawdles must not hold a place. Not every server can do it. The
	// deadline is lifted afterwards: working on it has a time of its own.
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(d.config.Timeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, d.config.MaxBody))
	_ = connection.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, refusal{Code: backout.CodeInvalid, Message: "the report is too large: send it in parts"})
	case err != nil:
		refuse(w, http.StatusBadRequest, refusal{Code: backout.CodeInvalid, Message: "the report did not arrive as a whole"})
	}
	return body, err == nil
}

// failed answers for what was not taken. Whatever went wrong inside is logged and
// not told, since it concerns us and not the sender.
func (d *Door) failed(ctx context.Context, w http.ResponseWriter, err error) {
	var mistakes Mistakes
	var ours *backout.Error
	switch {
	case errors.As(err, &mistakes):
		refuse(w, http.StatusBadRequest, refusal{
			Code: backout.CodeInvalid, Message: "nothing was recorded: the report has mistakes",
			Problems: len(mistakes), Errors: mistakes[:min(len(mistakes), maxProblems)],
		})
		return
	case errors.As(err, &ours) && ours.Code == backout.CodeInvalid:
		refuse(w, http.StatusBadRequest, refusal{Code: ours.Code, Message: ours.Message})
		return
	}
	d.config.Log.ErrorContext(ctx, "take report", "error", err)
	code := backout.CodeOf(err)
	if code == backout.CodeUnavailable || code == backout.CodeConflict || errors.Is(err, context.DeadlineExceeded) {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, refusal{Code: backout.CodeUnavailable, Message: "the report could not be recorded: send it again later"})
		return
	}
	refuse(w, http.StatusInternalServerError, refusal{Code: backout.CodeInternal, Message: "the report could not be recorded"})
}
