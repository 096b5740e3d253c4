package integration

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"time"
)

// zoneName is that of the zone by whose days the stack counts quotas.
const zoneName = "Test/Soon"

// zone is a time zone that a test can move, so that a day begins when it suits. Go's programs find it by the variable
// ZONEINFO when they start.
type zone struct{ dir string }

// midnightAt lets a day begin at a time.
func (z zone) midnightAt(t time.Time) error {
	const day = 24 * 60 * 60
	offset := (day - t.Unix()%day) % day
	if offset > day/2 {
		offset -= day
	}
	return z.set(offset)
}

// set makes the zone one whose clocks are so many seconds ahead of UTC, always. See RFC 9636 for the format.
func (z zone) set(offset int64) error {
	const name = "SOON\x00"
	file := append([]byte("TZif"), make([]byte, 16)...)
	for _, count := range []uint32{0, 0, 0, 0, 1, uint32(len(name))} { // no leap seconds, no transitions: one type of time
		file = binary.BigEndian.AppendUint32(file, count)
	}
	file = binary.BigEndian.AppendUint32(file, uint32(int32(offset)))
	file = append(append(file, 0, 0), name...) // no summer time, the first name
	path := filepath.Join(z.dir, filepath.FromSlash(zoneName))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, file, 0o644)
}
