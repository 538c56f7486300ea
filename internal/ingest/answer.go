package ingest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/backout-dev/backout"
)

// FieldError says what is wrong with one field of a report. Field is a path such
// as [2].share_ratio; it is empty for the report as a whole.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Mistakes are everything that is wrong with a report, as an error.
type Mistakes []FieldError

// Error names the first of them and how many there are.
func (m Mistakes) Error() string {
	if len(m) == 0 {
		return "no mistakes"
	}
	return fmt.Sprintf("%s: %s (%d in all)", m[0].Field, m[0].Message, len(m))
}

// maxProblems bounds an answer.
const maxProblems = 100

type refusal struct {
	Code     backout.Code `json:"code"`
	Message  string       `json:"message"`
	Problems int          `json:"problems,omitempty"` // how many there are, when not all are listed too
	Errors   []FieldError `json:"errors,omitempty"`
}

// Reply is what a [Receive] gives when it was asked a question: an answer with a status
// of its own. A question is answered anew however often it is asked.
type Reply struct {
	Status int
	Body   any
}

// duplicate is the answer to a message that was taken before.
type duplicate struct {
	Duplicate bool `json:"duplicate"`
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
