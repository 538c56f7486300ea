package signature_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout"
	"github.com/backout-dev/backout/internal/ingest"
	"github.com/backout-dev/backout/internal/ingest/signature"
)

var _ ingest.Verifier = (*signature.Verifier)(nil)

// The published examples: standard-webhooks' reference implementations and
// GitHub's documentation ("Validating webhook deliveries").
const (
	standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	standardID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	standardBody   = `{"test": 2432232314}`
	standardSum    = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	githubSecret   = "It's a Secret to Everybody"
	githubBody     = "Hello, World!"
	githubSum      = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
)

var standardAt = time.Unix(1614265330, 0)

func verifier(t testing.TB, secrets ...string) *signature.Verifier {
	t.Helper()
	v, err := signature.New(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func standard(id string, at time.Time, sum string) http.Header {
	return header("webhook-id", id, "webhook-timestamp", strconv.FormatInt(at.Unix(), 10), "webhook-signature", sum)
}

func TestVerify_table(t *testing.T) {
	other := "whsec_" + base64.StdEncoding.EncodeToString([]byte("another secret of 24 byte"))
	for name, c := range map[string]struct {
		secrets []string
		header  http.Header
		body    string
		late    time.Duration
		id      string
		refused string
	}{
		"standard":               {[]string{standardSecret}, standard(standardID, standardAt, standardSum), standardBody, 0, standardID, ""},
		"standard, rotated":      {[]string{other, standardSecret, githubSecret}, standard(standardID, standardAt, standardSum), standardBody, 0, standardID, ""},
		"two signatures":         {[]string{standardSecret}, standard(standardID, standardAt, "v1,AAAA v2,x "+standardSum), standardBody, 0, standardID, ""},
		"at the limit":           {[]string{standardSecret}, standard(standardID, standardAt, standardSum), standardBody, 5 * time.Minute, standardID, ""},
		"too late":               {[]string{standardSecret}, standard(standardID, standardAt, standardSum), standardBody, 5*time.Minute + 1, "", "from our clock"},
		"from the future":        {[]string{standardSecret}, standard(standardID, standardAt, standardSum), standardBody, -6 * time.Minute, "", "from our clock"},
		"another body":           {[]string{standardSecret}, standard(standardID, standardAt, standardSum), standardBody + " ", 0, "", "does not match"},
		"another id":             {[]string{standardSecret}, standard("msg_2", standardAt, standardSum), standardBody, 0, "", "does not match"},
		"another time":           {[]string{standardSecret}, standard(standardID, standardAt.Add(time.Second), standardSum), standardBody, 0, "", "does not match"},
		"another secret":         {[]string{other}, standard(standardID, standardAt, standardSum), standardBody, 0, "", "does not match"},
		"no id":                  {[]string{standardSecret}, standard("", standardAt, standardSum), standardBody, 0, "", "Webhook-Id"},
		"an endless id":          {[]string{standardSecret}, standard(strings.Repeat("x", 257), standardAt, standardSum), standardBody, 0, "", "Webhook-Id"},
		"no time":                {[]string{standardSecret}, header("webhook-id", standardID, "webhook-signature", standardSum), standardBody, 0, "", "Timestamp"},
		"another scheme":         {[]string{standardSecret}, standard(standardID, standardAt, "v1a"+standardSum[2:]), standardBody, 0, "", "does not match"},
		"github":                 {[]string{githubSecret}, header("X-Hub-Signature-256", githubSum), githubBody, 0, "", ""},
		"github, rotated":        {[]string{standardSecret, "another one, long enough", githubSecret}, header("X-Hub-Signature-256", githubSum), githubBody, 0, "", ""},
		"github, another body":   {[]string{githubSecret}, header("X-Hub-Signature-256", githubSum), "Hello", 0, "", "does not match"},
		"github, not hex":        {[]string{githubSecret}, header("X-Hub-Signature-256", "sha256=zz"), githubBody, 0, "", "does not match"},
		"github, empty":          {[]string{githubSecret}, header("X-Hub-Signature-256", "sha256="), githubBody, 0, "", "does not match"},
		"github, the other kind": {[]string{standardSecret}, header("X-Hub-Signature-256", sign("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", githubBody)), githubBody, 0, "", "does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := verifier(t, c.secrets...).Verify(c.header, []byte(c.body), standardAt.Add(c.late))
			if id != c.id || (err == nil) != (c.refused == "") {
				t.Fatalf("delivery %q, %v; want %q, refused %q", id, err, c.id, c.refused)
			}
			if err != nil && (backout.CodeOf(err) != backout.CodeForbidden || !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("%v, want forbidden and %q", err, c.refused)
			}
		})
	}
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func TestSigned_needsASecretOfTheKind(t *testing.T) {
	for name, c := range map[string]struct {
		secret string
		header http.Header
		want   bool
	}{
		"standard":              {standardSecret, standard("1", standardAt, "v1,x"), true},
		"github":                {githubSecret, header("X-Hub-Signature-256", "x"), true},
		"nothing":               {githubSecret, http.Header{}, false},
		"standard, no secret":   {githubSecret, standard("1", standardAt, "v1,x"), false},
		"github, but no secret": {standardSecret, header("X-Hub-Signature-256", "x"), false},
	} {
		if got := verifier(t, c.secret).Signed(c.header); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestNew_refusals(t *testing.T) {
	for name, secrets := range map[string][]string{
		"none": {}, "short": {"password"}, "short inside": {"whsec_aGVsbG8="}, "not base64": {githubSecret, "whsec_***"},
	} {
		_, err := signature.New(secrets)
		if backout.CodeOf(err) != backout.CodeInvalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
		for _, s := range secrets {
			if strings.Contains(err.Error(), strings.TrimPrefix(s, "whsec_")) {
				t.Errorf("%s: the error tells the secret: %v", name, err)
			}
		}
	}
}

// Whatever the headers are, nothing is verified that was not signed.
func FuzzVerify(f *testing.F) {
	f.Add(standardID, "1614265330", standardSum, "", standardBody)
	f.Add(standardID, "1614265330", strings.Replace(standardSum, "OE=", "OG=", 1), "", standardBody) // the same bytes, written otherwise
	f.Add("", "", "", githubSum, githubBody)
	f.Add("x", "-9223372036854775808", "v1,= v1,", "sha256=", "")
	v := verifier(f, standardSecret, githubSecret)
	f.Fuzz(func(t *testing.T, id, stamp, sum, github, body string) {
		h := header("webhook-id", id, "webhook-timestamp", stamp, "webhook-signature", sum, "X-Hub-Signature-256", github)
		_, err := v.Verify(h, []byte(body), standardAt)
		known := body == standardBody && id == standardID && strings.Contains(sum, standardSum[3:]) || body == githubBody && strings.EqualFold(github, githubSum) || strings.EqualFold(strings.TrimPrefix(github, "sha256="), githubSum[7:])
		if err == nil && !known {
			t.Errorf("verified %v %q", h, body)
		}
	})
}
