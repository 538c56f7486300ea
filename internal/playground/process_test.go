package playground

import (
	"context"
	"io"
	"os"
	"testing"
	"time"
)

func TestWithParent_endsWithTheParent(t *testing.T) {
	ctx, cancel := withParent(context.Background(), os.Getppid()+1)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-time.After(2 * time.Second):
		t.Error("the context outlived the parent")
	}
}

func TestRunInstances_endsWithItsInput(t *testing.T) {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- RunInstances(context.Background(), Config{In: r, Out: io.Discard}) }()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * time.Second):
		t.Error("instances outlived their input")
	}
}

func TestClient_stopEndsShopAndLoad(t *testing.T) {
	c := openShop(t, Config{Rate: 20, Seed: 1}, true)
	ctx := within(t, 5*time.Second)
	for r := (Report{}); r.Transactions == 0; { // until the load is there
		var err error
		if r, err = c.Report(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for pause(ctx, 20*time.Millisecond) == nil {
		if _, err := c.Report(ctx); err != nil {
			return
		}
	}
	t.Error("the shop still answers")
}

func TestConfig_refusesNonsense(t *testing.T) {
	for name, c := range map[string]Config{
		"no folder":        {},
		"unknown scenario": {Dir: "x", Scenario: "flood"},
		"tiny step":        {Dir: "x", Step: time.Microsecond},
		"negative rate":    {Dir: "x", Rate: -1},
	} {
		if _, err := c.withDefaults(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
