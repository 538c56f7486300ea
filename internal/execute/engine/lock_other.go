//go:build !unix

package engine

import (
	"errors"
	"os"
)

// takeLock refuses: without a lock two daemons could run the same flows.
func takeLock(string) (*os.File, error) {
	return nil, errors.New("locking a database file is supported on Unix systems only")
}
