package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// dieWithUs lets the kernel kill a program when we are gone.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// leftBehind lists processes that carry an effect's key; those of others can't be
// read and are not ours.
func leftBehind(key string) []int {
	var out []int
	want := []byte(keyVariable + "=" + key)
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range all {
		env, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for _, v := range bytes.Split(env, []byte{0}) {
			if bytes.Equal(v, want) {
				if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil && pid != os.Getpid() {
					out = append(out, pid)
				}
			}
		}
	}
	return out
}
