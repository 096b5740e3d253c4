package cli

import (
	"fmt"
	"strings"
)

// mistakes are those in a file, the first of them in full.
type mistakes struct {
	file string
	told []string
	more int
}

func (m *mistakes) add(place string, err error) {
	const most = 10
	if len(m.told) == most {
		m.more++
		return
	}
	m.told = append(m.told, fmt.Sprintf("%s: %v", place, err))
}

// err is an *inputError, or nil if there are none.
func (m *mistakes) err() error {
	if len(m.told) == 0 {
		return nil
	}
	text := "there are mistakes in " + m.file + "; nothing was sent.\n  " + strings.Join(m.told, "\n  ")
	if m.more > 0 {
		text += fmt.Sprintf("\n  and %s more", grouped(m.more))
	}
	return &inputError{text}
}
