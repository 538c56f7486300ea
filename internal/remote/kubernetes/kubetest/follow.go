package kubetest

import (
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Follow follows all pods of a namespace: first as added those there are, then whatever
// happens to them. One watch tells everything in the order in which the API server has
// written it, so that what is played again is what stood. The events end when they are
// asked for.
func (s *Stack) Follow(t testing.TB, namespace string) (events func() []watch.Event) {
	t.Helper()
	pods := s.Client.CoreV1().Pods(namespace)
	now, err := pods.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := pods.Watch(t.Context(), metav1.ListOptions{ResourceVersion: now.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	var ended atomic.Bool
	got, done := []watch.Event{}, make(chan struct{})
	for _, pod := range now.Items {
		got = append(got, watch.Event{Type: watch.Added, Object: &pod})
	}
	go func() {
		defer close(done)
		for e := range w.ResultChan() {
			if e.Type == watch.Error && ended.Load() {
				continue // it says that we have ended it
			}
			got = append(got, e)
		}
	}()
	return func() []watch.Event {
		time.Sleep(time.Second) // what was written last arrives
		ended.Store(true)
		w.Stop()
		<-done
		return got
	}
}
