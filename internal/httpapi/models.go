package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// The number of models on a page of the Anthropic list.
const (
	defaultPage = 20
	maxPage     = 1000
)

// models lists the models that the caller's subscription is served as themselves: in the Anthropic shape for
// clients that send anthropic-version, in the OpenAI shape for others.
func (a *API) models(c *gin.Context) {
	served, err := a.served(c)
	if err != nil {
		a.fail(c, err)
		return
	}
	if dialect(c.Request) == gateway.OpenAI {
		openAIModels(c, served)
		return
	}
	page, more, err := paginate(served, c.Query("limit"), c.Query("after_id"), c.Query("before_id"))
	if err != nil {
		a.fail(c, err)
		return
	}
	anthropicModels(c, page, more)
}

// model tells of one model, by its name or its alias.
func (a *API) model(c *gin.Context) {
	id := strings.TrimPrefix(c.Param("id"), "/")
	served, err := a.served(c)
	if err != nil {
		a.fail(c, err)
		return
	}
	i := indexModel(served, id)
	switch {
	case i < 0:
		a.fail(c, &gateway.Error{Code: gateway.NotFound, NoRetry: true, Message: fmt.Sprintf(
			"model: %s is not available to your subscription. GET /v1/models lists the models that are.", id)})
	case dialect(c.Request) == gateway.OpenAI:
		c.JSON(http.StatusOK, inOpenAIShape(served[i]))
	default:
		c.JSON(http.StatusOK, inAnthropicShape(served[i]))
	}
}

// served are the models that the caller has. Anthropic clients are told aliases of those that are not Claude's: some
// take no others for theirs.
func (a *API) served(c *gin.Context) ([]config.Model, error) {
	table := a.Table()
	plan, err := table.Plan(principal(c))
	if err != nil {
		return nil, err
	}
	served := make([]config.Model, 0, len(table.Models))
	for _, m := range table.Models {
		if !plan.Serves(gateway.ParseModel(m.ID)) {
			continue
		}
		if dialect(c.Request) == gateway.Anthropic {
			m.ID = gateway.Alias(m.ID)
		}
		served = append(served, m)
	}
	return served, nil
}

// indexModel finds a model by its name or its alias; -1 if it is not there.
func indexModel(models []config.Model, id string) int {
	return slices.IndexFunc(models, func(m config.Model) bool { return gateway.Unalias(m.ID) == gateway.Unalias(id) })
}

// paginate cuts the page that a client asked for, and tells whether there is more in its direction.
func paginate(all []config.Model, limit, after, before string) (page []config.Model, more bool, err error) {
	size, err := pageSize(limit, defaultPage, maxPage)
	if err != nil {
		return nil, false, err
	}
	at := func(id string) int { return indexModel(all, id) }
	switch {
	case after != "" && before != "":
		return nil, false, bothDirections()
	case after != "":
		if i := at(after); i >= 0 {
			all = all[i+1:]
		}
	case before != "":
		if i := at(before); i >= 0 {
			all = all[:i]
		}
		if len(all) > size {
			return all[len(all)-size:], true, nil
		}
		return all, false, nil
	}
	if len(all) > size {
		return all[:size], true, nil
	}
	return all, false, nil
}

func anthropicModels(c *gin.Context, models []config.Model, more bool) {
	page := make([]anthropic.Model, 0, len(models))
	for _, m := range models {
		page = append(page, inAnthropicShape(m))
	}
	c.JSON(http.StatusOK, anthropic.NewModelPage(page, more))
}

func inAnthropicShape(m config.Model) anthropic.Model {
	return anthropic.Model{Type: "model", ID: m.ID, DisplayName: m.DisplayName, CreatedAt: m.CreatedAt}
}

func openAIModels(c *gin.Context, models []config.Model) {
	list := openai.ModelList{Object: "list", Data: make([]openai.Model, 0, len(models))}
	for _, m := range models {
		list.Data = append(list.Data, inOpenAIShape(m))
	}
	c.JSON(http.StatusOK, list)
}

func inOpenAIShape(m config.Model) openai.Model {
	created, err := time.Parse(time.RFC3339, m.CreatedAt)
	if err != nil { // the configuration was checked
		created = time.Unix(0, 0)
	}
	return openai.Model{ID: m.ID, Object: "model", Created: created.Unix(), OwnedBy: m.OwnedBy}
}
