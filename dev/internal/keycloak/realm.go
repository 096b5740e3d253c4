package keycloak

import (
	"crypto/rand"
	_ "embed" // realm.json, demo.json
	"encoding/json"
	"fmt"
)

//go:embed realm.json
var exampleRealm []byte

//go:embed demo.json
var demoAdditions []byte

// demoRealm is the example with the demo's additions. Each confidential client
// gets a secret, by its id; left to itself Keycloak would make one up.
func demoRealm() (realm []byte, secrets map[string]string, err error) {
	var example map[string]any
	var demo map[string][]any
	if err := json.Unmarshal(exampleRealm, &example); err != nil {
		return nil, nil, fmt.Errorf("realm.json: %w", err)
	}
	if err := json.Unmarshal(demoAdditions, &demo); err != nil {
		return nil, nil, fmt.Errorf("demo.json: %w", err)
	}
	for list, more := range demo {
		some, _ := example[list].([]any)
		example[list] = append(some, more...)
	}
	secrets = map[string]string{}
	clients, _ := example["clients"].([]any)
	for _, one := range clients {
		client, _ := one.(map[string]any)
		id, _ := client["clientId"].(string)
		if client["publicClient"] == true {
			continue
		}
		secrets[id] = secret()
		client["secret"] = secrets[id]
	}
	realm, err = json.MarshalIndent(example, "", "  ")
	return realm, secrets, err
}

// secret is a new password.
func secret() string { return rand.Text() }
