package backout

// DataFormat is a way of writing data that outlives the version that wrote it.
// Once the writer has run at a version in Writes, what it wrote stays, also when
// the writer itself has gone back: whoever reads the data must be at a version in
// Reads, or some of it is lost to them. A contract speaks of versions that run at
// the same time; a data format speaks of versions that run one after the other.
type DataFormat struct {
	ID     string       `json:"id"`
	Writer ComponentID  `json:"writer"`
	Writes VersionRange `json:"writes"` // versions that write it
	Reader ComponentID  `json:"reader"` // often the writer itself
	Reads  VersionRange `json:"reads"`  // versions of the reader that can read it
	// Loss is what a reader that can't read it amounts to: lossy or one_way.
	Loss   Loss   `json:"loss"`
	Lost   string `json:"lost"`             // what can't be read then, in words
	Reason string `json:"reason,omitempty"` // in words, for people
	File   string `json:"file,omitempty"`   // file:line where it is declared
}
