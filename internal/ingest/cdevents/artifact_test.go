package cdevents

import "testing"

func TestArtifactOf(t *testing.T) {
	const sum = "sha256:0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427"
	for id, want := range map[string]artifact{
		"pkg:oci/cart@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427":                             {sum, sum},
		"pkg:oci/cart@sha256:0B31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427?tag=2.0&repository_url=r/cart": {"2.0", sum},
		"pkg:npm/%40shop/cart@2.0.1":                  {"2.0.1", ""},
		"pkg:maven/org.shop/cart@2.0?checksum=" + sum: {"2.0", sum},
		"pkg:golang/shop.example/cart@v2.0#cmd/cart":  {"v2.0", ""},
		"pkg:oci/cart":                               {"pkg:oci/cart", ""},
		"registry.example:5000/shop/cart:2.0":        {"2.0", ""},
		"registry.example:5000/shop/cart:2.0@" + sum: {"2.0", sum},
		"registry.example:5000/shop/cart@" + sum:     {sum, sum},
		"cart@2.0":                                   {"2.0", ""},
		"cart":                                       {"cart", ""},
		"pkg:oci/cart@%zz?tag=%zz":                   {"%zz", ""},
	} {
		if got := artifactOf(id); got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
}
