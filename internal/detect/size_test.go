package detect

import (
	"testing"
	"unsafe"
)

// A hundred thousand series are kept in memory: Go's allocator has sizes of 896 and 480,
// of which what holds pointers leaves 8 to it, and a byte more costs 128 and 32.
func TestSeries_isSmall(t *testing.T) {
	if n := unsafe.Sizeof(series{}); n > 896-8 {
		t.Errorf("a series takes %d bytes, expected at most 888", n)
	}
	if n := unsafe.Sizeof(season{}); n > 480 {
		t.Errorf("a season takes %d bytes, expected at most 480", n)
	}
}
