package migration

import (
	"strings"
	"unicode"
)

// token is one word, quoted name, text, number or sign of a statement.
type token struct {
	text    string
	named   bool // a quoted name: never a keyword
	literal bool // a quoted text
}

// is reports whether the token is one of some keywords, written in capitals.
func (t token) is(words ...string) bool {
	if t.named || t.literal {
		return false
	}
	for _, w := range words {
		if strings.EqualFold(t.text, w) {
			return true
		}
	}
	return false
}

// tokens takes a statement apart, without its comments. closed is false when it
// ends within a quotation or comment.
func tokens(s string) (out []token, closed bool) {
	r := []rune(s)
	for i := 0; i < len(r); {
		switch c := r[i]; {
		case unicode.IsSpace(c):
			i++
		case c == '-' && i+1 < len(r) && r[i+1] == '-':
			for i < len(r) && r[i] != '\n' {
				i++
			}
		case c == '/' && i+1 < len(r) && r[i+1] == '*':
			end := strings.Index(string(r[i+2:]), "*/")
			if end < 0 {
				return out, false
			}
			i += 4 + len([]rune(string(r[i+2:])[:end]))
		case c == '\'' || c == '"' || c == '`' || c == '[':
			text, next, ok := quoted(r, i)
			if !ok {
				return out, false
			}
			out = append(out, token{text, c != '\'', c == '\''})
			i = next
		case c == '$' && dollar(r, i) > 0:
			n := dollar(r, i)
			tag := string(r[i : i+n])
			end := strings.Index(string(r[i+n:]), tag)
			if end < 0 {
				return out, false
			}
			out = append(out, token{string(r[i+n:])[:end], false, true})
			i += 2*n + len([]rune(string(r[i+n:])[:end]))
		case word(c):
			from := i
			for i < len(r) && (word(r[i]) || unicode.IsDigit(r[i])) {
				i++
			}
			out = append(out, token{text: string(r[from:i])})
		case unicode.IsDigit(c):
			from := i
			for i < len(r) && (unicode.IsDigit(r[i]) || r[i] == '.') {
				i++
			}
			out = append(out, token{text: string(r[from:i])})
		default:
			out = append(out, token{text: string(c)})
			i++
		}
	}
	return out, true
}

func word(c rune) bool { return c == '_' || unicode.IsLetter(c) }

// quoted reads a quotation that begins at i; a doubled closing quote stands for itself.
func quoted(r []rune, i int) (text string, next int, ok bool) {
	end := r[i]
	if end == '[' {
		end = ']'
	}
	var b strings.Builder
	for i++; i < len(r); i++ {
		if r[i] != end {
			b.WriteRune(r[i])
			continue
		}
		if i+1 < len(r) && r[i+1] == end && end != ']' {
			b.WriteRune(end)
			i++
			continue
		}
		return b.String(), i + 1, true
	}
	return "", i, false
}

// dollar is the length of a dollar quote's tag ($$ or $name$) at i, or 0.
func dollar(r []rune, i int) int {
	for n := 1; i+n < len(r); n++ {
		switch c := r[i+n]; {
		case c == '$':
			return n + 1
		case !word(c) && !unicode.IsDigit(c):
			return 0
		}
	}
	return 0
}
