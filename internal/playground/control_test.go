package playground

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestControl_moves(t *testing.T) {
	c := openShop(t, Config{Rate: 20, Seed: 9}, false)
	ctx, top := within(t, 20*time.Second), build(9, false)
	search := top.service("search")
	id := search.deployment()
	st, err := c.Component(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	old, next := backout.Version(search.current), backout.Version(search.next)
	if st.Live.Shares[old] < .99 || len(st.Versions) != 3 || st.Instances != 3 {
		t.Fatalf("before: %+v", st)
	}
	half, err := c.Move(ctx, id, ComponentMove{To: next, Share: .34}, st.ETag, "k1")
	if err != nil {
		t.Fatal(err)
	}
	if got := half.Live.Shares[next]; got < .33 || got > .34 || half.ETag == st.ETag {
		t.Errorf("after a third: %+v", half)
	}
	live := map[string]int{}
	for _, m := range targetsOf(t, c) {
		if m.Labels["service"] == search.name {
			live[m.Labels["version"]]++
		}
	}
	if d := cmp.Diff(map[string]int{search.current: 2, search.next: 1}, live); d != "" {
		t.Errorf("targets (-want +got):\n%s", d)
	}
	if _, err := c.Move(ctx, id, ComponentMove{To: old}, st.ETag, ""); backout.CodeOf(err) != backout.CodeConflict {
		t.Errorf("a stale etag: %v", err)
	}
	again, err := c.Move(ctx, id, ComponentMove{To: next, Share: .34}, st.ETag, "k1")
	if err != nil || again.ETag != half.ETag {
		t.Errorf("the same key again: %+v, %v", again, err)
	}
	if _, err := c.Move(ctx, id, ComponentMove{To: "9.9.9"}, "", ""); backout.CodeOf(err) != backout.CodeInvalid {
		t.Errorf("an unknown version: %v", err)
	}
	if _, err := c.Component(ctx, "deployment:nobody@production/eu-1"); backout.CodeOf(err) != backout.CodeNotFound {
		t.Errorf("an unknown component: %v", err)
	}
	back, err := c.Move(ctx, id, ComponentMove{To: backout.Version(search.previous)}, half.ETag, "k2")
	if err != nil || back.Live.Version() != backout.Version(search.previous) || len(back.Live.Shares) != 1 {
		t.Errorf("to the release before: %+v, %v", back, err)
	}
	wholeMoves(t, ctx, c, top)
	(&Client{control: c.control, token: "wrong"}).mustRefuse(t, ctx, id)
}

func (c *Client) mustRefuse(t *testing.T, ctx context.Context, id backout.ComponentID) {
	t.Helper()
	if _, err := c.Component(ctx, id); backout.CodeOf(err) != backout.CodeForbidden {
		t.Errorf("a wrong token: %v", err)
	}
}

func wholeMoves(t *testing.T, ctx context.Context, c *Client, top *topology) {
	t.Helper()
	for id, to := range map[backout.ComponentID]backout.Version{top.settings[0].id(): "r2", top.splits[0].id(): "split-2"} {
		st, err := c.Move(ctx, id, ComponentMove{To: to, Share: .5}, "", "")
		if err != nil || st.Live.Shares[to] != 1 {
			t.Errorf("%s to %s: %+v, %v", id, to, st, err)
		}
	}
}

func targetsOf(t *testing.T, c *Client) []target {
	t.Helper()
	var out []target
	if err := send(within(t, 5*time.Second), "", "", "GET", c.Ready.Targets, nil, nil, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Many callers with the same etag and different keys: one wins, nothing is torn.
func TestControl_concurrentMoves(t *testing.T) {
	c := openShop(t, Config{Rate: 20, Seed: 9}, false)
	ctx, s := within(t, 20*time.Second), build(9, false).service("catalog")
	st, err := c.Component(ctx, s.deployment())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	codes := map[backout.Code]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := c.Move(ctx, s.deployment(), ComponentMove{To: backout.Version(s.next), Share: .3}, st.ETag, "")
			mu.Lock()
			defer mu.Unlock()
			codes[backout.CodeOf(err)]++
		})
	}
	all.Wait()
	if d := cmp.Diff(map[backout.Code]int{"": 1, backout.CodeConflict: 7}, codes); d != "" {
		t.Errorf("answers (-want +got):\n%s", d)
	}
}
