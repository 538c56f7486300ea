package recorded

import (
	"testing"
	"time"

	"github.com/backout-dev/backout/internal/detect"
)

func TestDbg(t *testing.T) {
	cases, _ := ReadPetShop("/work/shared/data/petshop/low_traffic", -1)
	for _, c := range cases {
		if c.ID != "train/issue_5" && c.ID != "test/issue_13" && c.ID != "test/issue_2" {
			continue
		}
		w := c.Window()
		d, _ := detect.New(detect.Config{})
		d.Tick(w)
		for _, r := range d.Residuals(w.Now.Add(-60*time.Minute), w.Now) {
			if s := string(r.ID.Subject.Service); s == "PetSearch_AWS--ECS--Fargate" || s == "PetSite" || s == "petlistadoptions_AWS--ECS--Fargate" || s == "adoptions-services-database.us-west-2.rds.amazonaws.com_Database--SQL" || s == "payforadoption_AWS--ECS--Container" {
				t.Logf("%s %s %s phi %.2f %v %.1f", c.ID, s, r.ID.Signal, r.Phi, r.Mode, r.Levels)
			}
		}
	}
}
