package ca

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"relink/internal/bounded"
	"relink/internal/durable"
	"relink/internal/hint"
)

// tokenLife is how long a token may be used, which is once.
const tokenLife = time.Hour

// mostTokens bounds those that were given out and not used yet.
const mostTokens = 1000

// ErrToken: a token that was never given out, was used, or is too old.
var ErrToken = errors.New("the token is not valid")

// Token lets one host join: it knows the authority by the pin, and the authority knows it by
// the secret.
type Token struct {
	Pin    Pin
	Secret string
}

func (t Token) String() string { return t.Pin.String() + "." + t.Secret }

// secretLength is that of crypto/rand.Text, which has 128 bits and more.
const secretLength = 26

// ParseToken reads what String gives.
func ParseToken(text string) (t Token, err error) {
	pin, secret, _ := strings.Cut(text, ".")
	sum, err := hex.DecodeString(pin)
	if err != nil || len(sum) != len(t.Pin) || len(secret) != secretLength {
		// What it is is not told: it may be all but one letter of a secret.
		return t, hint.With(errors.New("this is no token"), "print one by relink fleet token on the host that has the authority")
	}
	copy(t.Pin[:], sum)
	t.Secret = secret
	return t, nil
}

// Grant is what a token permits.
type Grant struct {
	Host      string       `json:"host,omitempty"`      // only under this name, also where it is taken; "": any that is free
	Addresses []netip.Addr `json:"addresses,omitempty"` // beside the one that it is seen to have
	Member    bool         `json:"member,omitempty"`    // it may be a member of the fleet's etcd
	Expires   time.Time    `json:"expires"`
}

// Offer makes a token for a host that joins within an hour. Only the hash of its secret is kept.
func (f Folder) Offer(g Grant, now time.Time) (t Token, _ Grant, err error) {
	a, err := f.Authority()
	if err != nil {
		return t, g, err
	}
	t = Token{PinOf(a.Certificate), rand.Text()}
	g.Expires = now.Add(tokenLife).UTC().Truncate(time.Second)
	text, err := json.Marshal(g)
	if err != nil {
		return t, g, err
	}
	if err := os.MkdirAll(f.tokens(), 0o700); err != nil {
		return t, g, err
	}
	given, err := f.given(now)
	if err == nil && len(given) >= mostTokens {
		err = fmt.Errorf("%d tokens were given out within %s and not used", len(given), tokenLife)
	}
	if err != nil {
		return t, g, err
	}
	return t, g, durable.WriteNewFile(filepath.Join(f.tokens(), hashOf(t.Secret)), text, 0o600)
}

// Redeem takes a token: of two that try at once, one gets it.
func (f Folder) Redeem(secret string, now time.Time) (Grant, error) {
	given, err := f.given(now)
	if err != nil {
		return Grant{}, err
	}
	hash, found := hashOf(secret), ""
	for name := range given {
		if subtle.ConstantTimeCompare([]byte(name), []byte(hash)) == 1 {
			found = name
		}
	}
	if found == "" {
		return Grant{}, ErrToken
	}
	err = os.Remove(filepath.Join(f.tokens(), found))
	if errors.Is(err, fs.ErrNotExist) {
		return Grant{}, ErrToken
	}
	if err == nil { // a crash must not bring it back
		err = durable.SyncDir(f.tokens())
	}
	return given[found], err
}

func (f Folder) tokens() string { return filepath.Join(string(f), "tokens") }

// given are the tokens that may still be used, by the hash of their secrets. It removes
// those that are too old.
func (f Folder) given(now time.Time) (map[string]Grant, error) {
	entries, err := bounded.Folder(f.tokens(), 2*mostTokens)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	given := map[string]Grant{}
	for _, entry := range entries {
		if len(entry.Name()) != 2*sha256.Size {
			continue // being written
		}
		path := filepath.Join(f.tokens(), entry.Name())
		text, err := f.secret(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var g Grant
		if err == nil {
			err = json.Unmarshal(text, &g)
		}
		if err != nil {
			return nil, fmt.Errorf("token %.8s: %w", entry.Name(), err)
		}
		if now.Before(g.Expires) {
			given[entry.Name()] = g
		} else if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return given, nil
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
