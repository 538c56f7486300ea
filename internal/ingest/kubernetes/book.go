package kubernetes

import (
	"crypto/rand"
	"time"

	"github.com/backout-dev/backout"
)

const bookFormat = 1

// book is what was seen of a cluster: what is kept over restarts.
type book struct {
	Format int `json:"format"`
	// Key is for hashes of secrets.
	Key    []byte            `json:"key"`
	Things map[string]*thing `json:"things"`
	// Read are the kinds that were ever read, of those that we can do without.
	Read []string `json:"read,omitempty"`
	// First is set until a cluster was looked at once and what was seen was kept: what
	// stands there then is no change, unless it says when it came.
	First bool `json:"-"`
}

// thing is what was seen last of one thing: a workload, a ConfigMap, an autoscaler.
type thing struct {
	Component backout.ComponentID `json:"component"`
	UID       string              `json:"uid"`
	Version   backout.Version     `json:"version"`
	// State is what makes the version: a revision's name, a content's hash, bounds.
	State string    `json:"state"`
	At    time.Time `json:"at"` // when it came
	// Unread is set of what was there at first sight and could not be read yet: what it is
	// then is no change either.
	Unread bool `json:"unread,omitempty"`
	// Rolls is set when the state was told of, so that its stages are too.
	Rolls bool `json:"rolls,omitempty"`
	// Told is the time of the newest observation: what comes later must not look older,
	// though clusters tell times in whole seconds.
	Told time.Time `json:"told,omitzero"`
	// Number is the revision's, Stage how far it is rolled out (0 to len(stages)).
	Number int64 `json:"number,omitempty"`
	Stage  int   `json:"stage,omitempty"`
	// Names are the versions that a workload's revisions were called by.
	Names map[string]backout.Version `json:"names,omitempty"`
	From  backout.Version            `json:"from,omitempty"`
	Actor string                     `json:"actor,omitempty"`
	// Attempt is ours that put it there; "" = somebody else did.
	Attempt backout.AttemptID `json:"attempt,omitempty"`
	Title   string            `json:"title,omitempty"`
	// Verified is set when the version was kept as a release; Well is since when all of
	// it has worked.
	Verified bool      `json:"verified,omitempty"`
	Well     time.Time `json:"well,omitzero"`
	Inputs   string    `json:"inputs,omitempty"` // what it took in, and how it was scaled
	// What is shown of it.
	Service      backout.ServiceID `json:"service,omitempty"`
	System       string            `json:"system,omitempty"`
	Instances    int               `json:"instances,omitempty"`
	MaxSurge     int               `json:"max_surge,omitempty"`
	MinAvailable int               `json:"min_available,omitempty"`
}

func newBook() book {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return book{Format: bookFormat, Key: key, Things: map[string]*thing{}, First: true}
}

func (b *book) put(key string, t *thing) {
	if t == nil {
		delete(b.Things, key)
		return
	}
	b.Things[key] = t
}
