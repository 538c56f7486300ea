//go:build !race

package endings

const (
	watched = false // for races
	worlds  = "15"  // random ones that are played
)
