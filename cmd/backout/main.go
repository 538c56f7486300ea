// Command backout plans and carries out the way back from a bad change.
package main

import (
	"os"

	"github.com/backout-dev/backout/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
