package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/render"
)

// notifyCommand is about the channels to people.
func (e *env) notifyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "notify", Short: "the channels by which people are told"}
	var file, output string
	test := &cobra.Command{
		Use: "test", Short: "send a test message by each channel, and each watchdog a heartbeat; says what was acknowledged", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tested, err := app.TestNotify(cmd.Context(), file, e.errs)
			if err != nil {
				return err
			}
			return e.showTested(tested, output == "json")
		},
	}
	test.Flags().StringVar(&file, "notify", "", "file that says how people are told (needed)")
	test.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	_ = test.MarkFlagRequired("notify") // the flag exists
	cmd.AddCommand(test)
	return cmd
}

// testedChannel is one line of the answer.
type testedChannel struct {
	Channel      string `json:"channel"`
	Kind         string `json:"kind"`
	Acknowledged bool   `json:"acknowledged"`
	Why          string `json:"why,omitempty"`
}

func (e *env) showTested(tested []app.Tested, asJSON bool) error {
	rows, silent, s := []testedChannel{}, 0, e.style(e.out)
	for _, t := range tested {
		r := testedChannel{t.Channel, t.Kind, t.Err == nil, ""}
		mark, word := s.Paint(render.InkOK, s.Glyph("✔")), "acknowledged"
		if t.Err != nil {
			silent++
			r.Why = t.Err.Error()
			mark, word = s.Paint(render.InkBad, s.Glyph("✖")), "not acknowledged: "+r.Why
		}
		rows = append(rows, r)
		if !asJSON {
			fmt.Fprintf(e.out, "%s %s (%s): %s\n", mark, r.Channel, r.Kind, word)
		}
	}
	if asJSON {
		if err := e.printJSON(map[string]any{"format": 1, "channels": rows}); err != nil {
			return err
		}
	}
	if silent > 0 {
		return exit{2, errors.New(render.Plural(silent, "channel") + " did not acknowledge the test message")}
	}
	return nil
}
