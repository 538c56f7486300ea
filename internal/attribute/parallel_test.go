package attribute

import "testing"

// A panic on another processor is the caller's, who may know what to do.
func TestEach_panics(t *testing.T) {
	defer func() {
		if p := recover(); p != "broken" {
			t.Errorf("recovered %v", p)
		}
	}()
	each(100, func(i int) {
		if i == 7 {
			panic("broken")
		}
	})
	t.Error("nobody heard of it")
}
