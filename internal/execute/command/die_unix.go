//go:build unix && !linux

package command

import "syscall"

func dieWithUs(*syscall.SysProcAttr) {}
