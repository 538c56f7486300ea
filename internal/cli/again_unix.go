//go:build unix

package cli

import (
	"fmt"
	"os"
	"syscall"
)

// replaceProcess runs this program anew in the same process, with the same arguments.
// It returns only if that can't be done, with why among the reasons.
func replaceProcess(why error) error {
	path, err := os.Executable()
	if err == nil {
		err = syscall.Exec(path, os.Args, os.Environ()) //nolint:gosec // it is this program
	}
	return fmt.Errorf("begin again: %w; after: %w", err, why)
}
