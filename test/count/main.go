// Command count reads `go test -json`, prints one line for each package and the
// output of every failed test with what the test itself said at the end of it, and
// ends with how many tests passed and failed.
// It exits with 1 when anything failed or nothing ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

func main() {
	var passed, failed, skipped, broken int
	output := map[string][]string{}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text()) // build errors are not JSON
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			output[key] = append(output[key], e.Output)
		case "build-fail":
			fmt.Print(strings.Join(output[key], ""))
		case "pass", "fail", "skip":
			report(e, output[key])
			if e.Test == "" {
				if e.Action == "fail" {
					broken++
				}
				continue
			}
			switch e.Action {
			case "pass":
				passed++
			case "fail":
				failed++
			default:
				skipped++
			}
			delete(output, key)
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if failed+broken > 0 || passed == 0 {
		os.Exit(1)
	}
}

func report(e event, lines []string) {
	if e.Test == "" && e.Action != "skip" {
		fmt.Printf("%-5s %s %.1fs\n", e.Action, e.Package, e.Elapsed)
	}
	if e.Action == "fail" || e.Test != "" && e.Action == "skip" {
		fmt.Print(strings.Join(lines, ""))
	}
	if e.Action == "fail" && e.Test != "" {
		fmt.Print(strings.Join(reasons(e.Test, lines), ""))
	}
}

// reasons are the lines in which a test says what is wrong, which among the logs of
// what it had started are hard to find.
func reasons(test string, lines []string) []string {
	var out []string
	for _, l := range lines {
		if said.MatchString(l) {
			out = append(out, "why "+test+": "+l)
		}
	}
	return out
}

// said matches what t.Error and its like print: where in a test, and what.
var said = regexp.MustCompile(`^\s+\w+_test\.go:\d+: `)
