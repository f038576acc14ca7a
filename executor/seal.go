package executor

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// The keys of a stored value that is not plain. Plain data that looks like one
// of these is wrapped in {"$data": ...}.
const (
	sealedKey   = "$sealed"   // base64 of nonce and ciphertext
	unstoredKey = "$unstored" // a secret that was not stored for want of a key
	dataKey     = "$data"
)

// errUnstored tells that a value is a secret which was not stored.
var errUnstored = errors.New("the value is sensitive and was not stored: give it again, or keep such values encrypted with Config.Key")

// vault encodes values for the store: secrets are sealed with AES-256-GCM under
// the key of the embedding program. Without a key they are left out.
type vault struct{ aead cipher.AEAD }

func newVault(key []byte) (*vault, error) {
	if key == nil {
		return &vault{}, nil
	}
	if len(key) != 32 {
		return nil, errs.New(errs.InvalidArgument, "make an engine", "", "Config.Key has %d bytes, it must have 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errs.Wrap(err, "make an engine", "")
	}
	aead, err := cipher.NewGCM(block)
	return &vault{aead}, err
}

// store encodes a value; a secret one is sealed, or left out where there is no key.
func (v *vault) store(value any, secret bool) (json.RawMessage, error) {
	if secret && v.aead == nil {
		return json.RawMessage(`{"` + unstoredKey + `":true}`), nil
	}
	plain, err := encode(value)
	if err != nil {
		return nil, err
	}
	if !secret {
		if m, ok := value.(map[string]any); ok && len(m) == 1 {
			for k := range m {
				if strings.HasPrefix(k, "$") {
					return json.RawMessage(`{"` + dataKey + `":` + string(plain) + `}`), nil
				}
			}
		}
		return plain, nil
	}
	nonce := make([]byte, v.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return json.Marshal(map[string]string{
		sealedKey: base64.StdEncoding.EncodeToString(v.aead.Seal(nonce, nonce, plain, nil)),
	})
}

// load decodes what store wrote. A secret that was not stored is errUnstored.
func (v *vault) load(raw json.RawMessage) (value any, secret bool, err error) {
	value, err = decode(raw)
	if err != nil {
		return nil, false, err
	}
	m, ok := value.(map[string]any)
	if !ok || len(m) != 1 {
		return value, false, nil
	}
	if data, ok := m[dataKey]; ok {
		return data, false, nil
	}
	if _, ok := m[unstoredKey]; ok {
		return nil, true, errUnstored
	}
	if sealed, ok := m[sealedKey].(string); ok {
		value, err = v.open(sealed)
		return value, true, err
	}
	return value, false, nil
}

func (v *vault) open(sealed string) (any, error) {
	const doing = "open a sealed value"
	if v.aead == nil {
		return nil, &errs.Error{Code: errs.FailedPrecondition, Op: doing, Err: errors.New("there is no key"),
			Hint: "give the engine the Config.Key that the value was stored with"}
	}
	box, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(box) < v.aead.NonceSize() {
		return nil, errs.New(errs.Internal, doing, "", "the stored value is damaged")
	}
	nonce, text := box[:v.aead.NonceSize()], box[v.aead.NonceSize():]
	plain, err := v.aead.Open(nil, nonce, text, nil)
	if err != nil {
		return nil, &errs.Error{Code: errs.FailedPrecondition, Op: doing, Err: errors.New("the key does not fit, or the value is damaged"),
			Hint: "give the engine the Config.Key that the value was stored with"}
	}
	return decode(plain)
}
