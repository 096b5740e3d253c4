// Package manifest reads what helm renders and checks it as an API server would: built-in kinds are decoded strictly
// into their Go types, custom kinds are held against the schema of their CustomResourceDefinition, and a field that
// neither knows is an error.
package manifest
