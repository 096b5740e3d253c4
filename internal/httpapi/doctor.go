package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/version"
)

// doctor tells callers who they are here, and where their requests would go.
func (a *API) doctor(c *gin.Context) {
	p, table := principal(c), a.Table()
	plan, err := table.Routes.Plan(p.Tier)
	if err != nil {
		a.fail(c, err)
		return
	}
	answer := api.Doctor{
		Time: time.Now().UTC(), Version: version.String(), User: p.User, Subject: p.Subject, Tier: string(p.Tier),
		Roles: list(p.Roles), Groups: list(p.Groups), Models: []api.ModelRoute{},
	}
	for _, m := range table.Models {
		if rule, err := plan.Rule(gateway.ParseModel(m.ID)); err == nil {
			answer.Models = append(answer.Models, api.ModelRoute{ID: m.ID, Targets: targets(rule, m.ID)})
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, answer)
}

// targets are those of a rule for a model.
func targets(rule gateway.Rule, model string) []api.Target {
	list := make([]api.Target, 0, len(rule.Choices))
	for _, choice := range rule.Choices {
		t := api.Target{Backend: choice.Target.Backend, Model: choice.Target.Model}
		if t.Model == "" {
			t.Model = model
		}
		list = append(list, t)
	}
	return list
}

// doctorStream sends a few events with pauses between them, with the headers of a model's stream. A client that gets
// them all at once knows that something on the way collects them.
func (a *API) doctorStream(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	client := newClient(c.Writer, a.HTTP.WriteTimeout)
	defer client.done()
	client.Begin(http.StatusOK)
	pause := time.NewTicker(api.BeatInterval)
	defer pause.Stop()
	for n := 1; ; n++ {
		beat, err := json.Marshal(api.Beat{N: n, At: time.Now().UTC()})
		if err != nil {
			panic(err)
		}
		if client.Write(fmt.Appendf(nil, "event: beat\ndata: %s\n\n", beat)) != nil || n == api.Beats {
			return
		}
		select {
		case <-pause.C:
		case <-c.Request.Context().Done():
			return
		}
	}
}
