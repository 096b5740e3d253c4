package oci

// Command is a program that gets an image.
type Command struct {
	Name        string // of its directory below cmd, of its binary and of its image
	Description string
	Ports       []string // that it listens on, unless it is told otherwise
}

// commands are those of the repository that run in containers.
func commands() []Command {
	return []Command{
		{Name: "frontend", Description: "LLM gateway: the endpoint for clients", Ports: []string{"8000/tcp", "9464/tcp"}},
		{Name: "worker", Description: "LLM gateway: settles requests, runs batches, migrates the database", Ports: []string{"9464/tcp"}},
		{Name: "anthropic-adapter", Description: "Serves OpenAI and Anthropic clients from one backend", Ports: []string{"8080/tcp"}},
		{Name: "llmgw", Description: "LLM gateway: the users' command"},
	}
}

// binaryPath is where an image has its command.
func (c Command) binaryPath() string { return "usr/local/bin/" + c.Name }
