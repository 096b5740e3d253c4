package httpapi

import (
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// anthropicPage is the page of a list of batches that an Anthropic client asks for.
func anthropicPage(c *gin.Context) (page gateway.Page, err error) {
	if c.Query("after_id") != "" && c.Query("before_id") != "" {
		return page, bothDirections()
	}
	if page.Limit, err = pageSize(c.Query("limit"), defaultPage, maxPage); err != nil {
		return page, err
	}
	if page.After, err = cursor(c, "after_id", batchCursor); err != nil {
		return page, err
	}
	page.Before, err = cursor(c, "before_id", batchCursor)
	return page, err
}

// nextPage is the page of a list that is read in one direction.
func nextPage(c *gin.Context, usual, most int, parse func(string) (uuid.UUID, bool)) (page gateway.Page, err error) {
	if page.Limit, err = pageSize(c.Query("limit"), usual, most); err != nil {
		return page, err
	}
	page.After, err = cursor(c, "after", parse)
	return page, err
}

func bothDirections() error { return invalid("after_id and before_id cannot be used together.") }

// pageSize is the limit that a client asked for, or the usual one.
func pageSize(asked string, usual, most int) (int, error) {
	if asked == "" {
		return usual, nil
	}
	size, err := strconv.Atoi(asked)
	if err != nil || size < 1 || size > most {
		return 0, invalid("limit: must be a number from 1 to %d.", most)
	}
	return size, nil
}

// cursor is the id in a query parameter; zero if there is none.
func cursor(c *gin.Context, name string, parse func(string) (uuid.UUID, bool)) (uuid.UUID, error) {
	text := c.Query(name)
	if text == "" {
		return uuid.Nil, nil
	}
	id, ok := parse(text)
	if !ok {
		return uuid.Nil, invalid("%s: %q is no id of this list.", name, text)
	}
	return id, nil
}

func batchCursor(text string) (uuid.UUID, bool) {
	id, _, ok := gateway.ParseBatchID(text)
	return id, ok
}
