package main

import (
	"slices"
	"testing"
)

func TestReasons(t *testing.T) {
	lines := []string{
		"=== RUN   TestShop\n",
		"    shop_test.go:12: the cart: got 2, want 3\n",
		`{"level":"info","caller":"pod_test.go:5: no"}` + "\n",
		"--- FAIL: TestShop (0.10s)\n",
	}
	want := []string{"why TestShop:     shop_test.go:12: the cart: got 2, want 3\n"}
	if got := reasons("TestShop", lines); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
