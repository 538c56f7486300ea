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
	"github.com/backout-dev/backout/internal/app"
	"github.com/backout-dev/backout/internal/render"
)

// changeCommand holds what people do with changes.
func (e *env) changeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "change", Short: "changes of components"}
	cmd.AddCommand(e.recordCommand(), e.changesCommand(), e.changeShowCommand())
	return cmd
}

// changesCommand lists the recent changes with their verdicts.
func (e *env) changesCommand() *cobra.Command {
	var c client
	var output string
	cmd := &cobra.Command{
		Use: "list", Short: "the recent changes, newest first, and whether each can go back", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			all, err := cl.Changes(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return e.printJSON(map[string]any{"format": 1, "changes": all})
			}
			s := e.style(e.out)
			for _, k := range all {
				verdict := "? not looked at yet"
				if k.Prepared != nil {
					glyph, words, ink := render.VerdictMark(*k.Prepared)
					verdict = s.Paint(ink, s.Glyph(glyph)+" "+words)
				}
				fmt.Fprintf(e.out, "%s  %s  %s\n", render.Clock(k.Exposure.Start()), k.ID, verdict)
			}
			if len(all) == 0 {
				fmt.Fprintln(e.out, "No recent changes.")
			}
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// changeShowCommand shows one change and what lies ready for it.
func (e *env) changeShowCommand() *cobra.Command {
	var c client
	var output string
	cmd := &cobra.Command{
		Use: "show ID", Short: "one change: can it go back, how, and what goes with it; a part of its id is enough", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.open()
			if err != nil {
				return err
			}
			k, err := cl.Change(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if output == "json" {
				return e.printJSON(k)
			}
			s := e.style(e.out)
			fmt.Fprintf(e.out, "%s, from %s, since %s, seen by %s\n", k.ID, cmp.Or(string(k.From), "an unknown version"), k.Exposure.Start().UTC().Format(time.RFC3339), strings.Join(k.Sources, ", "))
			if k.Prepared == nil {
				fmt.Fprintln(e.out, "? not looked at yet: ask again in some seconds")
				return nil
			}
			fmt.Fprint(e.out, render.Prepared(*k.Prepared, s))
			if len(k.Prepared.Plan.Waves) > 0 {
				fmt.Fprintf(e.out, "\n%s\n%s", s.Paint(render.InkBold, "The plan that lies ready"), render.Plan(k.Prepared.Plan, s))
			}
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// record is what the command line says of a change.
type record struct {
	component, kind, service, environment, location string
	from, to, at                                    string
	files, builtAgainst                             []string
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
				for i := range o.Attachments {
					o.Attachments[i].Body = nil // it was the caller's
				}
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
	f.StringArrayVar(&r.files, "spec", nil, "file with the API that it serves now: OpenAPI 3 (.yaml, .yml, .json), .proto or a descriptor set (.binpb, .pb, ...); may be repeated")
	f.StringArrayVar(&r.files, "migration", nil, "file with the migration that leads to it: .sql with goose's Up and Down sections; may be repeated")
	f.StringArrayVar(&r.builtAgainst, "built-against", nil, "provider=version that it was built against, such as payment=2.13 or a whole component id; empty = what was live when it was deployed")
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
	var err error
	if o.Attachments, err = app.Attach(r.files); err != nil {
		return o, fmt.Errorf("record change: %w", err)
	}
	if o.BuiltAgainst, err = providers(o.Component, r.builtAgainst); err != nil {
		return o, err
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

// providers reads provider=version. A bare name is a deployment beside the component.
func providers(of backout.ComponentID, all []string) (map[backout.ComponentID]backout.Version, error) {
	if len(all) == 0 {
		return nil, nil
	}
	out := map[backout.ComponentID]backout.Version{}
	for _, s := range all {
		name, version, ok := strings.Cut(s, "=")
		if !ok || name == "" || version == "" {
			return nil, fmt.Errorf("record change: --built-against %q: expected provider=version", s)
		}
		id := backout.ComponentID(name)
		if !strings.Contains(name, ":") {
			_, _, env, at, err := of.Split()
			if err != nil {
				return nil, fmt.Errorf("record change: %w", err)
			}
			id = backout.NewComponentID(backout.KindDeployment, name, env, at)
		}
		out[id] = backout.Version(version)
	}
	return out, nil
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
