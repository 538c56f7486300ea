//go:build !linux

package local

import "syscall"

// dieWithUs can't be had here: what a killed test leaves must be ended by hand.
func dieWithUs() *syscall.SysProcAttr { return nil }
