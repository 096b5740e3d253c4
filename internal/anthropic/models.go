package anthropic

// Model is a line of the list of models.
type Model struct {
	Type        string `json:"type"` // "model"
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"` // RFC 3339
}

// ModelPage is a page of the list. Clients ask for pages until HasMore is false.
type ModelPage struct {
	Data    []Model `json:"data"`
	HasMore bool    `json:"has_more"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
}

// NewModelPage makes a page of models.
func NewModelPage(models []Model, more bool) ModelPage {
	page := ModelPage{Data: models, HasMore: more}
	if n := len(models); n > 0 {
		page.FirstID, page.LastID = &models[0].ID, &models[n-1].ID
	}
	return page
}
