package supervise

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// tailBytes bounds how much of a log is read to show its last lines.
const tailBytes = 16 << 10

// Tail returns the last n lines of a log file, each indented, skipping what was
// written before offset. It is for people: a file that cannot be read gives "".
func Tail(path string, offset int64, n int) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		offset = max(offset, size-tailBytes)
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return ""
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return ""
	}
	text := strings.TrimRight(string(content), "\n")
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-n):]
	return "    " + strings.Join(lines, "\n    ")
}

// openLog opens a log for appending and says how long it is already.
func openLog(path string) (*os.File, int64, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, 0, fmt.Errorf("open the log: %w", err)
	}
	offset, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("open the log: %w", err)
	}
	return file, offset, nil
}
