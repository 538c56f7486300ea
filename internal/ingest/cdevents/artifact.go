package cdevents

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"
)

// artifact is what an artifact's id says: the version that people call it by, and
// the digest that pins it.
type artifact struct{ version, digest string }

var digestForm = regexp.MustCompile(`^sha(256|384|512):[0-9a-fA-F]{32,128}$`)

// artifactOf reads a purl, such as pkg:oci/cart@sha256%3A0b31...?tag=2.0, or what
// else a tool calls an artifact: cart@2.0, registry/cart:2.0. An artifact that is
// known by its digest alone has the digest for its version too.
func artifactOf(id string) artifact {
	rest, purl := strings.CutPrefix(id, "pkg:")
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	if !purl {
		rest, query = id, ""
	}
	name, version, found := cutLast(rest, "@")
	if decoded, err := url.PathUnescape(version); err == nil && purl {
		version = decoded
	}
	qualifiers, err := url.ParseQuery(query)
	if err != nil {
		qualifiers = url.Values{}
	}
	out := artifact{version: version}
	if digestForm.MatchString(version) {
		out = artifact{digest: strings.ToLower(version)}
	} else if sum := strings.Split(qualifiers.Get("checksum"), ",")[0]; digestForm.MatchString(sum) {
		out.digest = strings.ToLower(sum)
	}
	tag := qualifiers.Get("tag")
	if !purl && (!found || out.digest != "") { // an image: registry:5000/cart:2.0@sha256:...
		if _, t, ok := cutLast(name, ":"); ok && !strings.Contains(t, "/") {
			tag = t
		}
	}
	out.version = cmp.Or(tag, out.version, out.digest, id)
	return out
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
