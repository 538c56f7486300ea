//go:build !race

package playground

const rateDivisor = 1
