package backout

import "errors"

// Code classifies an error once, for HTTP status and exit status alike.
type Code string

// The codes, each with what it asks of the caller.
const (
	CodeInvalid     Code = "invalid"     // mend the input; the message names the field
	CodeNotFound    Code = "not_found"   // the named thing does not exist
	CodeConflict    Code = "conflict"    // somebody moved it meanwhile: look again, then decide
	CodeForbidden   Code = "forbidden"   // the caller may not do this
	CodeUnavailable Code = "unavailable" // a dependency is away: try later
	CodeInternal    Code = "internal"    // a defect of ours
)

// Error is an error with a code and a message fit for people.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Err     error  `json:"-"`
}

// Error is the message, followed by the cause where there is one.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf finds the code of an error; an error without one is internal, nil is "".
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
