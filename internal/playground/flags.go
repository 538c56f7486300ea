package playground

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
)

// flagFile is the part of a flagd file that the shop writes; whatever else others
// put into a flag is kept.
type flagFile struct {
	Schema string                    `json:"$schema,omitempty"`
	Flags  map[string]map[string]any `json:"flags"`
}

func flagPath(dir string) string { return filepath.Join(dir, "flags.flagd.json") }

// writeFlags writes a file with every flag off.
func writeFlags(dir string, toggles []toggle) error {
	file := flagFile{Schema: "https://flagd.dev/schema/v0/flags.json", Flags: map[string]map[string]any{}}
	for _, f := range toggles {
		file.Flags[f.name] = map[string]any{"state": "ENABLED", "variants": map[string]bool{"on": true, "off": false}, "defaultVariant": "off"}
	}
	return saveFlags(dir, file)
}

// setFlag makes a variant the default of a flag, or gives it to these clients
// alone, as a person with an editor would.
func setFlag(dir, name, variant string, clients []string) error {
	raw, err := os.ReadFile(flagPath(dir))
	if err != nil {
		return fmt.Errorf("set flag %s: %w", name, err)
	}
	var file flagFile
	if err := json.Unmarshal(raw, &file); err != nil {
		return fmt.Errorf("set flag %s: %w", name, err)
	}
	if file.Flags[name] == nil {
		return fmt.Errorf("set flag %s: the file has no such flag", name)
	}
	if len(clients) > 0 {
		there := file.Flags[name]["targeting"]
		if !widen(there, clients) {
			rule := []any{map[string]any{"in": []any{map[string]any{"var": "client"}, clients}}, variant}
			if there != nil {
				rule = append(rule, there)
			}
			file.Flags[name]["targeting"] = map[string]any{"if": rule}
		}
		return saveFlags(dir, file)
	}
	file.Flags[name]["defaultVariant"] = variant
	return saveFlags(dir, file)
}

// widen gives the rule that an earlier stage wrote more clients, wherever it stands:
// what others put in front of it meanwhile goes on deciding first.
func widen(rule any, clients []string) bool {
	switch r := rule.(type) {
	case map[string]any:
		if in, ok := r["in"].([]any); ok && len(in) == 2 {
			in[1] = clients
			return true
		}
		return widen(r["if"], clients)
	case []any:
		for _, part := range r {
			if widen(part, clients) {
				return true
			}
		}
	}
	return false
}

func saveFlags(dir string, file flagFile) error {
	raw, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("write flags: %w", err)
	}
	return writeAtomic(flagPath(dir), append(raw, '\n'), 0o644)
}

// writeAtomic replaces a file so that readers see the old or the new one whole.
func writeAtomic(path string, data []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, werr := tmp.Write(data)
	cerr := tmp.Close()
	for _, err := range []error{werr, cerr, os.Chmod(tmp.Name(), mode), os.Rename(tmp.Name(), path)} {
		if err != nil {
			_ = os.Remove(tmp.Name())
			return fmt.Errorf("write %s: %w", filepath.Base(path), err)
		}
	}
	return nil
}

// watchFlags asks the provider for every flag and client a few times a second, so
// that requests need not, until ctx ends.
func watchFlags(ctx context.Context, p openfeature.FeatureProvider, t *topology, board *knobBoard) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		on := map[string]map[string]bool{}
		for _, f := range t.toggles {
			on[f.name] = map[string]bool{}
			for _, c := range t.clients {
				on[f.name][c.name] = p.BooleanEvaluation(ctx, f.name, false, openfeature.FlattenedContext{openfeature.TargetingKey: c.name, "client": c.name}).Value
			}
		}
		board.edit(func(s *knobState) { s.On = on })
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
