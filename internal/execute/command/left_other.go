//go:build !linux

package command

func leftBehind(string) []int { return nil }
