package spec

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"

	"github.com/backout-dev/backout"
)

// openAPI compares two OpenAPI documents.
func openAPI(a, b backout.Attachment) (Difference, error) {
	var infos [2]*load.SpecInfo
	for i, x := range []backout.Attachment{a, b} {
		doc, err := readOpenAPI(x)
		if err != nil {
			return Difference{}, err
		}
		infos[i] = &load.SpecInfo{Url: x.Name, Spec: doc}
	}
	report, sources, err := diff.GetWithOperationsSourcesMap(diff.NewConfig(), infos[0], infos[1])
	if err != nil {
		return Difference{}, invalid(b.Name, 0, fmt.Sprintf("can't be compared with %s: %v", a.Name, err))
	}
	var out Difference
	words := checker.NewDefaultLocalizer()
	for _, c := range checker.CheckBackwardCompatibilityUntilLevel(checker.NewConfig(checker.GetAllChecks()), report, sources, checker.INFO) {
		text := strings.TrimSpace(fmt.Sprintf("%s %s: %s", c.GetOperation(), c.GetPath(), strings.TrimSuffix(c.GetUncolorizedText(words), " without deprecation")))
		switch {
		case c.GetLevel() == checker.ERR || fieldsGone[c.GetId()]:
			out.Breaks = append(out.Breaks, text)
		case c.GetLevel() == checker.WARN:
			out.Doubts = append(out.Doubts, text)
		}
	}
	return out, nil
}

// fieldsGone are differences that the rules call a warning, since a client could be
// written so as not to mind; who reads the field minds.
var fieldsGone = map[string]bool{
	"response-optional-property-removed": true,
	"response-optional-header-removed":   true,
}

// readOpenAPI reads a document. References to other files and addresses are not
// followed, and marks of deprecation are taken off: a consumer that uses what was
// removed is as broken after a warning as without one, and the rules would read the
// clock to tell.
func readOpenAPI(a backout.Attachment) (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(a.Body)
	if err != nil {
		return nil, invalid(a.Name, lineOf(err), "expected OpenAPI 3: "+firstLine(err))
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.") {
		return nil, invalid(a.Name, 1, fmt.Sprintf("openapi %q: expected 3.x", doc.OpenAPI))
	}
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation(), openapi3.DisableSchemaDefaultsValidation(), openapi3.DisableSchemaPatternValidation()); err != nil {
		return nil, invalid(a.Name, lineNear(a.Body, err), "expected OpenAPI 3: "+firstLine(err))
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			op.Deprecated, op.Extensions = false, nil
			for _, p := range op.Parameters {
				if p.Value != nil {
					p.Value.Deprecated, p.Value.Extensions = false, nil
				}
			}
		}
	}
	return doc, nil
}

var atLine = regexp.MustCompile(`line (\d+)`)

// lineOf takes the line out of the YAML reader's words; 0 when there is none.
func lineOf(err error) int {
	m := atLine.FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits
	return n
}

var quotedWord = regexp.MustCompile(`"([^"]+)"`)

// lineNear is where the last thing that the message names stands in the document;
// the validator has no lines of its own. 0 when it is not found.
func lineNear(body []byte, err error) int {
	line := 0
	for _, m := range quotedWord.FindAllStringSubmatch(err.Error(), -1) {
		if at := strings.Index(string(body), m[1]); at >= 0 {
			line = 1 + strings.Count(string(body[:at]), "\n")
		}
	}
	return line
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
