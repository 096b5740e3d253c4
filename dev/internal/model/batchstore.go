package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a provider remembers before it forgets the oldest of what has ended.
const (
	keptItems     = 500_000 // in batches
	keptFileBytes = 1 << 30
)

// batches are those a provider was given, and its files.
type batches struct {
	mu    sync.Mutex
	made  int      // ids
	list  []*batch // the oldest first
	files []*file
}

// file is what was uploaded, or the results of a batch.
type file struct {
	id, name, purpose string
	created           time.Time
	content           []byte
}

// number is what makes an id its own; the same request has another one when it
// comes again.
func (s *batches) number(x *exchange) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	return fmt.Sprintf("%s%04x", x.seed()[:18], s.made)
}

func (s *batches) add(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, b)
	kept := 0
	for _, one := range s.list {
		kept += one.total
	}
	s.list = slices.DeleteFunc(s.list, func(one *batch) bool {
		old := kept > keptItems && one.hasEnded()
		if old {
			kept -= one.total
		}
		return old
	})
}

func (s *batches) addFile(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, f)
	kept := 0
	for _, one := range s.files {
		kept += len(one.content)
	}
	for kept > keptFileBytes && len(s.files) > 1 {
		kept -= len(s.files[0].content)
		s.files = s.files[1:]
	}
}

// find returns a batch; nil if there is none.
func (s *batches) find(id string) *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.list {
		if b.id == id {
			return b
		}
	}
	return nil
}

// findFile returns a file; nil if there is none.
func (s *batches) findFile(id string) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		if f.id == id {
			return f
		}
	}
	return nil
}

func (s *batches) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(b *batch) bool { return b.id == id })
	s.files = slices.DeleteFunc(s.files, func(f *file) bool { return f.id == id })
}

// newest lists the batches whose id has the prefix, the newest first.
func (s *batches) newest(prefix string) []*batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(s.list), func(b *batch) bool { return !strings.HasPrefix(b.id, prefix) })
	slices.Reverse(list)
	return list
}

// newestFiles lists the files of a purpose, or all, the newest first.
func (s *batches) newestFiles(purpose string) []*file {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(s.files), func(f *file) bool { return purpose != "" && f.purpose != purpose })
	slices.Reverse(list)
	return list
}

func (b *batch) hasEnded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.ended.IsZero()
}

// listable is what is shown in pages.
type listable interface{ identity() string }

func (b *batch) identity() string { return b.id }

func (f *file) identity() string { return f.id }

// page is the part of a list that comes after one of its things, or before it,
// and whether there is more of it beyond. An unknown id has nothing beside it.
func page[T listable](list []T, after, before, limit string) (part []T, more bool) {
	n, err := strconv.Atoi(limit)
	if err != nil || n < 1 {
		n = 20
	}
	at := func(id string) int { return slices.IndexFunc(list, func(one T) bool { return one.identity() == id }) }
	if before != "" {
		list = list[:max(at(before), 0)]
		return list[max(len(list)-n, 0):], len(list) > n
	}
	if after != "" {
		i := at(after)
		if i < 0 {
			return nil, false
		}
		list = list[i+1:]
	}
	return list[:min(n, len(list))], len(list) > n
}

// listed is a page as both dialects write it.
func listed[T listable](part []T, more bool, show func(T) map[string]any) map[string]any {
	data := []any{}
	for _, one := range part {
		data = append(data, show(one))
	}
	list := map[string]any{"data": data, "has_more": more, "first_id": nil, "last_id": nil}
	if len(part) > 0 {
		list["first_id"], list["last_id"] = part[0].identity(), part[len(part)-1].identity()
	}
	return list
}
