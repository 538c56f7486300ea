//go:build !unix

package main

import "math"

// used and peak are not known here.
func used() float64 { return math.NaN() }

func peak() float64 { return math.NaN() }
