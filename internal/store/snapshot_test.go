package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/store/storetest"
)

func TestSnapshots_areKeptByVersionAndConfiguration(t *testing.T) {
	s := storetest.New(t)
	const id = "deployment:shop.web@production/eu-1"
	if all, err := s.Snapshots(t.Context(), id); err != nil || len(all) != 0 {
		t.Fatalf("before anything was kept: %v, %v", all, err)
	}
	put := func(version, hash string) backout.Snapshot {
		t.Helper()
		snap := backout.Snapshot{
			Component: id, Version: backout.Version(version), Locator: "c/shop/deployment/web", Images: map[string]string{"c": "web:" + version}, Digests: map[string]string{},
			Configs:  []backout.SnapshotConfig{{Kind: "configmap", Name: "env", Hash: hash, Data: map[string]string{"k": hash}}},
			Replicas: 3, VerifiedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		}
		if err := s.Keep(t.Context(), snap); err != nil {
			t.Fatal(err)
		}
		return snap
	}
	put("1", "a")
	two, one, other := put("2", "a"), put("1", "a"), put("1", "b") // the last: the same release with another configuration
	got, err := s.Snapshots(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]backout.Snapshot{other, one, two}, got); diff != "" {
		t.Errorf("snapshots (-want +got):\n%s", diff)
	}
	for _, hash := range []string{"c", "d", "e", "f"} {
		put("1", hash)
	}
	if got, err = s.Snapshots(t.Context(), id); err != nil || len(got) != 4 || got[0].Configs[0].Hash != "f" || got[2].Configs[0].Hash != "d" || got[3].Version != "2" {
		t.Errorf("%+v, %v: want the last three configurations of 1, and 2", got, err)
	}
	for i := range 9 {
		put(fmt.Sprint(10+i), "a")
	}
	if got, err = s.Snapshots(t.Context(), id); err != nil || len(got) != 5 || got[0].Version != "18" {
		t.Errorf("%d snapshots, the newest %v, %v: want the last five", len(got), got, err)
	}
	if other, err := s.Snapshots(t.Context(), "deployment:shop.other@production/eu-1"); err != nil || len(other) != 0 {
		t.Errorf("another component has %v, %v", other, err)
	}
}
