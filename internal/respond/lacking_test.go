package respond

import (
	"testing"

	"github.com/backout-dev/backout"
)

func TestLacking(t *testing.T) {
	by := func(name string, role backout.Role) backout.Approval {
		return backout.Approval{By: backout.Principal{Name: name, Role: role}, Yes: true}
	}
	ann, bob, root := by("ann", backout.RoleApprover), by("bob", backout.RoleApprover), by("root", backout.RoleAdmin)
	for name, tt := range map[string]struct {
		ruling backout.Ruling
		given  []backout.Approval
		want   string
	}{
		"one is enough":        {backout.Ruling{Approvers: 1}, []backout.Approval{ann}, ""},
		"two are needed":       {backout.Ruling{Approvers: 2}, []backout.Approval{ann}, "1 more needed"},
		"two agreed":           {backout.Ruling{Approvers: 2}, []backout.Approval{ann, bob}, ""},
		"not the one":          {backout.Ruling{Approvers: 1, Among: []string{"bob"}}, []backout.Approval{ann}, "one of bob must agree"},
		"the one":              {backout.Ruling{Approvers: 1, Among: []string{"bob"}}, []backout.Approval{ann, bob}, ""},
		"an admin is not bob":  {backout.Ruling{Approvers: 1, Among: []string{"bob"}}, []backout.Approval{root}, "one of bob must agree"},
		"any admin":            {backout.Ruling{Approvers: 1, Among: []string{"admin"}}, []backout.Approval{root}, ""},
		"called admin is none": {backout.Ruling{Approvers: 1, Among: []string{"admin"}}, []backout.Approval{by("admin", backout.RoleApprover)}, "one of admin must agree"},
		"both":                 {backout.Ruling{Approvers: 2, Among: []string{"bob"}}, []backout.Approval{ann}, "1 more needed; one of bob must agree"},
	} {
		if got := lacking(tt.ruling, tt.given); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
