package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/openai"
)

func (s *session) modelsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "models", Short: "List the models you have, and what answers for the others", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			return s.models(cmd.Context(), c)
		},
	}
}

// model is one that may be asked for.
type model struct {
	ID      string       `json:"id"`
	Yours   bool         `json:"yours"` // it answers itself; GET /v1/models lists it
	Targets []api.Target `json:"targets"`
}

func (s *session) models(ctx context.Context, c *client) error {
	found, err := c.models(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(map[string]any{"data": found})
	}
	if len(found) == 0 {
		s.say("Your subscription has no models. Ask the operator of the gateway.")
		return nil
	}
	w := s.table()
	fmt.Fprintln(w, "MODEL\tANSWERED BY\tAT")
	for _, m := range found {
		var names, backends []string
		for _, t := range m.Targets {
			names, backends = appendNew(names, t.Model), appendNew(backends, t.Backend)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.ID, strings.Join(names, ", "), strings.Join(backends, ", "))
	}
	return w.Flush()
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// models are those of GET /v1/models, and then those that others answer for.
func (c *client) models(ctx context.Context) ([]model, error) {
	var list openai.ModelList
	if err := c.get(ctx, "/v1/models", &list); err != nil {
		return nil, err
	}
	var who api.Doctor
	if err := c.get(ctx, "/api/doctor", &who); err != nil {
		return nil, err
	}
	found := []model{}
	for _, m := range list.Data {
		found = append(found, model{ID: m.ID, Yours: true, Targets: []api.Target{}})
	}
	for _, m := range who.Models {
		if i := slices.IndexFunc(found, func(f model) bool { return f.ID == m.ID }); i >= 0 {
			found[i].Targets = m.Targets
		} else {
			found = append(found, model{ID: m.ID, Targets: m.Targets})
		}
	}
	return found, nil
}
