package issuer

// User is somebody who can get a token.
type User struct {
	Name    string
	Subject string // stable: quotas and records hang on it
	Tier    string
	Roles   []string
}

// Users lists the demo users, one of each tier and an auditor.
func Users() []User {
	return []User{
		{Name: "fred", Subject: "f0000000-0000-4000-8000-000000000001", Tier: "free", Roles: []string{}},
		{Name: "petra", Subject: "f0000000-0000-4000-8000-000000000002", Tier: "pro", Roles: []string{}},
		{Name: "erin", Subject: "f0000000-0000-4000-8000-000000000003", Tier: "enterprise", Roles: []string{}},
		{Name: "audrey", Subject: "f0000000-0000-4000-8000-000000000004", Tier: "enterprise", Roles: []string{"auditor"}},
	}
}

// Find returns the user of a name.
func Find(name string) (User, bool) {
	for _, user := range Users() {
		if user.Name == name {
			return user, true
		}
	}
	return User{}, false
}
