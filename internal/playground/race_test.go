//go:build race

package playground

// rateDivisor keeps the load within what the race detector leaves of a machine.
const rateDivisor = 6
