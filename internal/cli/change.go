package cli

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/render"
)

// changeCommand holds what people do with changes.
func (e *env) changeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "change", Short: "changes of components"}
	cmd.AddCommand(e.recordCommand())
	return cmd
}

// record is what the command line says of a change.
type record struct {
	component, kind, service, environment, location string
	from, to, at                                    string
	o                                               backout.Observation
}

// recordCommand tells the running server of one change.
func (e *env) recordCommand() *cobra.Command {
	var c client
	var r record
	var output string
	cmd := &cobra.Command{
		Use: "record", Short: "tell the running backout of one change, for pipelines", Args: cobra.NoArgs,
		Example: "  backout change record --service cart --location eu-1 --from 1.9 --to 2.0 --digest sha256:...",
		Long: "Tells the running backout of one change. A pipeline step that is run again records the same change: its id derives from the\n" +
			"change and from the pipeline's run (GitHub, GitLab, Jenkins, CircleCI, Buildkite, Azure), or from --at, or else from the minute.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			o, err := r.observation(time.Now().UTC(), os.Getenv)
			if err != nil {
				return exit{2, err}
			}
			answer, err := cl.Record(cmd.Context(), o)
			if err != nil {
				if backout.CodeOf(err) == backout.CodeInvalid {
					return exit{2, err}
				}
				return err
			}
			if output == "json" {
				return e.printJSON(map[string]any{"format": 1, "observation": o, "accepted": answer.Accepted, "clamped": answer.Clamped})
			}
			fmt.Fprintf(e.out, "recorded %s: %s, as %s %s\n", o.Component, render.What(o.Component, o.To), o.Source, o.NativeID)
			return nil
		},
	}
	c.flags(cmd)
	r.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func (r *record) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.component, "component", "", "what changed, as kind:name@environment/location")
	f.StringVar(&r.kind, "kind", string(backout.KindDeployment), "its kind, where --service names it")
	f.StringVar(&r.service, "service", "", "its name, instead of --component")
	f.StringVar(&r.environment, "environment", "production", "its environment")
	f.StringVar(&r.location, "location", "", "its location")
	f.StringVar(&r.from, "from", "", "version before; empty = not known")
	f.StringVar(&r.to, "to", "", "version now (needed)")
	f.StringVar(&r.o.Digest, "digest", "", "of the artifact, such as sha256:...")
	f.Float64Var(&r.o.Share, "share", 1, "share of instances, traffic or audience that has it, above 0 and at most 1")
	f.StringVar(&r.o.Audience, "audience", "", "whom it is changed for; empty = everybody")
	f.StringVar(&r.at, "at", "", "when, such as 2006-01-02T15:04:05Z; empty = now")
	f.StringVar(&r.o.Actor, "actor", cmp.Or(os.Getenv("GITHUB_ACTOR"), os.Getenv("GITLAB_USER_LOGIN"), os.Getenv("USER")), "who changed it")
	f.StringVar(&r.o.Title, "title", "", "what for, in a line")
	f.StringVar(&r.o.Security, "security", "", "vulnerability that it closes, such as CVE-2026-1234; taking it back needs an approval of its own")
	f.StringVar(&r.o.Source, "source", "cli", "who says so")
	f.StringVar(&r.o.NativeID, "id", "", "name of this report; the same name is the same change")
}

// observation is what is sent. What is wrong with its values is the server's to
// say; here only what can't be put together is refused.
func (r record) observation(now time.Time, getenv func(string) string) (backout.Observation, error) {
	o := r.o
	o.From, o.To, o.At = backout.Version(r.from), backout.Version(r.to), now
	switch {
	case r.to == "":
		return o, errors.New("record change: --to: expected the version it has now")
	case r.component != "" && r.service != "":
		return o, errors.New("record change: expected either --component or --service")
	case r.component != "":
		o.Component = backout.ComponentID(r.component)
	case r.service == "" || r.location == "":
		return o, errors.New("record change: expected --component, or --service and --location")
	default:
		o.Component = backout.NewComponentID(backout.ComponentKind(r.kind), r.service, backout.Environment(r.environment), backout.Location(r.location))
	}
	if r.at != "" {
		at, err := time.Parse(time.RFC3339, r.at)
		if err != nil {
			return o, fmt.Errorf("record change: --at %q: expected a time such as 2006-01-02T15:04:05Z", r.at)
		}
		o.At = at
	}
	o.NativeID = cmp.Or(o.NativeID, r.id(o, getenv))
	return o, nil
}

// runs are the variables by which CI systems name one run of a pipeline, whatever
// the number of tries: GitHub, GitLab, Jenkins, CircleCI, Buildkite, Azure.
var runs = []string{"GITHUB_RUN_ID", "CI_PIPELINE_ID", "BUILD_TAG", "CIRCLE_WORKFLOW_ID", "BUILDKITE_BUILD_ID", "BUILD_BUILDID"}

// id names the report by what changed and by when or in which run. The time of a
// call is no part of it, or a step that is run again would be another change; and
// what changed alone is not enough, or shipping a version again would be none.
func (r record) id(o backout.Observation, getenv func(string) string) string {
	when := r.at
	for _, name := range runs {
		if run := getenv(name); run != "" && when == "" {
			when = name + "=" + run
		}
	}
	when = cmp.Or(when, o.At.UTC().Truncate(time.Minute).Format(time.RFC3339))
	parts := []string{string(o.Component), string(o.From), string(o.To), o.Digest, fmt.Sprint(o.Share), o.Audience, when}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:16])
}
