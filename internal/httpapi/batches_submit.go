package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// submission is what POST /batches/submissions may be told.
type submission struct {
	Endpoint string `json:"endpoint"` // of the batch's items; "" means /v1/messages
}

// submit permits the caller to start one batch through Temporal.
func (p *batchPaths) submit(c *gin.Context) error {
	if p.Submissions == nil {
		return &gateway.Error{
			Code: gateway.Missing, NoRetry: true,
			Message: "This gateway gives no permissions to start batches through Temporal: its operator has set no batch.submission_key_file. Use POST /v1/messages/batches or POST /v1/batches.",
		}
	}
	endpoint, err := p.submitted(c)
	if err != nil {
		return err
	}
	b, err := p.newBatch(c, endpoint)
	if err != nil {
		return err
	}
	token, expires, err := p.Submissions.Sign(b.ID, b.Principal, b.CreatedAt)
	if err != nil {
		return gateway.AsError(err)
	}
	c.JSON(http.StatusOK, api.Submission{
		ID: b.PublicID(), Token: token, ExpiresAt: expires, WorkflowID: b.WorkflowID,
		TaskQueue: p.Temporal.TaskQueue, Namespace: p.Temporal.Namespace,
	})
	return nil
}

// submitted is the endpoint that a permission is asked for. The workflow's id depends on its dialect.
func (p *batchPaths) submitted(c *gin.Context) (gateway.Endpoint, error) {
	body, err := p.readBody(c)
	if body != nil {
		defer body.Release()
	}
	if err != nil {
		return "", err
	}
	var asked submission
	if text := body.Bytes(); len(text) > 0 {
		if err := json.Unmarshal(text, &asked); err != nil {
			return "", invalid(`The body must be empty, or a JSON object such as {"endpoint": "/v1/messages"}.`)
		}
	}
	if asked.Endpoint == "" {
		return gateway.Messages, nil
	}
	endpoint, ok := openai.ParseEndpoint(asked.Endpoint)
	if !ok {
		return "", invalid("endpoint: batches cannot be made for %q.", asked.Endpoint)
	}
	return endpoint, nil
}
