package detect

import (
	"testing"
	"unsafe"
)

// A hundred thousand series are kept in memory: 896 is a size of Go's allocator, and
// a byte more costs 128.
func TestSeries_isSmall(t *testing.T) {
	if n := unsafe.Sizeof(series{}); n > 896 {
		t.Errorf("a series takes %d bytes, expected at most 896", n)
	}
	if n := unsafe.Sizeof(season{}); n > 480 {
		t.Errorf("a season takes %d bytes, expected at most 480", n)
	}
}
