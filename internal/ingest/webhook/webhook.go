// Package webhook receives observations over HTTP, from CI systems and scripts:
//
//	POST /v1/observations
//	Authorization: Bearer TOKEN
//	Content-Type: application/json
//
// The body is one observation or an array of up to 1000. Either all of them are
// recorded or none.
//
//	202 {"accepted":2,"clamped":0}   recorded; clamped ones had a time ahead of ours
//	400 every field that is wrong    mend the report
//	401                              no token, or not one of ours
//	413, 415                         too large; not JSON
//	503                              try again later, with the same native ids
//
// Sending again is always safe: an observation that is known changes nothing.
// Whoever holds a token is believed, also about attempt, which marks an effect of
// our own.
package webhook

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
)

// Config says who may report and where reports go.
type Config struct {
	// Recorder keeps the observations. Required.
	Recorder ingest.Recorder
	// Tokens that are accepted; at least one. Two while one replaces the other.
	Tokens []string
	// MaxBody in bytes; 1 MiB when zero.
	MaxBody int64
	// InFlight is how many reports are worked on at a time, which bounds the
	// memory they take; 16 when zero. Others wait.
	InFlight int
	// Timeout of reading and of recording a report, each; 10s when zero.
	Timeout time.Duration
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Log receives what goes wrong on our side; nil discards it.
	Log *slog.Logger
}

// Path is where the handler expects to be mounted.
const Path = "/v1/observations"

// maxProblems bounds an answer.
const maxProblems = 100

// Handler receives reports.
type Handler struct {
	config Config
	tokens [][sha256.Size]byte
	slots  chan struct{}
}

// New makes a handler. It fails with code invalid when the recorder or the
// tokens are missing: an open door must not come from an empty setting.
func New(c Config) (*Handler, error) {
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	c.InFlight = cmp.Or(c.InFlight, 16)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Recorder == nil:
		return nil, invalid("webhook: expected a recorder")
	case len(c.Tokens) == 0:
		return nil, invalid("webhook tokens: expected at least one")
	case c.MaxBody < 0 || c.InFlight < 0 || c.Timeout < 0:
		return nil, invalid("webhook limits: expected positive numbers")
	}
	h := &Handler{config: c, slots: make(chan struct{}, c.InFlight)}
	for _, t := range c.Tokens {
		if strings.TrimSpace(t) == "" {
			return nil, invalid("webhook tokens: one of them is empty")
		}
		h.tokens = append(h.tokens, sha256.Sum256([]byte(t)))
	}
	return h, nil
}

// ServeHTTP meets http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, refusal{Code: backout.CodeInvalid, Message: "expected POST"})
		return
	}
	if !h.authorized(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, refusal{Code: backout.CodeForbidden, Message: "expected the header Authorization: Bearer with one of our tokens"})
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, refusal{Code: backout.CodeInvalid, Message: "expected Content-Type: application/json"})
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return
	}
	h.receive(w, r)
}

// authorized compares digests, so that neither the time nor the length tells
// anything about a token.
func (h *Handler) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	got, same := sha256.Sum256([]byte(token)), 0
	for _, want := range h.tokens {
		same |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return same == 1
}

func (h *Handler) receive(w http.ResponseWriter, r *http.Request) {
	// A sender that dawdles must not hold a slot. Not every server can do it. The
	// deadline is lifted afterwards: recording has a time of its own.
	connection := http.NewResponseController(w)
	_ = connection.SetReadDeadline(time.Now().Add(h.config.Timeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.config.MaxBody))
	_ = connection.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, refusal{Code: backout.CodeInvalid, Message: "the report is too large: send it in parts"})
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, refusal{Code: backout.CodeInvalid, Message: "the report did not arrive as a whole"})
		return
	}
	report, problems := ingest.Read(body, h.config.Now())
	if len(problems) > 0 {
		refuse(w, http.StatusBadRequest, refusal{
			Code: backout.CodeInvalid, Message: "nothing was recorded: the report has mistakes",
			Problems: len(problems), Errors: problems[:min(len(problems), maxProblems)],
		})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.config.Timeout)
	defer cancel()
	if err := h.config.Recorder.Record(ctx, report.Observations); err != nil {
		h.failed(ctx, w, err, len(report.Observations))
		return
	}
	answer(w, http.StatusAccepted, accepted{len(report.Observations), report.Clamped})
}

// failed answers for a recorder that did not record. Whatever went wrong inside
// is logged and not told, since it concerns us and not the sender.
func (h *Handler) failed(ctx context.Context, w http.ResponseWriter, err error, n int) {
	var ours *backout.Error
	if errors.As(err, &ours) && ours.Code == backout.CodeInvalid {
		refuse(w, http.StatusBadRequest, refusal{Code: ours.Code, Message: ours.Message})
		return
	}
	h.config.Log.ErrorContext(ctx, "record observations", "count", n, "error", err)
	if backout.CodeOf(err) == backout.CodeUnavailable || errors.Is(err, context.DeadlineExceeded) {
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, refusal{Code: backout.CodeUnavailable, Message: "the observations could not be recorded: send them again later"})
		return
	}
	refuse(w, http.StatusInternalServerError, refusal{Code: backout.CodeInternal, Message: "the observations could not be recorded"})
}

type accepted struct {
	Accepted int `json:"accepted"`
	Clamped  int `json:"clamped"`
}

type refusal struct {
	Code     backout.Code        `json:"code"`
	Message  string              `json:"message"`
	Problems int                 `json:"problems,omitempty"` // how many there are, when not all are listed too
	Errors   []ingest.FieldError `json:"errors,omitempty"`
}

func refuse(w http.ResponseWriter, status int, r refusal) { answer(w, status, r) }

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the sender is gone if this fails
}

func invalid(message string) error {
	return &backout.Error{Code: backout.CodeInvalid, Message: message}
}
