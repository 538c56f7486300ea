package backout_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/backout-dev/backout"
)

func TestTemplate_writesValuesAndNothingElse(t *testing.T) {
	same := func(s string) (string, error) { return s, nil }
	e := backout.Effect{Key: "i/1/pay/0", To: "{from}", From: "2.4", Share: 0.1, Component: backout.Component{Service: "payment"}}
	for text, want := range map[backout.Template]string{
		"{service}/{to}":        "payment/{from}", // a value is not expanded again
		"{percent} {share}":     "10 0.1",
		"awk '{{print}} {to}'":  "awk '{print} {from}'",
		"{.status.phase} {} {{": "{.status.phase} {} {{",
		"no field":              "no field",
	} {
		got, err := text.Expand(e.Fields(), same)
		if err != nil || got != want {
			t.Errorf("%q becomes %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := backout.Template("{nobody}").Expand(e.Fields(), same); backout.CodeOf(err) != backout.CodeInvalid || !strings.Contains(err.Error(), "{service}") {
		t.Errorf("an unknown field: %v; want the known ones named", err)
	}
	refused := errors.New("not here")
	if _, err := backout.Template("{to}").Expand(e.Fields(), func(string) (string, error) { return "", refused }); !errors.Is(err, refused) {
		t.Errorf("a value that has no place: %v", err)
	}
}
