package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The users of a stack. Each has a token of its own, so that the audit log tells who
// wrote what.
const (
	Operator = "operator" // whoever started it: may do everything
	Person   = "person"   // somebody who works by hand: may do everything
	Pipeline = "pipeline" // a delivery tool: may do everything
	Product  = "backout"  // may do what it is granted
	Stranger = "stranger" // may do nothing
)

// users with the groups that they are in.
var users = map[string]string{
	Operator: "system:masters", Person: "system:masters", Pipeline: "system:masters", Product: "backout", Stranger: "strangers",
	"system:kube-controller-manager": "system:masters", "system:kube-scheduler": "system:masters", "system:kwok": "system:masters",
}

// authority signs the certificates of one stack.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, err
}

// sign makes a certificate for some names and 127.0.0.1, and its key, in PEM.
func (a *authority) sign(name string, names ...string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames: append(names, "localhost"), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalECPrivateKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}), err
}

// writeKeys makes what the processes find in the stack's folder.
func (s *Stack) writeKeys() (err error) {
	if s.keys, err = newAuthority("kubestack"); err != nil {
		return err
	}
	s.CA = s.keys.pem
	files := map[string][]byte{"ca.crt": s.CA}
	for file, names := range map[string][]string{
		"apiserver": {"kubernetes", "kubernetes.default", "kubernetes.default.svc"}, "proxy": nil, "metrics": {metricsService + "." + metricsNamespace + ".svc"},
	} {
		if files[file+".crt"], files[file+".key"], err = s.keys.sign(file, names...); err != nil {
			return err
		}
	}
	account, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&account.PublicKey)
	if err != nil {
		return err
	}
	files["account.key"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(account)})
	files["account.pub"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	s.tokens = map[string]string{}
	var table strings.Builder
	for user, group := range users {
		raw := make([]byte, 16)
		_, _ = rand.Read(raw) // never fails
		s.tokens[user] = hex.EncodeToString(raw)
		fmt.Fprintf(&table, "%s,%s,%s-uid,%q\n", s.tokens[user], user, user, group)
	}
	files["tokens.csv"], files["audit.yaml"], files["stages.yaml"] = []byte(table.String()), []byte(auditPolicy), stages
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(s.Dir, name), body, 0o600); err != nil {
			return err
		}
	}
	return nil
}
