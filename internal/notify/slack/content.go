package slack

import (
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/notify"
)

// Limits of Slack: characters in a section, and how many sections we use.
const (
	sectionLimit = 3000
	sections     = 10
)

// content is a message's fallback text, which stands alone, and its blocks, which
// say the same.
func content(m backout.Message, link string) (string, []slackgo.Block) {
	parts := split(escape(fmt.Sprintf("[%s %s] %s", m.Incident, m.Audience, m.Text)))
	blocks := make([]slackgo.Block, 0, len(parts)+1)
	for _, p := range parts {
		text := slackgo.NewTextBlockObject(slackgo.MarkdownType, p, false, true)
		blocks = append(blocks, slackgo.NewSectionBlock(text, nil, nil))
	}
	if url := notify.Link(link, m); url != "" {
		note := slackgo.NewTextBlockObject(slackgo.MarkdownType, "<"+escape(url)+"|"+escape(string(m.Incident))+">", false, true)
		blocks = append(blocks, slackgo.NewContextBlock("", note))
	}
	return strings.Join(parts, ""), blocks
}

// escape writes Slack's three control characters as text.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// split cuts escaped text into sections, never within an entity; what is longer
// than all of them is cut and says so.
func split(s string) []string {
	var out []string
	for r := []rune(s); len(r) > 0; {
		n := min(len(r), sectionLimit)
		if n < len(r) {
			for i := n - 1; i > n-6; i-- {
				if r[i] == ';' {
					break
				}
				if r[i] == '&' {
					n = i
					break
				}
			}
		}
		if len(out) == sections-1 && n < len(r) {
			const cut = " ... (cut)"
			return append(out, string(r[:n-len(cut)-6])+cut)
		}
		out, r = append(out, string(r[:n])), r[n:]
	}
	return out
}
