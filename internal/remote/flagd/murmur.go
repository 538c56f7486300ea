package flagd

import (
	"encoding/binary"
	"math/bits"
)

// murmur32 is MurmurHash3_x86_32 with seed 0 (Austin Appleby, 2011, public
// domain), the hash that flagd's format prescribes for fractional splits, so
// that every implementation puts the same user into the same bucket.
func murmur32(s string) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	h, b := uint32(0), []byte(s)
	for ; len(b) >= 4; b = b[4:] {
		k := bits.RotateLeft32(binary.LittleEndian.Uint32(b)*c1, 15) * c2
		h = bits.RotateLeft32(h^k, 13)*5 + 0xe6546b64
	}
	if len(b) > 0 {
		k := uint32(0)
		for i := len(b) - 1; i >= 0; i-- {
			k = k<<8 | uint32(b[i])
		}
		h ^= bits.RotateLeft32(k*c1, 15) * c2
	}
	h ^= uint32(len(s))
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}
