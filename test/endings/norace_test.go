//go:build !race

package endings

// worlds is how many random worlds are played.
const worlds = "15"
