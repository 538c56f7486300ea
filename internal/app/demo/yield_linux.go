package demo

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// guest is by how much backout's own threads step back behind those of the shop on the
// same machine, as setpriority(2) has it.
const guest = 6

// yield lets the shop go first. A quarter of a second stands for a minute: where backout
// takes the processors for that long, to reckon who did it, the whole shop turns slow, and
// backout watches trouble of its own making. In a product they don't share a machine. What
// was started before keeps its priority. Linux has one for each thread, and a thread
// begins with that of the one that starts it, so a second look finds those that began
// during the first.
func yield() error {
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0) // 20 less the value
	if err != nil {
		return fmt.Errorf("let the shop go first: %w", err)
	}
	behind := min(19, 20-own+guest)
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("let the shop go first: %w", err)
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := syscall.Setpriority(syscall.PRIO_PROCESS, id, behind); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("let the shop go first: %w", err)
			}
		}
	}
	return nil
}
