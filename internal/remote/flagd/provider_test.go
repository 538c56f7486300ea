package flagd

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
)

func serve(t *testing.T) (*Provider, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flags.json")
	replace(t, path, string(example(t)))
	p, err := NewProvider(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p, path
}

// replace renames into place, as editors and we do.
func replace(t *testing.T, path, doc string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

func TestProvider_types(t *testing.T) {
	p, _ := serve(t)
	ctx, beta := context.Background(), openfeature.FlattenedContext{"client": "acme", "targetingKey": "u"}
	b := p.BooleanEvaluation(ctx, "express-checkout", false, beta)
	if !b.Value || b.Variant != "on" || b.Reason != openfeature.TargetingMatchReason || b.FlagMetadata["owner"] != "checkout-team" {
		t.Errorf("boolean: %+v", b)
	}
	if n := p.IntEvaluation(ctx, "page-size", 1, nil); n.Value != 20 || n.Reason != openfeature.DefaultReason {
		t.Errorf("whole number: %+v", n)
	}
	if n := p.FloatEvaluation(ctx, "page-size", 1, openfeature.FlattenedContext{"app": "9.0.0"}); n.Value != 50.5 {
		t.Errorf("number: %+v", n)
	}
	if o := p.ObjectEvaluation(ctx, "banner", "none", nil); o.Value != "none" || o.Reason != openfeature.DisabledReason || o.Error() != nil {
		t.Errorf("disabled: %+v", o)
	}
	for _, tc := range []struct {
		want openfeature.ErrorCode
		got  openfeature.ResolutionDetail
	}{
		{openfeature.FlagNotFoundCode, p.StringEvaluation(ctx, "nobody", "x", nil).ResolutionDetail()},
		{openfeature.TypeMismatchCode, p.StringEvaluation(ctx, "express-checkout", "x", nil).ResolutionDetail()},
		{openfeature.TypeMismatchCode, p.IntEvaluation(ctx, "page-size", 1, openfeature.FlattenedContext{"app": "9.0.0"}).ResolutionDetail()},
	} {
		if tc.got.ErrorCode != tc.want || tc.got.Reason != openfeature.ErrorReason {
			t.Errorf("want %s: %+v", tc.want, tc.got)
		}
	}
}

// A client of the SDK sees an edit; a broken file is reported and changes nothing.
func TestProvider_followsTheFile(t *testing.T) {
	p, path := serve(t)
	ask := func() string {
		return p.StringEvaluation(context.Background(), "f", "gone", nil).Value
	}
	doc := func(v string) string {
		return `{"flags":{"f":{"state":"ENABLED","variants":{"a":"A","b":"B"},"defaultVariant":"` + v + `"}}}`
	}
	replace(t, path, doc("a"))
	until(t, "the first edit", func() bool { return ask() == "A" })
	replace(t, path, doc("b")) // the same size within the same second
	until(t, "the second edit", func() bool { return ask() == "B" })
	replace(t, path, doc("z"))
	until(t, "the report of a broken file", func() bool { return p.Err() != nil })
	if ask() != "B" {
		t.Errorf("a broken file changed the flag to %q", ask())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	replace(t, path, doc("a"))
	until(t, "the mended file", func() bool { return p.Err() == nil && ask() == "A" })
}

func TestProvider_worksInTheSDK(t *testing.T) {
	p, _ := serve(t)
	if err := openfeature.SetNamedProviderAndWait("flag-file", p); err != nil {
		t.Fatal(err)
	}
	c := openfeature.NewClient("flag-file")
	got, err := c.BooleanValue(context.Background(), "express-checkout", false, openfeature.NewEvaluationContext("u", map[string]any{"client": "acme"}))
	if err != nil || !got {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestNewProvider_refusesABrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flags.json")
	replace(t, path, `{"flags":{"f":{}}}`)
	if _, err := NewProvider(path); err == nil {
		t.Error("want an error")
	}
	if _, err := NewProvider(path + ".none"); err == nil {
		t.Error("missing file: want an error")
	}
}
